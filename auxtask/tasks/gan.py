"""The adversarial task: tell pictures from those that a generator makes up while it learns to be taken for real."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from auxtask.backbones.image_generator import image_generator
from auxtask.data.image_batches import with_seeds
from auxtask.framework import keras, tf
from auxtask.tasks.image_task import ImageTask, refuse_maps

_BATCH = 500
_JUDGED = 256
# Of a healthy training on small pictures, diversity is about 0.7 to 1.2 and the discriminator right 0.6 to 0.9.
_COLLAPSED = 0.3
_WON = 0.99


class Gan(ImageTask):
    """Train a discriminator against a generator (Goodfellow et al., "Generative Adversarial Nets", 2014); the
    encoder is the discriminator's lower layers.

    The stable variant is the non-saturating loss with a zero-centred penalty on the discriminator's gradient at
    pictures (R1; Mescheder et al., "Which Training Methods for GANs do actually Converge?", 2018). Spectral
    normalisation would not do here: the encoders have BatchNorm, which undoes any scaling of the kernel before it.

    Parameters
    ----------
    encoder : keras.Model
        From pictures to features [n, d].
    augment : callable (images, seed int32 [2]) -> float32 images, optional
        Changes what the discriminator sees, pictures and samples alike (Zhao et al., "Differentiable Augmentation for
        Data-Efficient GAN Training", 2020). Gradients must flow through it, as they do through `Crops` and `Shifts`.
    latent, filters
        Of the generator, see `image_generator`.
    penalty : float
        Weight of R1, of pictures from -1 to 1.
    batch_size : int
        Pictures, and as many samples.
    seed : int
        Of the generator and of the discriminator's last layer.

    Attributes
    ----------
    generator : keras.Model
        From latent [n, latent] to pictures, 0 to 255.
    warnings : list of str
        What went wrong in the last `pretrain`, one sentence each, see `diagnose`.

    Raises
    ------
    ValueError
        The encoder does not give features [n, d]; a number is out of range.

    Notes
    -----
    Logged: `loss` (the discriminator's, without the penalty), `generator_loss`, `penalty`, `right` (how often the
    discriminator is, 0.5 if it cannot tell) and `diversity` (see `diversity`).

    Examples
    --------
    >>> task = Gan(at.conv_backbone(seed=0))
    >>> backbone = task.pretrain(images, budget="10min", learning_rate=5e-4)
    >>> task.warnings, task.samples(25, seed=0)
    """

    def __init__(
        self,
        encoder: keras.Model,
        augment: Callable[[Any, Any], Any] | None = None,
        latent: int = 64,
        filters: int = 64,
        penalty: float = 1.0,
        batch_size: int = 64,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        if batch_size < 2 or not penalty >= 0:
            raise ValueError(f"batch_size={batch_size}, penalty={penalty}: must be at least 2 and at least 0")
        refuse_maps(encoder)
        if len(encoder.input_shape) != 4 or None in encoder.input_shape[1:]:
            raise ValueError(
                f"{encoder.name} takes {encoder.input_shape}: pictures of one size are needed to make such"
            )
        logs = ("loss", "generator_loss", "penalty", "right", "diversity")
        super().__init__(encoder, augment, batch_size, logs=logs, name=name)
        self.latent, self.penalty = latent, float(penalty)
        self.generator = image_generator(encoder.input_shape[1:], latent, filters, seed)
        self.head = keras.layers.Dense(1, kernel_initializer=keras.initializers.GlorotUniform(seed=seed), name="real")
        self.head.build(encoder.output_shape)
        self.warnings: list[str] = []
        self.built = True

    def batches(self, data: np.ndarray, seed: int) -> tf.data.Dataset:
        """Make endless batches: pictures as they are, and a seed for the samples and the augmentation."""
        augment, self.augment = self.augment, None  # here it belongs to the loss: samples must pass it too
        try:
            return with_seeds(super().batches(data, seed), seed)
        finally:
            self.augment = augment

    def batch_loss(self, batch: Any, training: bool) -> dict[str, tf.Tensor]:
        """Give both sides' losses and how they stand; nothing is penalised."""
        return self._values(*self._judged(batch, training)[1:])

    def gradients(self, batch: Any) -> tuple[Mapping[str, tf.Tensor], list[tuple[Any, Any]]]:
        """Give the discriminator's gradients of its loss, and the generator's of its own, from one pass through both.

        Both learn at once (Mescheder et al. 2018 call it simultaneous gradient descent): half the work of turns.
        """
        judges = [*self.encoder.trainable_variables, *self.head.trainable_variables]
        makers = self.generator.trainable_variables
        with tf.GradientTape(persistent=True) as tape:
            with tf.GradientTape() as inner:
                shown, images, samples, odds = self._judged(batch, True, inner.watch)
                total_odds = tf.reduce_sum(tf.split(odds, 2)[0])
            # Of pictures alone, as if they went from -1 to 1.
            slopes = tf.split(inner.gradient(total_odds, shown), 2)[0] * 127.5
            values = self._values(images, samples, odds)
            values["penalty"] = tf.reduce_mean(tf.reduce_sum(tf.square(slopes), axis=(1, 2, 3)))
            replicas = self.distribute_strategy.num_replicas_in_sync
            penalties = tf.add_n([self.penalty / 2 * values["penalty"], *self.encoder.losses])
            judges_loss = (values["loss"] + penalties) / replicas
            makers_loss = values["generator_loss"] / replicas
        found = [*tape.gradient(judges_loss, judges), *tape.gradient(makers_loss, makers)]
        return values, list(zip(found, [*judges, *makers], strict=True))

    def samples(self, num: int, seed: int = 0) -> np.ndarray:
        """Make pictures up: uint8 [num, height, width, channels]."""
        latent = tf.random.stateless_normal((num, self.latent), [seed, 0])
        made = [self.generator(latent[i : i + _BATCH], training=False) for i in range(0, num, _BATCH)]
        return np.round(np.concatenate(made)).astype(np.uint8)

    def diagnose(self, images: np.ndarray) -> list[str]:
        """Say in words what has gone wrong, if anything, on pictures and as many samples.

        Returns
        -------
        list of str
            Of a generator that makes few different pictures (mode collapse), and of a discriminator that is always
            right (then the generator learns nothing more). Empty if all is well.
        """
        images = images[np.random.default_rng(0).permutation(len(images))[:_JUDGED]]
        samples = self.samples(len(images))
        both = tf.concat([tf.cast(images, tf.float32), tf.cast(samples, tf.float32)], axis=0)
        odds = self.head(self.encoder(both, training=False))[:, 0]
        varied, right = (float(value) for value in (diversity(samples, images), _share_right(odds)))
        said = []
        if varied < _COLLAPSED:
            said.append(
                f"mode collapse: the generator makes few different pictures (the nearest two samples differ by "
                f"{varied:.2f} of what pictures do; below {_COLLAPSED} is a collapse)"
            )
        if right > _WON:
            said.append(
                f"the discriminator wins outright: it is right about {100 * right:.0f} % of pictures and samples, so "
                f"the generator learns nothing more (a larger penalty or augment= weakens it)"
            )
        return said

    def facts(self, data: np.ndarray, validation: np.ndarray | None) -> dict[str, Any]:
        """Give those of `ImageTask`, the settings, and what went wrong; fills `warnings`."""
        self.warnings = self.diagnose(data if validation is None else validation)
        about = {"latent": self.latent, "penalty": self.penalty, "warnings": self.warnings}
        return super().facts(data, validation) | about

    def _judged(
        self, batch: tuple[tf.Tensor, tf.Tensor], training: bool, watch: Callable[[Any], None] | None = None
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """Give what the discriminator saw, the pictures, the samples, and its odds: first of pictures, then of samples.

        One call judges both: BatchNorm then has the same statistics for both sides, which alone must not tell them
        apart.
        """
        images, seed = batch
        latent = tf.random.stateless_normal((tf.shape(images)[0], self.latent), seed)
        samples = self.generator(latent, training=training)
        shown = tf.concat([images, samples], axis=0)
        shown = shown if self.augment is None else self.augment(shown, seed + 1)
        if watch is not None:
            watch(shown)
        odds = tf.cast(self.head(self.encoder(shown, training=training))[:, 0], tf.float32)
        return shown, images, samples, odds

    def _values(self, images: tf.Tensor, samples: tf.Tensor, odds: tf.Tensor) -> dict[str, tf.Tensor]:
        of_images, of_samples = tf.split(odds, 2)
        return {
            "loss": tf.reduce_mean(tf.nn.softplus(-of_images)) + tf.reduce_mean(tf.nn.softplus(of_samples)),
            "generator_loss": tf.reduce_mean(tf.nn.softplus(-of_samples)),
            "penalty": tf.constant(0.0),
            "right": _share_right(odds),
            "diversity": diversity(samples, images),
        }


def diversity(samples: Any, images: Any) -> tf.Tensor:
    """Compare how far samples lie from their nearest other sample with how far pictures lie from theirs.

    About 1 where samples differ as pictures do, 0 where all are copies of a few. Unlike the mean distance it also sees
    a generator that makes a handful of different pictures again and again.

    Parameters
    ----------
    samples, images : number [n, height, width, channels]
        As many of each, two or more: among more the nearest are nearer.

    Returns
    -------
    float32 scalar
    """
    ours, theirs = (tf.reduce_mean(_to_nearest(given)) for given in (samples, images))
    return ours / tf.maximum(theirs, 1e-6)


def _to_nearest(images: Any) -> tf.Tensor:
    rows = tf.cast(images, tf.float32) / 255
    rows = tf.reshape(rows, (tf.shape(rows)[0], -1))
    squares = tf.reduce_sum(tf.square(rows), axis=1)
    distances = squares[:, None] + squares[None] - 2 * tf.matmul(rows, rows, transpose_b=True)
    distances = tf.linalg.set_diag(distances, tf.fill(tf.shape(squares), np.float32(np.inf)))
    return tf.sqrt(tf.maximum(tf.reduce_min(distances, axis=1), 0.0))


def _share_right(odds: tf.Tensor) -> tf.Tensor:
    of_images, of_samples = tf.split(odds, 2)
    right = tf.concat([of_images > 0, of_samples < 0], axis=0)
    return tf.reduce_mean(tf.cast(right, tf.float32))
