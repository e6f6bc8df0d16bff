"""Choose the settings of face recognition, on people who are no targets.

    auxtask bench face_quality --data-root DIR                       # all candidates: hours
    auxtask bench face_quality candidates=margin3 --data-root DIR    # one of them

The people of Labeled Faces in the Wild with 10 to 19 photos stand in for the targets; those with fewer are
pretrained on, those with 20 and more (the targets) are left out. Each candidate is pretrained on the same number of
photos. Then `scratch` is searched over lengths and rates, and `probe_then_tune` over rates, on the first candidate.
Rows carry the candidate as `variant`; what won is written into recipes/face_recognition.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import auxtask as at

SIZE, BUDGETS = 80, (1, 3, 5)
NETWORK: dict[str, Any] = {"size": 72, "stages": (64, 128, 256), "strides": (2, 2, 2), "stem": 24, "dropout": 0.2}
BATCH: dict[str, Any] = {"people": 96, "photos": 2, "singles": 48}

# name -> (changes to the network, to the task, to the batch)
CANDIDATES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "margin1": ({}, {"margin_weight": 1.0}, {}),
    "margin3": ({}, {"margin_weight": 3.0}, {}),
    "all_classes": ({}, {"margin_weight": 1.0, "class_photos": 1}, {}),
    "half_batch": ({}, {"margin_weight": 1.0}, {"people": 48, "singles": 24}),
    "half_batch_dropout": ({"dropout": 0.4}, {"margin_weight": 1.0}, {"people": 48, "singles": 24}),
    "deep": ({"blocks": (1, 2, 1)}, {"margin_weight": 1.0}, {}),
}
# What can be searched: heads on each frozen candidate, then on the first candidate the arms that train.
SEARCHES = ("heads", "scratch", "tune")
# epochs of 50 batches, peak rate, photos in a batch
SCHEDULES = ((48, 3e-3, 16), (24, 3e-3, 16), (12, 3e-3, 16), (6, 3e-3, 32), (6, 1e-3, 32))
# epochs of 50 batches, peak rate (the head starts as the probe's), photos in a batch
TUNINGS = ((6, 3e-5, 16), (6, 1e-4, 16), (6, 3e-4, 16))


@dataclass(frozen=True)
class Config:
    """What can be set, as key=value."""

    candidates: tuple[str, ...] = at.option((), "names of candidates; empty: all", choices=tuple(CANDIDATES))
    steps: int = at.option(700, "length of each candidate's pretraining, in steps of 240 photos")
    draws: int = at.option(5, "how often labelled photos are drawn")
    search: tuple[str, ...] = at.option((), "what is searched; empty: all", choices=SEARCHES)
    quick: bool = at.option(False, "drawn faces and a few steps: to see that everything runs")


def main(config: Config, run: at.Run) -> None:
    """Pretrain each candidate, judge it on the pseudo-targets, then search the arms that train."""
    strangers, pseudo = people(config, run)
    run.keep_to("photos", "".join(each.fingerprint(in_order=True) for each in (strangers, pseudo)))
    names = config.candidates or tuple(CANDIDATES)[: 1 if config.quick else None]
    searches = config.search or SEARCHES
    backbones = {}
    for name in names:
        with run.stage(name):
            backbones[name] = pretrained(name, config, run, strangers)
            if "heads" in searches:
                judge(name, backbones[name], strangers, pseudo, config, run)
    with run.stage("arms that train"):
        search_training(backbones[names[0]], pseudo, searches, config, run)
    for row in run.rows:
        if row["metric"] == "rank1":
            run.print(f"{row['variant']:22} {row['arm']:16} {row['budget']:3}  {100 * row['mean']:.1f} %")


def people(config: Config, run: at.Run) -> tuple[at.FaceData, at.FaceData]:
    """Give the people to pretrain on, and those who stand in for targets."""
    if config.quick:
        return at.FaceData.drawn(60, 6, seed=1, size=SIZE), at.FaceData.drawn(8, 15, seed=2, size=SIZE, name_prefix="p")
    root = run.required_data_root("without quick=true this search", "faces/lfw")
    everyone = at.FaceData.lfw(root, SIZE).with_at_most(19)
    return everyone.with_at_most(9), everyone.with_at_least(10)


def pretrained(name: str, config: Config, run: at.Run, strangers: at.FaceData) -> at.Model:
    """Pretrain a candidate, or take it from this run folder (--resume)."""
    folder = run.folder / "backbones" / name
    if folder.exists():
        return at.load(folder)
    network, task, changes = CANDIDATES[name]
    batch = BATCH | changes
    backbone = at.residual_backbone(**NETWORK | network, seed=run.seed)
    same_face = at.SameFace(backbone, **task, seed=run.seed)
    photos = at.batch_size(strangers.labels, **batch)
    steps = 5 if config.quick else config.steps * 240 // photos  # every candidate sees as many photos
    same_face.pretrain(
        strangers, budget=f"{steps}steps", **batch, seed=run.seed,
        callbacks=run.callbacks(label=name, items_per_step=photos, unit="photos"),
    )  # fmt: skip
    assert same_face.pretraining is not None
    at.save_backbone(backbone, folder, same_face.pretraining.provenance, {"size": SIZE})
    return backbone


def judge(
    name: str, backbone: at.Model, strangers: at.FaceData, pseudo: at.FaceData, config: Config, run: at.Run
) -> None:
    """Compare heads on the frozen candidate, before and after whitening by strangers."""
    views = {"one crop": (0.9,), "three crops": (0.96, 0.9, 0.84), "five crops": (1.0, 0.96, 0.9, 0.84, 0.78)}
    some = strangers.images(np.sort(np.random.default_rng(run.seed).permutation(strangers.num_photos)[:3000]))
    images = pseudo.images()
    several = strangers.with_at_least(2)
    for whitened in (False, True):
        if whitened:
            at.whiten_embeddings(backbone, at.embed(backbone, several.images()), several.labels)
        for view, crops in views.items():
            features = partial(at.embed, backbone, images, crops)
            arms = {"nearest_mean": at.linear_arm(features, at.nearest_mean_head)}
            for strength in (3.0, 10.0, 30.0):
                head = partial(at.logistic_head, strength=strength)
                arms[f"probe-C{strength:g}"] = at.linear_arm(features, head)
            cohort = at.embed(backbone, some, crops)
            for share in (0.25, 0.5, 1.0):
                near = at.against_strangers(at.nearest_mean_head, cohort, share)
                arms[f"nearest_mean-strangers{share:g}"] = at.linear_arm(features, near)
            arms["probe-C10-strangers0.5"] = at.linear_arm(features, at.against_strangers(at.logistic_head, cohort))
            compare(arms, pseudo, f"{name}-{view.replace(' ', '-')}{'-whitened' * whitened}", config, run)


def search_training(
    backbone: at.Model, pseudo: at.FaceData, searches: tuple[str, ...], config: Config, run: at.Run
) -> None:
    """Compare lengths and rates of the arms that train a network: one draw, since each cell takes half a minute."""
    images, augment = pseudo.images(), at.Augmentation(size=NETWORK["size"])
    network = partial(at.network_arm, backbone, images, augment=augment, crop=0.9, mirror=True)  # as in the recipe
    schedules, tunings = (((1, 1e-3, 16),), ((2, 1e-4, 16),)) if config.quick else (SCHEDULES, TUNINGS)
    for epochs, rate, size in schedules if "scratch" in searches else ():
        decay = at.keras.optimizers.schedules.CosineDecay(rate, epochs * 50)
        arm = network(at.Plan.scratch(epochs, decay), "random", batch_size=size)
        compare({"scratch": arm}, pseudo, f"scratch-{epochs}x{size}-{rate:g}", config, run, draws=1)
    for epochs, rate, size in tunings if "tune" in searches else ():
        plan = at.Plan.full(epochs, at.keras.optimizers.schedules.CosineDecay(rate, epochs * 50))
        arm = network(plan, "copy", batch_size=size, start=at.logistic_head)
        compare({"probe_then_tune": arm}, pseudo, f"tune-{epochs}x{size}-{rate:g}", config, run, draws=1)


def compare(
    arms: dict[str, Any], pseudo: at.FaceData, variant: str, config: Config, run: at.Run, draws: int | None = None
) -> None:
    """Add the rows of one comparison: everyone at 1, 3 and 5 photos, those with 13 or more at 10."""
    for least, budgets in ((10, (1,) if config.quick else BUDGETS), (13, (10,))):
        data = pseudo.with_at_least(least)
        rows = np.flatnonzero(pseudo.counts[pseudo.labels] >= least)  # where these people's photos stand in pseudo
        pool, test = at.fixed_test_half(data.labels, seed=run.seed, max_pool=10, names=data.people)
        labelled, tested = (at.Examples(rows[i], data.labels[i], data.people, index=i) for i in (pool, test))
        comparison = at.Comparison(
            arms, budgets, draws or config.draws, tested,
            pool=labelled, baseline=None, variant=variant, seed=run.seed, run=run,
        )  # fmt: skip
        run.add_rows(comparison.run().rows)


if __name__ == "__main__":
    at.run(main, Config)
