"""Recognise your people from a few photos each, by way of "same person or not?" learned on strangers.

Auxiliary task: a siamese network learns on photos of strangers whether two show the same person.
Target task: name the people you care about, from 1 to 10 photos of each.

    auxtask run face_recognition                                   # drawn faces: no data needed
    auxtask run face_recognition dataset=lfw --data-root DIR       # Labeled Faces in the Wild
    auxtask run face_recognition dataset=folder targets=MY_PEOPLE strangers=OTHERS
    auxtask run face_recognition dataset=folder targets=MY_PEOPLE source=runs/face_recognition/EARLIER

A folder holds one folder of photos per person. The run folder keeps `backbone/` (the pretrained network) and
`model/`, which names people: `at.load("RUN/model").predict(["photo.jpg"])`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import auxtask as at


@dataclass(frozen=True)
class Config:
    """What can be set, as key=value."""

    dataset: str = at.option("drawn", "where the photos come from", choices=("drawn", "lfw", "folder"))
    targets: str = at.option("", "dataset=folder: your people, one folder of photos each")
    strangers: str = at.option("", "dataset=folder: other people, to pretrain on")
    source: str = at.option("", "an earlier run or a saved backbone, instead of pretraining")
    pretraining: str = at.option("", "its length, as 20min, 2000steps or 30epochs; empty: the dataset's own")
    budgets: tuple[int, ...] = at.option((), "labelled photos per person; empty: those of 1,3,5,10 that the data allow")
    draws: int = at.option(5, "how often the labelled photos are drawn")
    trained_draws: int = at.option(3, "of them, for the arms that train a network each time")
    arms: tuple[str, ...] = at.option((), "restricts the arms; empty: all")
    on_bad: Literal["raise", "skip"] = at.option(
        "raise", "what to do with photos that cannot be read", choices=("raise", "skip")
    )
    allow_overlap: bool = at.option(False, "go on if targets were pretrained on (recorded)")
    quick: bool = at.option(False, "about a minute: to see that everything runs")


@dataclass(frozen=True)
class Settings:
    """What is used for a kind of photo; none of it was looked at on test photos.

    Of PHOTOS, the network and the pretraining come from two prototypes judged on the 96 people with 10 to 19 photos.
    The lengths and rates of `scratch` and `tune`, and all of DRAWN, are first guesses that no search has chosen yet.
    """

    size: int  # photos are kept at this side, in pixels
    network: dict[str, Any]
    batch: dict[str, Any]
    pretraining: str
    scratch: tuple[int, float]  # epochs, learning rate
    tune: tuple[int, float, float]  # epochs, rate of the head, rate of all


DRAWN = Settings(
    size=64,
    network={"size": 48, "stages": (48, 96, 192), "strides": (2, 2, 2), "stem": 24, "dropout": 0.2},
    batch={"people": 64, "photos": 2, "singles": 0},
    pretraining="1000steps",
    scratch=(40, 1e-3),
    tune=(15, 1e-3, 1e-4),
)
PHOTOS = Settings(
    size=80,
    network={"size": 72, "stages": (64, 128, 256), "strides": (2, 2, 2), "stem": 24, "dropout": 0.2},
    batch={"people": 96, "photos": 2, "singles": 48},
    pretraining="2200steps",
    scratch=(30, 1e-3),
    tune=(12, 1e-3, 1e-4),
)


def load_people(config: Config, run: at.Run, settings: Settings) -> tuple[at.FaceData, at.FaceData | None]:
    """Give the target people, and strangers to pretrain on (None with `source=`)."""
    if config.dataset == "drawn":
        num_strangers = 120 if config.quick else 800
        targets = at.FaceData.drawn(12 if config.quick else 30, 20, seed=1000 + run.seed, name_prefix="target")
        return targets, at.FaceData.drawn(num_strangers, 8, seed=run.seed, name_prefix="stranger")
    if config.dataset == "lfw":
        if run.data_root is None:
            raise ValueError("dataset=lfw needs --data-root DIR (or AUXTASK_DATA) with DIR/faces/lfw/<person>/<photo>")
        everyone = at.FaceData.lfw(run.data_root, settings.size)
        return everyone.with_at_least(20), everyone.with_at_most(19)
    if not config.targets or not (config.strangers or config.source):
        raise ValueError(
            "dataset=folder needs targets=DIR (your people, one folder of photos each), and strangers=DIR (other "
            "people, such as Labeled Faces in the Wild) or source=RUN (an earlier pretraining)"
        )
    targets = at.FaceData.from_folder(config.targets, settings.size, config.on_bad)
    if not config.strangers:
        return targets, None
    return targets, at.FaceData.from_folder(config.strangers, settings.size, config.on_bad)


def check(config: Config, run: at.Run) -> tuple[at.FaceData, at.FaceData | None]:
    """Read the data, say what is odd about them, and refuse targets among the strangers (also `auxtask validate`)."""
    targets, strangers = load_people(config, run, settings_of(config))
    for text in targets.notes + (strangers.notes if strangers else []):
        run.note(text)
    if strangers is not None:
        overlap = at.refuse_overlap(strangers, targets, config.allow_overlap)
        if overlap:
            run.note(f"allowed by allow_overlap: pretraining saw {len(overlap)} targets: {', '.join(overlap)}")
    return targets, strangers


def settings_of(config: Config) -> Settings:
    """Give the settings for the kind of photo."""
    return DRAWN if config.dataset == "drawn" else PHOTOS


def pretrain(config: Config, run: at.Run, settings: Settings, strangers: at.FaceData) -> at.Model:
    """Learn "same face or not?" on strangers, watched on strangers who are left out."""
    seen, held_out = strangers.split_people(0.03, seed=run.seed)
    backbone = at.residual_backbone(**settings.network, seed=run.seed)
    task = at.SameFace(backbone, margin_weight=1.0, seed=run.seed)
    length = config.pretraining or ("60steps" if config.quick else settings.pretraining)
    task.pretrain(
        seen, held_out, budget=length, **settings.batch, seed=run.seed,
        callbacks=run.callbacks(label="same face", items_per_step=sum_of(settings.batch), unit="photos"),
    )  # fmt: skip
    assert task.pretraining is not None
    run.figure("pretraining", at.plot_curves(task.pretraining.history, "same face or not?"))
    kept = max(task.pretraining.history, key=lambda row: row["val_auc"])
    run.note(f"same face, on the {held_out.num_people} strangers left out, by whom this epoch was kept: {kept}")
    at.save_backbone(backbone, run.folder / "backbone", task.pretraining.provenance, {"size": settings.size})
    return backbone


def sum_of(batch: dict[str, Any]) -> int:
    """Count the photos of one batch."""
    return batch["people"] * batch["photos"] + batch["singles"]


def main(config: Config, run: at.Run) -> None:
    """Data, pretraining, reuse, comparison, report."""
    settings = settings_of(config)
    with run.stage("data"):
        targets, strangers = check(config, run)
    with run.stage("same-face pretraining"):
        if config.source:
            backbone = at.load(config.source)
        elif (run.folder / "backbone").exists():  # --resume
            backbone = at.load(run.folder)
        else:
            assert strangers is not None  # load_people refuses neither strangers nor source
            backbone = pretrain(config, run, settings, strangers)

    # Test photos are set aside first; labelled ones are drawn from the rest. Items are photo numbers.
    pool, test = at.fixed_test_half(targets.labels, seed=run.seed, names=targets.people)
    labelled, tested = (at.Examples(i, targets.labels[i], targets.people, index=i) for i in (pool, test))
    with run.stage("embedding the targets"):
        images = targets.images()
        features = at.embed(backbone, images, crops=CROPS)
    arms = make_arms(backbone, images, features, settings)
    largest = int(min(labelled.counts()))
    budgets = config.budgets or tuple(b for b in ((1, 3) if config.quick else (1, 3, 5, 10)) if b <= largest)
    if not config.budgets and budgets[-1:] != (10,) and not config.quick:
        run.note(f"a person has only {largest} photos to learn from: budgets above that are dropped")
    draws = min(config.draws, 2) if config.quick else config.draws
    with run.stage("comparison"):
        trained = min(config.trained_draws, draws)
        comparison = at.Comparison(
            arms, budgets, draws, tested, pool=labelled, run=run, seed=run.seed, only=config.arms or None,
            chosen={budget: chosen_arm(budget) for budget in budgets},
            arm_draws={"scratch": trained, "probe_then_tune": trained},
        )  # fmt: skip
        with run.progress("cells", unit="cells") as bar:
            results = comparison.run(bar.update)
    report(run, targets, test, features, backbone, results, settings)
    if config.dataset == "drawn":
        run.note(
            "This backbone knows drawn faces only. For photos: auxtask run face_recognition dataset=folder "
            "targets=YOUR_PEOPLE strangers=OTHER_PEOPLE"
        )


CROPS = (0.96, 0.9, 0.84)


def chosen_arm(budget: int) -> str:
    """Name the arm that carries the claim: fixed beforehand, on people who are no targets."""
    return "nearest_mean" if budget < 3 else "probe"


def make_arms(backbone, images, features, settings):
    """The ways to get from labelled photos to names, by name; items are photo numbers."""

    def linear(make_rows, head):
        def arm(train, test, seed):
            rows = make_rows()  # only if this arm is asked for
            kernel, bias = head(rows[train.items], train.labels)
            known = (rows[train.items] @ kernel + bias).argmax(1) == train.labels
            return at.Outcome(rows[test] @ kernel + bias, {"train_rank1": known.mean()})

        return arm

    def trained(init, plan):
        def arm(train, test, seed):
            network = at.reuse(backbone, head=len(train.names), init=init, seed=seed)
            augment = at.Augmentation(size=backbone.input_shape[1])
            batches = at.as_dataset((images[train.items], train.labels), 32, shuffle=True, seed=seed)
            at.fine_tune(network, batches.map(lambda x, y: (augment(x), y)), plan=plan, seed=seed)
            known = at.predict_views(network, images[train.items]).argmax(1) == train.labels
            return at.Outcome(at.predict_views(network, images[test]), {"train_rank1": known.mean()})

        return arm

    @cache
    def pixels():
        return images[:, ::2, ::2].reshape(len(images), -1) / 255.0

    @cache
    def untrained():
        return at.embed(at.reuse(backbone, init="random", seed=0), images)

    epochs, head_rate, tune_rate = settings.tune
    return {
        "pixels": linear(pixels, at.logistic_head),
        "scratch": trained("random", at.Plan.scratch(*settings.scratch)),
        "random_frozen": linear(untrained, at.logistic_head),
        "nearest_mean": linear(lambda: features, at.nearest_mean_head),
        "probe": linear(lambda: features, at.logistic_head),
        "probe_then_tune": trained("copy", at.Plan.probe_then_tune(epochs, head_rate, tune_rate)),
    }


def report(run, targets, test, features, backbone, results, settings):
    """Rows, table, figures, and the model that names people."""
    run.add_rows(results.rows)
    verified = at.verification(features[test], targets.labels[test])
    run.add_rows(verified.rows())
    run.save_predictions(results.predictions)
    for text in [*results.notes, f"verification of the targets: {verified}"]:
        run.note(text)
    run.figure("results", at.plot_results(results.rows))
    heads = {"nearest_mean": at.nearest_mean_head, "probe": at.logistic_head}
    kernel, bias = heads[chosen_arm(max(results.budgets))](features, targets.labels)
    views = {"size": settings.size, "crops": CROPS, "mirror": True}
    at.PhotoClassifier(backbone, kernel, bias, targets.people, views).save(run.folder / "model")
    run.print(results.table())
    run.print(results.sentence())


if __name__ == "__main__":
    at.run(main, Config)
