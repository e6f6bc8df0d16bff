"""Autoencoders trained layer by layer, each on the codes of the one below."""

from __future__ import annotations

from auxtask.data.image_batches import with_seeds
from auxtask.framework import keras, tf
from auxtask.tasks.autoencoder import Autoencoder
from auxtask.tasks.auxiliary_task import AuxiliaryTask
from auxtask.tasks.frozen_codes import Codes, code_batches
from auxtask.tasks.greedy import GreedyTask, layer_parts


class StackedAutoencoders(GreedyTask, Autoencoder):
    """Train a small autoencoder for each layer group in turn; together they unfold into one `Autoencoder`.

    Greedy layer-wise training (Bengio et al., "Greedy Layer-Wise Training of Deep Networks", 2007), with `noise` that
    of Vincent et al., "Stacked Denoising Autoencoders" (2010).

    Parameters
    ----------
    encoder : keras.Model
        From pictures to features [n, d] or feature maps, with layer groups.
    tune : float in [0, 1)
        Share of the budget in which the unfolded autoencoder is tuned as a whole, after the layers.
    noise : float
        Standard deviation of what is added to pixels, which go from -1 to 1, and to codes.
    batch_size : int
    seed : int
        Of the decoders.

    Raises
    ------
    ValueError
        There is no way back through this encoder, or a number is out of range.

    Examples
    --------
    >>> task = StackedAutoencoders(at.dense_backbone(seed=0), tune=0.3)
    >>> backbone = task.pretrain(images, budget="5min")
    """

    def __init__(
        self,
        encoder: keras.Model,
        tune: float = 0.0,
        noise: float = 0.0,
        batch_size: int = 128,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        Autoencoder.__init__(self, encoder, noise=noise, batch_size=batch_size, seed=seed, name=name)
        tasks: dict[str, AuxiliaryTask] = {
            group: LayerAutoencoder(part, self.decoders[group], noise, batch_size, of_pixels=number == 0)
            for number, (group, part) in enumerate(layer_parts(encoder).items())
        }
        self.stack(tasks, tune)


class LayerAutoencoder(AuxiliaryTask):
    """Give one layer group's input back from its output.

    Parameters
    ----------
    encoder : keras.Model
        One layer group: from pictures, 0 to 255, or from codes.
    decoder : keras.Model
        From its output to its input; pixels from -1 to 1. Trained too.
    noise, batch_size
        See `StackedAutoencoders`.
    of_pixels : bool
        Whether the input is pictures.
    """

    def __init__(
        self, encoder: keras.Model, decoder: keras.Model, noise: float, batch_size: int, of_pixels: bool
    ) -> None:
        super().__init__(encoder)
        self.decoder, self.noise, self.batch_size, self.of_pixels = decoder, noise, batch_size, of_pixels
        self.built = True

    def batches(self, data: Codes, seed: int) -> tf.data.Dataset:
        """Make endless batches: rows, and a seed for their noise."""
        return with_seeds(code_batches(data, self.batch_size, seed), seed)

    def num_batches(self, data: Codes) -> int:
        """Count the batches of one pass."""
        return max(1, len(data) // self.batch_size)

    def batch_loss(self, batch: tuple[tf.Tensor, tf.Tensor], training: bool) -> tf.Tensor:
        """Give the mean squared error of what is given back."""
        rows, seed = batch
        unit = 127.5 if self.of_pixels else 1.0
        shown = rows
        if self.noise:
            shown += self.noise * unit * tf.random.stateless_normal(tf.shape(rows), seed)
        given_back = self.decoder(self.encoder(shown, training=training), training=training)
        return tf.reduce_mean(tf.square(given_back - (rows / 127.5 - 1 if self.of_pixels else rows)))
