"""Recognise your people from a few photos each, by way of "same person or not?" learned on strangers.

Auxiliary task: a siamese network learns on photos of strangers whether two show the same person.
Target task: name the people you care about, from 1 to 10 labelled photos of each.

    auxtask run face_recognition                                   # drawn faces: no data needed
    auxtask run face_recognition dataset=lfw --data-root DIR       # Labeled Faces in the Wild
    auxtask run face_recognition dataset=lfw protocol=view1 --data-root DIR
    auxtask run face_recognition dataset=folder targets=MY_PEOPLE strangers=OTHERS
    auxtask run face_recognition dataset=folder targets=MY_PEOPLE source=runs/face_recognition/EARLIER

A folder holds one folder per person with two photos or more, faces in their middle as in LFW. The run folder keeps
`backbone/` (the pretrained network) and `model/`, which names people: `at.load("RUN/model").predict(["photo.jpg"])`.
README has the figures to expect of both data sets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np

import auxtask as at

ARMS = ("pixels", "scratch", "random_frozen", "nearest_mean", "probe", "probe_then_tune")
OF_A_FOLDER = {"dataset": ("folder",)}


@dataclass(frozen=True)
class Config:
    """What can be set, as key=value."""

    dataset: str = at.option("drawn", "where the photos come from", choices=("drawn", "lfw", "folder"))
    targets: str = at.option("", "your people, one folder of photos each, or a CSV path,person", only=OF_A_FOLDER)
    strangers: str = at.option("", "other people, to pretrain on; a folder or a CSV too", only=OF_A_FOLDER)
    source: str = at.option("", "an earlier run or a saved backbone, instead of pretraining")
    protocol: str = at.option(
        "identify", "name the targets; or dataset=lfw's official pairs (View 1)", choices=("identify", "view1")
    )
    pretraining: str = at.option("", "its length, as 20min, 2000steps or 30epochs; empty: the dataset's own")
    budgets: tuple[int, ...] = at.option(
        (), "labelled photos per person; empty: those of 1,3,5,10 that the data allow", at_least=1
    )
    draws: int = at.option(0, "how often the labelled photos are drawn; 0: 5, of drawn faces 3", at_least=0)
    arms: tuple[str, ...] = at.option((), "restricts the arms; empty: all", choices=(*ARMS, "chosen"))
    on_bad: Literal["raise", "skip"] = at.option(
        "raise", "what to do with photos that cannot be read", choices=("raise", "skip"), only=OF_A_FOLDER
    )
    allow_overlap: bool = at.option(False, "go on if targets were pretrained on (recorded)")
    quick: bool = at.option(False, "about a minute: to see that everything runs")

    def __post_init__(self) -> None:
        """Refuse what means nothing, or would be ignored."""
        if self.dataset == "folder" and not (self.targets and (self.strangers or self.source)):
            raise ValueError(
                "dataset=folder needs targets=DIR (your people, one folder of photos each), and strangers=DIR (other "
                "people, such as Labeled Faces in the Wild) or source=RUN (an earlier pretraining)"
            )
        if self.protocol == "view1" and self.dataset != "lfw":
            raise ValueError(f"protocol=view1 is a protocol of dataset=lfw, not of {self.dataset}")
        if self.protocol == "view1" and (self.budgets or self.draws or self.arms):
            raise ValueError("budgets=, draws= and arms= are for naming people; protocol=view1 verifies fixed pairs")
        if self.pretraining and self.source:
            raise ValueError("pretraining= is the length of a pretraining, and source= brings one that is done")
        if self.pretraining:
            try:
                at.Budget(self.pretraining)
            except ValueError as error:
                raise ValueError(f"pretraining={self.pretraining}: {error}") from None


@dataclass(frozen=True)
class Settings:
    """What is used for a kind of photo.

    Network, batches and crops of PHOTOS were chosen on people who are no targets (benchmarks/face_quality.py); lengths,
    rates and all of DRAWN are guesses.
    """

    size: int  # photos are kept at this side, in pixels
    network: dict[str, Any]
    task: dict[str, Any]
    batch: dict[str, Any]
    pretraining: str
    scratch: tuple[int, float]  # epochs of 50 batches of 16 photos, peak learning rate
    tune: tuple[int, float]  # epochs, peak learning rate; the first is frozen, its head starts as the probe's
    draws: int = 5
    # An embedding is the mean over these central crops and their mirror images.
    crops: tuple[float, ...] = (1.0, 0.96, 0.9, 0.84, 0.78)


DRAWN = Settings(
    size=64,
    network={"size": 48, "stages": (48, 96, 192), "strides": (2, 2, 2), "stem": 24, "dropout": 0.2},
    task={"margin_weight": 1.0},
    batch={"people": 64, "photos": 2, "singles": 0},
    pretraining="1000steps",
    scratch=(24, 3e-3),
    tune=(6, 1e-4),
    draws=3,
)
PHOTOS = Settings(
    size=80,
    network={"size": 72, "stages": (64, 128, 256), "strides": (2, 2, 2), "stem": 24, "dropout": 0.4},
    task={"margin_weight": 1.0},
    batch={"people": 48, "photos": 2, "singles": 24},
    pretraining="9000steps",
    scratch=(48, 3e-3),
    tune=(6, 1e-4),
)


def chosen_arm(budget: int) -> str:
    """Name the arm that carries the claim at a budget: fixed beforehand, on people who are no targets."""
    return "nearest_mean" if budget < 3 else "probe"


def main(config: Config, run: at.Run) -> None:
    """Data, same-face pretraining, then the target task."""
    settings = settings_of(config)
    with run.stage("data"):
        targets, strangers, backbone = check(config, run)
        everyone = [people for people in (targets, strangers) if people is not None]
        run.keep_to("photos", "".join(people.fingerprint(in_order=True) for people in everyone))
    with run.stage("same-face pretraining"):
        if (run.folder / "backbone").exists():  # --resume
            backbone = at.load(run.folder)
        elif backbone is None:
            assert strangers is not None  # Config refuses neither strangers nor source
            backbone = pretrain(config, run, settings, strangers)
        else:
            # So that this run can be a source again.
            provenance = at.provenance_of(config.source) or {"source": config.source}
            at.save_backbone(backbone, run.folder / "backbone", provenance, {"size": settings.size})
    if config.protocol == "view1":
        verify_view1(run, settings, backbone)
    else:
        identify(config, run, settings, targets, strangers, backbone)


def settings_of(config: Config) -> Settings:
    """Give the settings for the kind of photo."""
    settings = DRAWN if config.dataset == "drawn" else PHOTOS
    if not config.quick:
        return settings
    return replace(settings, scratch=(2, settings.scratch[1]), tune=(2, settings.tune[1]))


def check(config: Config, run: at.Run) -> tuple[at.FaceData, at.FaceData | None, at.Model | None]:
    """Read all that is given, say what is odd, and refuse what could only fail later (also `validate`)."""
    backbone = load_source(config.source) if config.source else None
    targets, strangers = load_people(config, run, settings_of(config))
    for text in targets.notes + (strangers.notes if strangers else []):
        run.note(text)
    check_overlap(config, run, targets, strangers)
    if backbone is None and strangers is not None and strangers.counts.max() < 2:
        raise ValueError(
            f"no positive pair: each of the {strangers.num_people} strangers has one photo; to learn who is the same, "
            "at least one needs two (strangers=DIR)"
        )
    if config.protocol == "identify":
        pool, _ = split_targets(targets, run.seed)
        budgets_of(config, targets.subset(pool))
    return targets, strangers, backbone


def load_source(source: str) -> at.Model:
    """Load the network that is reused, and refuse what makes no features of photos."""
    try:
        backbone = at.load(source)
    except (ValueError, FileNotFoundError) as error:
        raise ValueError(f"source: {error}") from None
    shapes = getattr(backbone, "input_shape", None), getattr(backbone, "output_shape", None)
    match shapes:
        case (_, int(height), int(width), 3), (_, int(_)) if height == width:
            return backbone
    raise ValueError(
        f"source={source}: no network from square colour photos [n, size, size, 3] to features [n, d]; "
        "valid: a run of face_recognition, or another backbone of that kind"
    )


def check_overlap(config: Config, run: at.Run, targets: at.FaceData, strangers: at.FaceData | None) -> None:
    """Refuse targets who are among those pretrained on or among the strangers; note them where that is allowed."""
    others: dict[str, Any] = {"strangers= holds" if config.source else "pretraining saw": strangers}
    if config.source:
        others["pretraining saw"] = at.people_seen(config.source)
        if others["pretraining saw"] is None:
            run.note(f"{config.source} does not say whom it was pretrained on: overlap with the targets is not checked")
    for said, people in others.items():
        overlap = at.refuse_overlap(people, targets, config.allow_overlap) if people is not None else []
        if overlap:
            run.note(f"allowed by allow_overlap: {said} {len(overlap)} targets: {', '.join(overlap)}")


def split_targets(targets: at.FaceData, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Set test photos aside, before any are labelled: the numbers of those to draw from, and of those to test on."""
    return at.fixed_test_half(targets.labels, seed=seed, names=targets.people, kind="target")


