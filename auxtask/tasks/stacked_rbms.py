"""Restricted Boltzmann machines trained one upon the other."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from auxtask.framework import keras, tf
from auxtask.tasks.auxiliary_task import AuxiliaryTask
from auxtask.tasks.greedy import GreedyTask, layer_parts
from auxtask.tasks.image_task import ImageTask
from auxtask.tasks.rbm import Rbm


class StackedRbms(GreedyTask):
    """Train a restricted Boltzmann machine for each layer in turn, on the probabilities of the hidden units below.

    Source: Hinton and Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks" (2006). Unfolded, the
    same kernels lead down again, so that pictures can be given back, and tuned as one autoencoder; here kernels stay
    tied in tuning.

    Parameters
    ----------
    encoder : keras.Model
        As `rbm_backbone` makes it; one with a `Normalization` has Gaussian visible units.
    tune : float in [0, 1)
        Share of the budget in which the unfolded autoencoder is tuned as a whole, after the layers.
    gibbs_steps, persistent, batch_size
        See `Rbm`.

    Attributes
    ----------
    layer_tasks : dict of group name to Rbm

    Raises
    ------
    ValueError
        A group is not one sigmoid layer, or a number is out of range.

    Examples
    --------
    >>> task = StackedRbms(at.rbm_backbone(units=(500, 250), seed=0))
    >>> backbone = task.pretrain(images, budget="20epochs", learning_rate=1e-2)
    """

    def __init__(
        self,
        encoder: keras.Model,
        tune: float = 0.0,
        gibbs_steps: int = 1,
        persistent: bool = False,
        batch_size: int = 128,
        name: str | None = None,
    ) -> None:
        ImageTask.__init__(self, encoder, batch_size=batch_size, name=name)
        scales = [layer for layer in encoder.layers if isinstance(layer, keras.layers.Normalization)]
        self._scale = scales[0] if scales else None
        tasks: dict[str, AuxiliaryTask] = {}
        for group, part in layer_parts(encoder).items():
            visible: Literal["bernoulli", "gaussian"] = "gaussian" if scales and not tasks else "bernoulli"
            tasks[group] = Rbm(part, visible, gibbs_steps, persistent, batch_size)
        self.stack(tasks, tune)
        self.built = True

    def batch_loss(self, batch: tf.Tensor, training: bool) -> tf.Tensor:
        """Give the mean squared error of pixels, which go from -1 to 1, after going up and down once."""
        return tf.reduce_mean(tf.square((self._given_back(batch) - batch) / 127.5))

    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        """Give pictures back, going up and down once: from uint8 [n, height, width, channels] to the same."""
        given_back = self._given_back(tf.cast(images, tf.float32)).numpy()
        return np.clip(np.round(given_back), 0, 255).astype(np.uint8)

    def facts(self, data: np.ndarray, validation: np.ndarray | None) -> dict[str, Any]:
        """Give those of `ImageTask`, and of each machine."""
        machines = {group: task.facts(data, validation) for group, task in self.layer_tasks.items()}
        return super().facts(data, validation) | {"machines": machines}

    def _given_back(self, images: tf.Tensor) -> tf.Tensor:
        units = self.encoder(images)
        for task in reversed(self.layer_tasks.values()):
            units = task.down(units)
        scaled = tf.reshape(units, tf.shape(images))
        if self._scale is None:
            return 255 * scaled
        return scaled * tf.sqrt(self._scale.variance) + self._scale.mean
