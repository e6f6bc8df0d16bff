"""Write an auxiliary task of your own: guess a photo's colours from its grey version, then name people in grey photos.

Auxiliary task: photos without labels are turned grey, and the network guesses the colours that were taken away.
Target task: name the person (or whatever your sub-folders are) in a grey photo, from 2 or 8 labelled ones of each.

    auxtask run own_task                                   # drawn faces: no data needed; about 2 minutes
    auxtask run own_task path=MY_PHOTOS                    # a sub-folder per class; MY_PHOTOS/unlabelled/ is free
    auxtask cp own_task my_task.py                         # yours to change: rewrite the class `Colours`
    auxtask run my_task.py

A task is three answers: what a batch is, how many batches the data hold, and the loss on one. `ImageTask` answers the
first two for pictures. Training, validation, the guard against NaN, saving and the comparison are then there. Whether
the task helps is what the run measures: `chosen` against `scratch`, the same network without pretraining.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import auxtask as at

SIZE = 32  # photos are kept at this side, in pixels


@dataclass(frozen=True)
class Config:
    """What can be set, as key=value."""

    path: str = at.option("", "your photos, a sub-folder per class, and perhaps unlabelled/; empty: drawn faces")
    pretraining: str = at.option("", "its length, as 20min, 2000steps or 30epochs; empty: 400steps")
    budgets: tuple[int, ...] = at.option(
        (), "labelled photos per class; empty: those of 2,8 that the data allow", at_least=1
    )
    draws: int = at.option(3, "how often the labelled photos are drawn", at_least=1)
    quick: bool = at.option(False, "less than a minute: to see that everything runs")

    def __post_init__(self) -> None:
        """Refuse what cannot be done, before anything is trained."""
        if self.pretraining and at.parse_budget(self.pretraining).kind == "tokens":
            raise ValueError(
                f"pretraining={self.pretraining}: photos are no tokens; write 20min, 2000steps or 30epochs"
            )


class Colours(at.ImageTask):
    """Guess the mean colour of each cell of a grid from the grey photo (after Zhang et al., "Colorful Image
    Colorization", 2016)."""

    def __init__(self, encoder: at.Model, grid: int = 4, batch_size: int = 64) -> None:
        # The encoder is what is kept. Photos are shifted and mirrored; both losses are logged.
        super().__init__(encoder, at.Shifts(2), batch_size, logs=("loss", "unexplained"))
        self.grid = grid
        # What is needed for this task alone, and thrown away afterwards: a red, a green and a blue value per cell.
        self.head = at.keras.layers.Dense(grid * grid * 3, name="colours")

    def batch_loss(self, batch: Any, training: bool) -> dict[str, Any]:
        """Give the mean squared error of the guessed colours."""
        # The target is made of the photos themselves (float32 [n, 32, 32, 3], 0 to 255): that is why it is free.
        cells = at.tf.image.resize(batch, (self.grid, self.grid), method="area")
        # Brightness is in sight; what remains is which way a cell differs from grey, in steps of 32.
        colours = (cells - at.tf.reduce_mean(cells, axis=-1, keepdims=True)) / 32.0
        # The network sees the grey photo and nothing else: a target in the input would teach it to copy.
        features = self.encoder(at.tf.image.rgb_to_grayscale(batch), training=training)
        guessed = at.tf.reshape(self.head(features), at.tf.shape(colours))
        loss = at.tf.reduce_mean(at.tf.square(guessed - colours))
        # 1: no better than the mean colour of each cell over the batch; the lower, the better.
        spread = at.tf.reduce_mean(at.tf.math.reduce_variance(colours, axis=0))
        return {"loss": loss, "unexplained": loss / (spread + 1e-6)}


def main(config: Config, run: at.Run) -> None:
    """Data, the auxiliary task, then the target task."""
    with run.stage("data"):
        data = check(config, run)
        run.keep_to("photos", data.fingerprint(in_order=True))
        images, (pool, test) = at.laid_out(data.train, data.test)  # pool: what labels are drawn from
    run.note("rates, lengths and penalties are guesses: no search has chosen them")
    with run.stage("pretraining"):
        backbone = pretrain(config, run, np.concatenate([data.train.images, data.unlabelled]))
    arms, budgets = make_arms(config, run, backbone, grey(images)), budgets_of(config, data)
    with run.stage("comparison"), run.progress("cells", unit="cells") as bar:
        results = at.Comparison(
            arms, budgets, 1 if config.quick else config.draws, test, pool=pool, metric="accuracy",
            budget_unit="photos per class", seed=run.seed, run=run,
            # Named before anything is measured: with so few labels, training the network seldom pays.
            chosen=dict.fromkeys(budgets, "probe"),
        ).run(bar.update)  # fmt: skip
    at.report_comparison(run, results)


def check(config: Config, run: at.Run) -> at.ImageData:
    """Give photos to learn from, others to test on, and perhaps some without labels (also `auxtask validate`)."""
    # Of a folder the same photos are tested whatever --seed, as in the other recipes, which may reuse what is kept.
    data = at.ImageData.from_folder(config.path, SIZE, seed=0) if config.path else drawn_faces(config, run)
    if (data.train.images == data.train.images[..., :1]).all():
        raise ValueError(
            f"{data.name}: the photos are grey, there are no colours to guess; write a task that fits them"
        )
    budgets_of(config, data)
    for text in data.notes:
        run.note(text)
    return data


def budgets_of(config: Config, data: at.ImageData) -> tuple[int, ...]:
    """Give the numbers of labelled photos per class."""
    return at.label_budgets(config.budgets, (2, 8), data.train.counts, data.names, per_class=True, option="budgets")


def drawn_faces(config: Config, run: at.Run) -> at.ImageData:
    """Draw 20 people to be named, half of whose photos are tested, and strangers to pretrain on."""
    people = at.FaceData.drawn(20, 24, 1000 + run.seed, SIZE, "target")
    strangers = at.FaceData.drawn(60 if config.quick else 400, 5, run.seed, SIZE, "stranger")
    everything = at.LabelledImages(people.images(), people.labels, people.people)
    train, test = (everything.take(rows) for rows in at.fixed_test_half(people.labels, seed=run.seed))
    return at.ImageData("drawn faces", train, test, strangers.images())


def grey(photos: np.ndarray) -> np.ndarray:
    """Give photos without their colours: uint8 [n, s, s, 1]."""
    return np.asarray(at.tf.image.rgb_to_grayscale(photos))


def pretrain(config: Config, run: at.Run, photos: np.ndarray) -> at.Model:
    """Check the task, train it, watched on a tenth of the photos, and save what is kept."""
    if (run.folder / "backbone").exists():  # --resume
        return at.load(run.folder)
    task = Colours(at.conv_backbone((SIZE, SIZE, 1), (32, 64, 128), seed=run.seed))
    at.check_task(task, photos[:256])  # says in words if a task of yours cannot work, but not what batch_loss lets slip
    order = np.random.default_rng(run.seed).permutation(len(photos))
    few = len(order) // 10 if len(order) >= 100 else 0  # of a handful, a tenth tells nothing
    seen, held_out = photos[order[few:]], photos[order[:few]] if few else None
    length = config.pretraining or ("40steps" if config.quick else "400steps")
    backbone = task.pretrain(
        seen, held_out, budget=length, seed=run.seed,
        callbacks=run.callbacks(label="colours", items_per_step=task.batch_size, unit="photos"),
    )  # fmt: skip
    assert task.pretraining is not None
    run.figure("pretraining", at.plot_curves(task.pretraining.history, "guessing colours"))
    if few:
        left = task.pretraining.history[-1]["val_unexplained"]
        run.note(f"colours of {few} photos left out: {left:.2f} of the variance is unexplained")
    at.save_backbone(backbone, run.folder / "backbone", task.pretraining.provenance)
    return backbone


def make_arms(config: Config, run: at.Run, backbone: at.Model, images: np.ndarray) -> dict[str, Any]:
    """Give the ways to get from labelled photos to names."""

    def network(plan: at.Plan, init: Any) -> Any:
        return at.network_arm(
            backbone, images, plan, init, at.Shifts(2), epoch_batches=20, mirror=True, train_metric="train_accuracy",
            on_tuned=partial(at.keep_thawing, run),
        )  # fmt: skip

    def linear(features: Any) -> Any:
        return at.linear_arm(features, at.logistic_head, "train_accuracy")

    def untrained() -> np.ndarray:
        return at.embed(at.reuse(backbone, init="random", seed=run.seed), images, (1.0,))

    epochs = 2 if config.quick else 6
    return {
        "pixels": linear(lambda: images[:, ::2, ::2].reshape(len(images), -1) / 255.0),
        "scratch": network(at.Plan.scratch(epochs, 2e-3), "random"),
        "random_frozen": linear(untrained),
        "probe": linear(lambda: at.embed(backbone, images, (1.0,))),
        "probe_then_tune": network(at.Plan.probe_then_tune(epochs, 1e-2, 3e-4, probe_epochs=epochs // 2), "copy"),
    }


if __name__ == "__main__":
    at.run(main, Config)