def budgets_of(config: Config, pool: at.FaceData) -> tuple[int, ...]:
    """Give the numbers of labelled photos per person."""
    usual = (1, 3) if config.quick else (1, 3, 5, 10)
    return at.label_budgets(config.budgets, usual, pool.counts, pool.people, per_class=True, option="budgets")


def load_people(config: Config, run: at.Run, settings: Settings) -> tuple[at.FaceData, at.FaceData | None]:
    """Give the target people, and strangers to pretrain on (None with `source=`)."""
    if config.dataset == "drawn":
        num_strangers = 120 if config.quick else 800
        targets = at.FaceData.drawn(12 if config.quick else 30, 20, seed=1000 + run.seed, name_prefix="target")
        return targets, at.FaceData.drawn(num_strangers, 8, seed=run.seed, name_prefix="stranger")
    if config.dataset == "lfw":
        root = run.required_data_root("dataset=lfw", "faces/lfw")
        if config.protocol == "view1":
            train = at.FaceData.lfw(root, settings.size, "view1_train")
            return at.FaceData.lfw(root, settings.size, "view1_test"), train
        everyone = at.FaceData.lfw(root, settings.size)
        return everyone.with_at_least(20), everyone.with_at_most(19)
    sources = [config.targets, *([config.strangers] if config.strangers else [])]
    people = [
        (at.FaceData.from_manifest if source.endswith(".csv") else at.FaceData.from_folder)(
            source, settings.size, config.on_bad
        )
        for source in sources
    ]
    return people[0], people[1] if config.strangers else None


