"""Classify your own pictures with few labels, by way of a network that learned from others.

Auxiliary task: whatever the source learned: other classes, or pictures without labels.
Target task: your classes, one sub-folder of pictures each. Expect 87 % of Fashion-MNIST's ten with 20 pictures of each,
from a Model A of fashion_transfer.

    auxtask run image_classification                                     # without data: digits, from other digits
    auxtask run image_classification dataset=folder path=DIR source=MobileNetV2 size=96
    auxtask run image_classification dataset=folder path=DIR source=my_model_A.h5
    auxtask run image_classification dataset=folder path=DIR source=runs/fashion_transfer/EARLIER

The source is a `.keras` or `.h5` file of tf_keras, a run or a saved backbone of auxtask, or the name of a network in
`tf_keras.applications`. Pictures in DIR/unlabelled/ are free to pretrain on. The run folder keeps `backbone/` (the
source without its head, with its preprocessing) and `model/`: `at.load("RUN/model").predict(["photo.png"])`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

import auxtask as at

ARMS = ("pixels", "scratch", "random_frozen", "probe", "probe_then_tune", "full", "gradual")
# Of a file with layers of your own: {"MyLayer": MyLayer}, in a copy (auxtask cp image_classification MINE.py).
CUSTOM_LAYERS: dict[str, type] = {}
CLAIMABLE = ("pixels", "probe", "probe_then_tune")  # what may be chosen
OF_A_FOLDER = {"dataset": ("folder",)}


@dataclass(frozen=True)
class Config:
    """What can be set, as key=value."""

    dataset: str = at.option("digits", "where the pictures come from", choices=("digits", "folder"))
    path: str = at.option("", "a sub-folder per class, and perhaps unlabelled/", only=OF_A_FOLDER)
    source: str = at.option("", "a tf_keras file, a run, a saved backbone or a name such as MobileNetV2")
    size: int = at.option(0, "side of the pictures, in pixels; 0: the source's own, of applications 128", at_least=0)
    pixel_range: tuple[int, ...] = at.option(
        (), "pixels that a file learned from: 0,1 or -1,1 or 0,255; empty: guessed, of what auxtask saved 0,255"
    )
    mirror: bool = at.option(True, "whether mirror images show the same (letters do not)", only=OF_A_FOLDER)
    labels: tuple[int, ...] = at.option(
        (), "labelled pictures per class, 2 or more to choose an arm by; empty: those of 5,20,100 there are, or all",
        at_least=2,
    )  # fmt: skip
    draws: int = at.option(5, "how often the labelled pictures are drawn", at_least=1)
    test_fraction: float = at.option(0.5, "share of each class that is set aside to test on", only=OF_A_FOLDER)
    epochs: int = at.option(20, "of 10 batches of 32 pictures, in every arm that trains", at_least=2)
    arms: tuple[str, ...] = at.option(
        (), "restricts the arms, and what may be chosen; empty: all", choices=(*ARMS, "chosen")
    )
    allow_overlap: bool = at.option(False, "let the source have been pretrained on test pictures, and say so")
    on_bad: Literal["raise", "skip"] = at.option(
        "raise", "what to do with files that cannot be read", choices=("raise", "skip"), only=OF_A_FOLDER
    )
    quick: bool = at.option(False, "about a minute: to see that everything runs")

    def __post_init__(self) -> None:
        """Refuse what cannot be done."""
        if "chosen" in self.arms and not set(CLAIMABLE) & set(self.arms):
            raise ValueError(f"arms={','.join(self.arms)}: chosen needs one of {', '.join(CLAIMABLE)} to choose from")
        if not 0 < self.test_fraction <= 0.5:
            raise ValueError(f"test_fraction={self.test_fraction}: must be above 0 and at most 0.5")
        if self.dataset == "folder" and not (self.path and self.source):
            raise ValueError(
                "dataset=folder needs path=DIR, with a sub-folder per class, and source=, a .keras or .h5 file, "
                "an auxtask run or a network's name such as MobileNetV2"
            )
        if (self.size or self.pixel_range) and not self.source:
            raise ValueError("size= and pixel_range= say what a source takes: give source= too")


def main(config: Config, run: at.Run) -> None:
    """Data, source, comparison, and a model that names pictures."""
    with run.stage("data and source"):
        data, backbone = check(config, run)
        run.keep_to("pictures", data.fingerprint(in_order=True))
    if backbone is None:
        with run.stage("other digits"):
            backbone = learn_other_digits(config, run)
    run.print(at.layer_groups(backbone))
    # With the source's own record, so that what it has seen is known wherever this backbone goes.
    if not config.source:
        record: dict[str, Any] = {"data": at.pictures_record(other_digits(run.seed).train.images)}
    else:
        record = at.provenance_of(config.source) if Path(config.source).exists() else {}
    at.save_backbone(backbone, run.folder / "backbone", record | {"source": config.source or "other digits"})
    run.note("lengths and penalties of the arms are guesses; rates are those of fashion_transfer, tried on digits too")
    images, (pool, test) = at.laid_out(data.train, data.test)
    with run.stage("features"):
        pixels = at.fit_images(images, min(images.shape[1], 32), images.shape[3])
        mirror = config.mirror and config.dataset != "digits"
        layers = features(backbone, images, len(pool), mirror)
        untrained = features(at.reuse(backbone, init="random", seed=run.seed), images, len(pool), mirror)
    families = {
        "pixels": at.log_probes({"pixels": pixels.reshape(len(pixels), -1) / 255.0}, (0.01, 0.1, 1.0)),
        "probe": at.log_probes(layers.rows, (0.003, 0.03, 0.3)),
    }
    networks = make_networks(config, backbone, images, mirror, partial(at.keep_thawing, run))
    arms = networks | {name: at.scored_arm(family) for name, family in families.items()}
    arms["random_frozen"] = at.probe_arm(untrained.rows, (0.003, 0.03, 0.3))
    rival = {"probe_then_tune": at.arm_classifier(networks["probe_then_tune"], data.names, run.seed)}
    budgets, draws = budgets_of(config, data), min(config.draws, 2) if config.quick else config.draws
    with run.stage("comparison"), run.progress("cells", unit="cells") as bar:
        results = at.Comparison(
            {name: arms[name] for name in ARMS}, budgets, draws, test, pool=pool, metric="accuracy",
            # What carries no claim gets few draws.
            arm_draws=dict.fromkeys(("full", "gradual"), min(draws, 2)), budget_unit="images per class",
            chosen=at.chosen_arm(families, rival), only=config.arms or None, seed=run.seed, run=run,
        ).run(bar.update)  # fmt: skip
    at.report_comparison(run, results)
    if data.test.files:
        run.save_predictions({"files": [*data.train.files, *data.test.files]})  # by item
    if not results.picks:
        return run.note("no model/ is kept: with chosen among arms= there is one")
    at.report_mistakes(run, results, lambda items: data.test.images[items], data.train.examples)
    with run.stage("model"):
        arm = Counter(results.picks[max(results.picks)]).most_common(1)[0][0]
        run.note(f"model/: {arm}, fitted on all {len(pool)} pictures that were not tested on")
        if arm in networks:
            tuned: list[Any] = []
            make_networks(config, backbone, images, mirror, tuned.append)[arm](pool, test.items[:1], run.seed)
            kernel, bias = tuned[0].model.layers[-1].get_weights()
            network = at.reuse(tuned[0].model, drop_head=True)
        else:
            network, kernel, bias = linear_parts(arm, families[arm], layers, pixels, backbone, pool)
        views = {"size": network.input_shape[1], "crops": (1.0,), "mirror": mirror and arm != "pixels", "unit": False}
        classifier = at.PhotoClassifier(network, kernel, bias, data.names, views)
        classifier.save(run.folder / "model", {"arm": arm, "data": data.name})


def check(config: Config, run: at.Run) -> tuple[at.ImageData, at.Model | None]:
    """Load the source, read the pictures as it takes them, and say what is odd (also `auxtask validate`)."""
    backbone = load_source(config, run)
    if config.dataset == "folder":
        assert backbone is not None  # Config refuses
        shape = backbone.input_shape[1:]
        # Whatever --seed: a run of unsupervised_pretraining on this folder must not have seen what is tested here.
        data = at.ImageData.from_folder(config.path, shape[0], config.test_fraction, config.on_bad, seed=0)
    else:
        data = at.ImageData.digits(seed=run.seed).only(tuple("56789"))
        shape = data.shape if backbone is None else backbone.input_shape[1:]
        run.note(
            "scikit-learn's digits 5 to 9, 8 x 8 pixels"
            + (", by way of a network that learned 0 to 4" if backbone is None else "")
            + "; for your own pictures: dataset=folder path=DIR source=MobileNetV2"
        )
    data = data.fitted_to(shape)
    for text in data.notes:
        run.note(text)
    if len(data.unlabelled):
        run.note(
            f"{len(data.unlabelled)} pictures in unlabelled/ are free to pretrain on, and not used here: auxtask run "
            f"unsupervised_pretraining dataset=folder path={config.path}, then source= that run"
        )
    budgets_of(config, data)
    if config.source and Path(config.source).exists():
        refuse_seen(config, run, data)
    return data, backbone


def refuse_seen(config: Config, run: at.Run, data: at.ImageData) -> None:
    """Refuse a source that was pretrained on pictures which are tested here, or (`allow_overlap`) count them."""
    seen = at.pictures_seen(config.source, data.test.images)
    if seen is None:
        run.note(f"{config.source} does not say which pictures it learned from: overlap with the test is not checked")
    elif seen.any():
        said = f"{config.source} was pretrained on {int(seen.sum())} of the {len(seen)} test pictures"
        if not config.allow_overlap:
            raise ValueError(f"{said} (has the folder changed since?); pretrain anew, or set allow_overlap=true")
        run.note(f"allowed by allow_overlap: {said}")


def load_source(config: Config, run: at.Run) -> at.Model | None:
    """Give the network to reuse, without its head and with its preprocessing; None: it is trained here."""
    if (run.folder / "backbone").exists():  # --resume
        return at.load(run.folder / "backbone", custom_layers=CUSTOM_LAYERS)
    if not config.source:
        return None
    if Path(config.source).exists() or os.sep in config.source or Path(config.source).suffix:
        saved_here = (0, 255) if Path(config.source).is_dir() else None  # of any other file it is guessed
        source = load_file(config.source)
        backbone, notes = at.image_backbone(source, config.pixel_range or saved_here, config.size)
        for text in notes:
            run.note(text)
        return backbone
    if config.pixel_range:
        raise ValueError(f"pixel_range= is for a file: {config.source} brings its own preprocessing")
    return at.application_backbone(config.source, config.size or 128)


def load_file(source: str) -> at.Model:
    """Load a model; one with layers of your own needs a copy of this recipe that knows them."""
    try:
        return at.load(source, custom_layers=CUSTOM_LAYERS)
    except ValueError as error:
        if "custom_layers=" in str(error) and not CUSTOM_LAYERS:
            hint = "in a copy of this recipe (auxtask cp image_classification MINE.py) that is CUSTOM_LAYERS"
            raise ValueError(f"{error}; {hint}") from None
        raise


def other_digits(seed: int) -> at.ImageData:
    """Give the digits 0 to 4, none of which is a class of the target task."""
    return at.ImageData.digits(seed=seed).only(tuple("01234"))


def learn_other_digits(config: Config, run: at.Run) -> at.Model:
    """Make a network that has learned them."""
    others = other_digits(run.seed)
    backbone = at.conv_backbone(others.shape, (16, 32, 64), seed=run.seed)
    callbacks = run.callbacks(label="other digits")
    shifts, epochs = at.Shifts(1, flip=False), 2 if config.quick else 20
    model = at.learn_classes(backbone, others.train, epochs, 3e-3, shifts, 32, run.seed, callbacks)
    return at.reuse(model, drop_head=True)


def budgets_of(config: Config, data: at.ImageData) -> tuple[int, ...]:
    """Give the numbers of labelled pictures per class."""
    budgets = at.label_budgets(config.labels, (5, 20, 100), data.train.counts, data.names, per_class=True, least=2)
    return budgets[:1] if config.quick else budgets


def features(model: at.Model, images: np.ndarray, num_pool: int, mirror: bool) -> at.StandardisedLayers:
    """Give what each layer group makes of the pictures, standardised by those that are not tested."""
    return at.StandardisedLayers(at.image_features(model, images, mirror=mirror), num_pool)


def make_networks(
    config: Config, backbone: at.Model, images: np.ndarray, mirror: bool, on_tuned: Callable[..., None]
) -> dict[str, Any]:
    """Give the arms that train, of as many epochs each."""
    epochs = 2 if config.quick else config.epochs
    frozen = max(1, epochs // 5)

    # The peaks are those of fashion_transfer. On training pictures of digits, 20 of each, at a third, once and three
    # times the peak: scratch 86.4, 93.3 and 96.3 %; probe_then_tune 94.4 at the peak, 95.4 above, 88.1 at a tenth.
    def cosine(peak: float, length: int = epochs) -> Any:
        return at.keras.optimizers.schedules.CosineDecay(peak, length * 10)

    network = partial(
        at.network_arm, backbone, images, augment=at.Shifts(max(1, images.shape[1] // 14), flip=mirror),
        epoch_batches=10, mirror=mirror, train_metric="train_accuracy", on_tuned=on_tuned,
    )  # fmt: skip
    tune = at.Plan.probe_then_tune(epochs, 1e-3, cosine(1e-3, epochs - frozen), probe_epochs=frozen)
    return {
        "scratch": network(at.Plan.scratch(epochs, cosine(3e-3)), "random"),
        "probe_then_tune": network(tune, start=at.logistic_head),
        "full": network(at.Plan.full(epochs, cosine(1e-3))),
        "gradual": network(at.Plan.gradual(epochs, 3e-3, 1e-3, len(at.layer_groups(backbone)))),
    }


def linear_parts(
    arm: str, family: dict[Any, Any], layers: at.StandardisedLayers, pixels: np.ndarray, backbone: at.Model,
    pool: at.Examples,
) -> tuple[at.Model, np.ndarray, np.ndarray]:  # fmt: skip
    """Fit a linear arm on every picture that was not tested: the network below it, its kernel and its bias."""
    layer, strength = at.best_classifier(family, pool.items, pool.labels)
    if arm == "probe":
        reused, _ = at.image_backbone(at.reuse(backbone, upto=layer), (0, 255))
        return reused, *layers.head(layer, pool.items, pool.labels, strength)
    flat = [at.keras.Input(pixels.shape[1:]), at.keras.layers.Rescaling(1 / 255), at.keras.layers.Flatten()]
    rows = pixels[pool.items].reshape(len(pool), -1) / 255.0
    return at.keras.Sequential(flat), *at.logistic_head(rows, pool.labels, strength)


if __name__ == "__main__":
    at.run(main, Config)
