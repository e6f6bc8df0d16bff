"""Write an auxiliary task of your own: find the other half of a photo, then name people from a few photos each.

Auxiliary task: photos without labels are cut down the middle, and the network finds the right half that belongs to each
left half, among those of a batch.
Target task: name the person (or whatever your sub-folders are) in a photo, from 2 or 8 labelled ones of each.

    auxtask run own_task                                   # drawn faces: no data needed; some minutes
    auxtask run own_task path=MY_PHOTOS                    # a sub-folder per class; MY_PHOTOS/unlabelled/ is free
    auxtask cp own_task my_task.py                         # yours to change: rewrite the class `Halves`
    auxtask run my_task.py

A task is three answers: what a batch is, how many batches the data hold, and the loss on one. `ImageTask` answers the
first two for pictures. Training, validation, the guard against NaN, saving and the comparison are then there. Whether
the task helps is what the run measures: `chosen` against `scratch`, the same network without pretraining. Expect 20.9
and 39.7 % of drawn faces with 2 and 8 photos of each of 20 people, where scratch has 15.7 and 33.1 % (--seed 1: the
people of seed 0 were looked at when the task was chosen).
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
    draws: int = at.option(5, "how often the labelled photos are drawn", at_least=1)
    quick: bool = at.option(False, "less than a minute: to see that everything runs")

    def __post_init__(self) -> None:
        """Refuse what cannot be done, before anything is trained."""
        if self.pretraining and at.parse_budget(self.pretraining).kind == "tokens":
            raise ValueError(
                f"pretraining={self.pretraining}: photos are no tokens; write 20min, 2000steps or 30epochs"
            )


class Halves(at.ImageTask):
    """Find the right half of a photo that belongs to a left half.

    After Becker and Hinton, "Self-organizing neural network that discovers surfaces in random-dot stereograms" (1992);
    the loss is that of van den Oord et al., "Representation Learning with Contrastive Predictive Coding" (2018).
    """

    def __init__(self, encoder: at.Model, batch_size: int = 64) -> None:
        # The encoder is what is kept. Photos are shifted and mirrored; both numbers are logged.
        super().__init__(encoder, at.Shifts(2), batch_size, logs=("loss", "found"))
        # What is needed for this task alone, and thrown away afterwards: a vector in which two halves are compared.
        self.head = at.keras.layers.Dense(64, name="half")

    def batch_loss(self, batch: Any, training: bool) -> dict[str, Any]:
        """Give the mean negative log-probability of the right half that belongs to each left half."""
        # The answer is in the photos themselves (float32 [n, 32, 32, 1], 0 to 255): that is why it is free.
        left, right = at.tf.split(batch, 2, axis=2)
        # Beside its mirror image a half is as wide as a photo, and what the network learns fits whole photos.
        lefts = at.tf.concat([left, left[:, :, ::-1]], axis=2)
        rights = at.tf.concat([right[:, :, ::-1], right], axis=2)
        halves = at.tf.concat([lefts, rights], axis=0)
        # Each in a light of its own: else brightness would tell which belong together, and nothing else be learned.
        each = (at.tf.shape(halves)[0], 1, 1, 1)
        contrast, light = at.tf.random.uniform(each, 0.5, 1.5), at.tf.random.uniform(each, -40.0, 40.0)
        halves = (halves - 128.0) * contrast + 128.0 + light
        # The network sees one half at a time: both at once would show where the cut fits.
        vectors = self.head(self.encoder(halves, training=training))
        left, right = at.tf.split(at.tf.math.l2_normalize(vectors, axis=1), 2)
        # How well each left half (down) and each right half (across) go together, from -5 to 5.
        fit = at.tf.matmul(left, right, transpose_b=True) / 0.2
        own = at.tf.range(at.tf.shape(fit)[0])
        loss = at.tf.nn.sparse_softmax_cross_entropy_with_logits(own, fit)
        # By guessing, one of all those in the batch.
        found = at.tf.equal(at.tf.argmax(fit, axis=1, output_type=own.dtype), own)
        return {"loss": at.tf.reduce_mean(loss), "found": at.tf.reduce_mean(at.tf.cast(found, at.tf.float32))}


def main(config: Config, run: at.Run) -> None:
    """Data, the auxiliary task, then the target task."""
    with run.stage("data"):
        data = check(config, run)
        run.keep_to("photos", data.fingerprint(in_order=True))
        images, (pool, test) = at.laid_out(data.train, data.test)  # pool: what labels are drawn from
    run.note("rates, lengths and penalties are guesses: no search has chosen them")
    with run.stage("pretraining"):
        backbone = pretrain(config, run, np.concatenate([data.train.images, data.unlabelled]))
    arms, budgets = make_arms(config, run, backbone, images), budgets_of(config, data)
    with run.stage("comparison"), run.progress("cells", unit="cells") as bar:
        results = at.Comparison(
            arms, budgets, 1 if config.quick else config.draws, test, pool=pool, metric="accuracy",
            budget_unit="photos per class", seed=run.seed, run=run,
            chosen=dict.fromkeys(budgets, "probe_then_tune"),  # named before anything is measured
        ).run(bar.update)  # fmt: skip
    at.report_comparison(run, results)


def check(config: Config, run: at.Run) -> at.ImageData:
    """Give photos to learn from, others to test on, and perhaps some without labels (also `auxtask validate`)."""
    # Of a folder the same photos are tested whatever --seed, as in the other recipes, which may reuse what is kept.
    data = at.ImageData.from_folder(config.path, SIZE, seed=0) if config.path else drawn_faces(config, run)
    data = data.fitted_to((SIZE, SIZE, 1))  # grey: the colour behind a face would tell which halves belong together
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


def pretrain(config: Config, run: at.Run, photos: np.ndarray) -> at.Model:
    """Check the task, train it, watched on a tenth of the photos, and save what is kept."""
    if (run.folder / "backbone").exists():  # --resume
        return at.load(run.folder)
    task = Halves(at.conv_backbone((SIZE, SIZE, 1), (32, 64, 128), seed=run.seed))
    at.check_task(task, photos[:256])  # says in words if a task of yours cannot work, but not what batch_loss lets slip
    order = np.random.default_rng(run.seed).permutation(len(photos))
    few = len(order) // 10 if len(order) >= 100 else 0  # of a handful, a tenth tells nothing
    seen, held_out = photos[order[few:]], photos[order[:few]] if few else None
    length = config.pretraining or ("40steps" if config.quick else "400steps")
    backbone = task.pretrain(
        seen, held_out, budget=length, seed=run.seed,
        callbacks=run.callbacks(label="halves", items_per_step=task.batch_size, unit="photos"),
    )  # fmt: skip
    assert task.pretraining is not None
    run.figure("pretraining", at.plot_curves(task.pretraining.history, "finding the other half"))
    if few:
        found = task.pretraining.history[-1]["val_found"]
        run.note(f"of {few} photos left out {100 * found:.0f} % of the other halves are found, among {task.batch_size}")
    at.save_backbone(backbone, run.folder / "backbone", task.pretraining.provenance)
    return backbone


def make_arms(config: Config, run: at.Run, backbone: at.Model, images: np.ndarray) -> dict[str, Any]:
    """Give the ways to get from labelled photos to names."""

    def network(plan: at.Plan, init: Any, **more: Any) -> Any:
        return at.network_arm(
            backbone, images, plan, init, at.Shifts(2), epoch_batches=20, mirror=True, train_metric="train_accuracy",
            on_tuned=partial(at.keep_thawing, run), **more,
        )  # fmt: skip

    def linear(features: Any) -> Any:
        return at.linear_arm(features, at.logistic_head, "train_accuracy")

    def untrained() -> np.ndarray:
        return at.embed(at.reuse(backbone, init="random", seed=run.seed), images, (1.0,))

    epochs = 2 if config.quick else 6
    tune = at.Plan.probe_then_tune(epochs, 1e-3, 1e-3, probe_epochs=1)
    return {
        "pixels": linear(lambda: images[:, ::2, ::2].reshape(len(images), -1) / 255.0),
        "scratch": network(at.Plan.scratch(epochs, 2e-3), "random"),
        "random_frozen": linear(untrained),
        "probe": linear(lambda: at.embed(backbone, images, (1.0,))),
        # The head starts as the probe's, and is hardly moved while the rest is frozen.
        "probe_then_tune": network(tune, "copy", start=at.logistic_head),
    }


if __name__ == "__main__":
    at.run(main, Config)