def pretrain(config: Config, run: at.Run, settings: Settings, strangers: at.FaceData) -> at.Model:
    """Learn "same face or not?" on strangers, watched on strangers who are left out; whiten and save."""
    seen, held_out = hold_out(strangers, run.seed)
    backbone = at.residual_backbone(**settings.network, seed=run.seed)
    task = at.SameFace(backbone, **settings.task, seed=run.seed)
    length = config.pretraining or ("60steps" if config.quick else settings.pretraining)
    batch = settings.batch
    task.pretrain(
        seen, held_out, budget=length, **batch, seed=run.seed,
        callbacks=run.callbacks(
            label="same face", items_per_step=at.batch_size(seen.labels, **batch), unit="photos"
        ),
    )  # fmt: skip
    assert task.pretraining is not None
    run.figure("pretraining", at.plot_curves(task.pretraining.history, "same face or not?"))
    pairs = seen.with_at_least(2)
    at.whiten_embeddings(backbone, at.embed(backbone, pairs.images()), pairs.labels)
    if held_out is None:
        run.note("too few strangers with two photos to leave some out: nothing watched the pretraining")
    else:
        verified = at.verification(at.embed(backbone, held_out.images(), settings.crops), held_out.labels)
        left_out = f"{held_out.num_people} strangers left out, by whom the epoch was chosen"
        run.note(f"same face, on the {left_out}: {verified}")
    at.save_backbone(backbone, run.folder / "backbone", task.pretraining.provenance, {"size": settings.size})
    return backbone


def hold_out(strangers: at.FaceData, seed: int) -> tuple[at.FaceData, at.FaceData | None]:
    """Leave strangers out to watch the pretraining; None where those would hold no pairs of both kinds."""
    if strangers.num_people >= 4:  # of fewer, one at most would be left out
        # Of thousands, 3 % suffice to watch; of few, about 20 people, or there would be no impostors.
        seen, held_out = strangers.split_people(max(0.03, min(0.3, 20 / strangers.num_people)), seed)
        if at.has_both_pairs(seen.labels) and at.has_both_pairs(held_out.labels):
            return seen, held_out
    return strangers, None


def identify(
    config: Config,
    run: at.Run,
    settings: Settings,
    targets: at.FaceData,
    strangers: at.FaceData | None,
    backbone: at.Model,
) -> None:
    """Name the targets from a few photos each: all arms at all budgets, and the model that is left."""
    pool, test = split_targets(targets, run.seed)  # items are photo numbers
    budgets = budgets_of(config, targets.subset(pool))
    labelled, tested = (at.Examples(i, targets.labels[i], targets.people, index=i) for i in (pool, test))
    images = targets.images()
    with run.stage("embedding the targets"):
        features = at.embed(backbone, images, settings.crops)
        cohort = embed_strangers(run, settings, targets, strangers, backbone)
    heads = make_heads(cohort)
    arms = make_arms(run, settings, backbone, images, features, heads)
    draws = config.draws or settings.draws
    with run.stage("comparison"), run.progress("cells", unit="cells") as bar:
        results = at.Comparison(
            arms, budgets, min(draws, 2) if config.quick else draws, tested,
            pool=labelled, run=run, seed=run.seed, only=config.arms or None,
            chosen={budget: chosen_arm(budget) for budget in budgets},
        ).run(bar.update)  # fmt: skip
    head = heads[chosen_arm(max(budgets))]
    views = {"size": settings.size, "crops": settings.crops, "mirror": True}
    kernel, bias = head(features, targets.labels)
    classifier = at.PhotoClassifier(backbone, kernel, bias, targets.people, views)
    classifier.save(run.folder / "model", at.provenance_of(run.folder))
    at.report_comparison(run, results)
    threshold = strangers_threshold(config, run, settings, strangers, backbone, cohort)
    verify_targets(run, features[test], targets.labels[test], threshold)
    at.report_mistakes(run, results, lambda items: targets.images(test[items]), targets.examples)
    if config.dataset == "drawn":
        run.note(
            "This backbone knows drawn faces only. For photos: auxtask run face_recognition dataset=folder "
            "targets=YOUR_PEOPLE strangers=OTHER_PEOPLE"
        )


def embed_strangers(
    run: at.Run, settings: Settings, targets: at.FaceData, strangers: at.FaceData | None, backbone: at.Model
) -> tuple[np.ndarray, np.ndarray] | None:
    """Give features and identities of up to 3,000 photos of strangers; None where there are none."""
    if strangers is not None:
        known = at.refuse_overlap(targets, strangers, allow=True)  # strangers who are targets too, if that is allowed
        nobody = np.flatnonzero(~np.isin(np.array(strangers.people)[strangers.labels], known))
        nobody = np.sort(np.random.default_rng(run.seed).permutation(nobody)[:3000])
        if len(nobody):
            return at.embed(backbone, strangers.images(nobody), settings.crops), strangers.labels[nobody]
    run.note("no strangers given, so nothing tells whom anybody resembles: strangers=DIR helps at 1 to 3 photos")
    return None


def make_heads(cohort: tuple[np.ndarray, np.ndarray] | None) -> dict[str, Any]:
    """Give the linear heads on reused features; strangers, where there are any, tell who scores high for anybody."""
    heads = {"nearest_mean": at.nearest_mean_head, "probe": at.logistic_head}
    return heads if cohort is None else {name: at.against_strangers(head, cohort[0]) for name, head in heads.items()}


def make_arms(
    run: at.Run, settings: Settings, backbone: at.Model, images: Any, features: Any, heads: dict[str, Any]
) -> dict[str, Any]:
    """Give the ways to get from labelled photos to names."""

    def untrained() -> Any:
        return at.embed(at.reuse(backbone, init="random", seed=0), images)

    def cosine(epochs: int, peak: float) -> Any:
        return at.keras.optimizers.schedules.CosineDecay(peak, epochs * 50)

    scratch, (epochs, rate) = settings.scratch, settings.tune
    # The head starts solved, and is hardly moved while the rest is frozen.
    tune = at.Plan.probe_then_tune(epochs, rate, cosine(epochs - 1, rate), probe_epochs=1)
    network = partial(
        at.network_arm, backbone, images, augment=at.Augmentation(size=backbone.input_shape[1]), batch_size=16,
        crop=0.9, mirror=True, on_tuned=partial(at.keep_thawing, run),
    )  # fmt: skip
    return {
        "pixels": at.linear_arm(lambda: images[:, ::2, ::2].reshape(len(images), -1) / 255.0, at.logistic_head),
        "scratch": network(at.Plan.scratch(scratch[0], cosine(*scratch)), "random"),
        "random_frozen": at.linear_arm(untrained, at.logistic_head),
        "nearest_mean": at.linear_arm(lambda: features, heads["nearest_mean"]),
        "probe": at.linear_arm(lambda: features, heads["probe"]),
        "probe_then_tune": network(tune, "copy", start=at.logistic_head),
    }


def strangers_threshold(
    config: Config, run: at.Run, settings: Settings, strangers: at.FaceData | None, backbone: at.Model, cohort: Any
) -> float | None:
    """Give the threshold that suits strangers best, of those pretrained here the ones left out; None without any."""
    held_out = None if strangers is None or config.source else hold_out(strangers, run.seed)[1]
    if held_out is not None:  # whoever was learned from is told apart more easily than anybody new
        cohort = at.embed(backbone, held_out.images(), settings.crops), held_out.labels
    return at.verification(*cohort).threshold if cohort is not None and at.has_both_pairs(cohort[1]) else None


def verify_targets(run: at.Run, features: np.ndarray, labels: np.ndarray, threshold: float | None) -> None:
    """Verify the targets' test photos, at a threshold from elsewhere."""
    if not at.has_both_pairs(labels):
        run.note("verification of the targets is left out: no two test photos show the same person")
        return
    verified = at.verification(features, labels, threshold=threshold)
    # At a threshold chosen on the test photos themselves, an accuracy says little.
    run.add_rows([row for row in verified.rows() if verified.threshold_given or row["metric"] != "accuracy"])
    run.note(f"verification of the targets: {verified}")
    far, tar, _ = at.roc_curve(*at.pair_scores(features, labels))
    run.figure("roc", at.plot_roc({"same face, targets": (far, tar)}))


def verify_view1(run: at.Run, settings: Settings, backbone: at.Model) -> None:
    """Judge the 1,000 development-test pairs, at the threshold that suits the development-train pairs best."""
    root, scores = run.required_data_root("protocol=view1", "faces/lfw"), {}
    for part in ("train", "test"):
        pairs = at.FacePairs.lfw_view1(root, part, settings.size)
        embeddings = at.embed(backbone, pairs.images(), settings.crops)
        scores[part] = (embeddings[pairs.left_rows] * embeddings[pairs.right_rows]).sum(axis=1), pairs.same
    threshold = at.best_threshold(*scores["train"])
    verified = at.verification_from_scores(*scores["test"], threshold=threshold)
    run.add_rows(verified.rows())
    far, tar, _ = at.roc_curve(*scores["test"])
    run.figure("roc", at.plot_roc({"View 1, test pairs": (far, tar)}))
    run.note(f"View 1, development test: {verified}")


if __name__ == "__main__":
    at.run(main, Config)
