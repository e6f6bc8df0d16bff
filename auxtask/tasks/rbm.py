"""Restricted Boltzmann machines, trained by contrastive divergence."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Literal

import numpy as np

from auxtask.data.image_batches import with_seeds
from auxtask.framework import keras, tf
from auxtask.tasks.auxiliary_task import AuxiliaryTask, MeanValues
from auxtask.tasks.frozen_codes import Codes, code_batches

_MOST_ROWS = 10_000  # that are looked at before training, and compared in free energy


class Rbm(AuxiliaryTask):
    """A restricted Boltzmann machine: hidden units that make the data likely.

    The loss is the free energy of the data minus that of what the machine dreams up, held fixed: its gradient is the
    update of contrastive divergence (Hinton, "Training Products of Experts by Minimizing Contrastive Divergence",
    2002), or with chains that go on from batch to batch, the persistent one (Tieleman, "Training Restricted Boltzmann
    Machines using Approximations to the Likelihood Gradient", 2008). It is no measure of progress; the logged
    `reconstruction_error` and, with validation, `free_energy_gap` are: validation's mean free energy minus that of as
    many training rows, which grows when the machine overfits (Hinton, "A Practical Guide to Training Restricted
    Boltzmann Machines", 2010).

    Parameters
    ----------
    encoder : keras.Model
        Layers without weights (a `Normalization` is fitted to the first data), then a Dense layer with sigmoid
        activation, whose kernel and bias are the machine's: such as a part of `rbm_backbone`.
    visible : {"bernoulli", "gaussian"}
        Of what goes into the Dense layer: numbers from 0 to 1, or real ones of about unit variance.
    gibbs_steps : int
        Up and down so many times between data and dream.
    persistent : bool
        Whether chains go on from batch to batch.
    batch_size : int

    Raises
    ------
    ValueError
        The encoder is not such a chain, or a setting is out of range.

    Examples
    --------
    >>> rbm = Rbm(at.rbm_backbone((8, 8, 1), units=(100,)))
    >>> backbone = rbm.pretrain(images, budget="10epochs", learning_rate=1e-2)
    """

    def __init__(
        self,
        encoder: keras.Model,
        visible: Literal["bernoulli", "gaussian"] = "bernoulli",
        gibbs_steps: int = 1,
        persistent: bool = False,
        batch_size: int = 128,
        name: str | None = None,
    ) -> None:
        super().__init__(encoder, logs=("loss", "reconstruction_error", "free_energy"), name=name)
        if visible not in ("bernoulli", "gaussian"):
            raise ValueError(f"visible={visible!r}: expected 'bernoulli' or 'gaussian'")
        if gibbs_steps < 1 or batch_size < 1:
            raise ValueError(f"gibbs_steps={gibbs_steps}, batch_size={batch_size}: both must be at least 1")
        self.gaussian, self.gibbs_steps, self.batch_size = visible == "gaussian", gibbs_steps, batch_size
        self.dense = _sigmoid_layer(encoder)
        self.visible_bias = self.add_weight("visible_bias", (self.dense.kernel.shape[0],), initializer="zeros")
        # In a plain object: Keras would count the chains among the weights that are averaged and put back.
        self._state = SimpleNamespace(persistent=persistent, chains=None, reference=None)
        self.built = True

    def batches(self, data: Codes, seed: int) -> tf.data.Dataset:
        """Make endless batches: rows, and a seed for what is drawn."""
        return with_seeds(code_batches(data, self.batch_size, seed), seed)

    def num_batches(self, data: Codes) -> int:
        """Count the batches of one pass."""
        return max(1, len(data) // self.batch_size)

    def prepare(self, data: Codes, validation: Codes | None, seed: int) -> None:
        """Fit scale and visible biases to the first data, start the chains at data, refuse what cannot be visible.

        Raises
        ------
        ValueError
            Bernoulli units would be outside 0 to 1.
        """
        order = np.random.default_rng(seed).permutation(len(data))[:_MOST_ROWS]
        fresh = not np.any(self.visible_bias.numpy())
        if fresh:
            for layer in self.encoder.layers:
                if isinstance(layer, keras.layers.Normalization):
                    layer.adapt(data[order])
            self.encoder.predict_function = None  # an earlier one has the earlier scale built in
        seen = self.visible(tf.cast(data[order], tf.float32)).numpy()
        if not self.gaussian and (seen.min() < -1e-6 or seen.max() > 1 + 1e-6):
            found = f"{seen.min():.3g} to {seen.max():.3g}"
            raise ValueError(f"Bernoulli units are 0 to 1, not {found}: take visible='gaussian'")
        if fresh:
            mean = seen.mean(axis=0)
            often = np.clip(mean, 0.01, 0.99)
            self.visible_bias.assign(mean if self.gaussian else np.log(often / (1 - often)))
        self._state.reference = None if validation is None else data[order[: len(validation)]]
        self._state.chains = tf.Variable(seen[: min(self.batch_size, len(data))]) if self._state.persistent else None

    def batch_loss(self, batch: tuple[tf.Tensor, tf.Tensor], training: bool) -> dict[str, tf.Tensor]:
        """Give the difference of free energies, the squared error of going up and down once, and the free energy."""
        rows, seed = batch
        data = self.visible(rows)
        chains = self._state.chains if training else None
        # From the data, visible units are taken at their means, as the practical guide says; chains that go on must
        # draw, or they are no sample.
        dream = self.gibbs(data if chains is None else chains, seed, sample=chains is not None)
        if chains is not None:
            chains.assign(dream)
        energy = tf.reduce_mean(self.free_energy(data))
        error = tf.reduce_mean(tf.square(self.down(self.dense(data)) - data))
        loss = energy - tf.reduce_mean(self.free_energy(tf.stop_gradient(dream)))
        return {"loss": loss, "reconstruction_error": error, "free_energy": energy}

    def visible(self, rows: tf.Tensor) -> tf.Tensor:
        """Give the visible units, float32 [n, d], of what the encoder takes."""
        for layer in self.encoder.layers[:-1]:
            rows = layer(rows)
        return rows

    def down(self, hidden: tf.Tensor) -> tf.Tensor:
        """Give the means of the visible units, float32 [n, d], from hidden ones [n, num_hidden]."""
        total = tf.matmul(hidden, self.dense.kernel, transpose_b=True) + self.visible_bias
        return total if self.gaussian else tf.sigmoid(total)

    def free_energy(self, visible: tf.Tensor) -> tf.Tensor:
        """Give the free energy, float32 [n], of visible units [n, d]: minus the log of their weight."""
        of_hidden = tf.reduce_sum(tf.nn.softplus(tf.matmul(visible, self.dense.kernel) + self.dense.bias), axis=1)
        if self.gaussian:
            return tf.reduce_sum(tf.square(visible - self.visible_bias), axis=1) / 2 - of_hidden
        return -tf.linalg.matvec(visible, self.visible_bias) - of_hidden

    def gibbs(self, visible: tf.Tensor, seed: tf.Tensor, sample: bool = True) -> tf.Tensor:
        """Draw hidden and then visible units (or take these at their means), `gibbs_steps` times; seed is int32 [2]."""
        for step in range(self.gibbs_steps):
            odds = self.dense(visible)
            hidden = tf.cast(tf.random.stateless_uniform(tf.shape(odds), seed + 2 * step) < odds, tf.float32)
            mean = self.down(hidden)
            if not sample:
                visible = mean
            elif self.gaussian:
                visible = mean + tf.random.stateless_normal(tf.shape(mean), seed + 2 * step + 1)
            else:
                visible = tf.cast(tf.random.stateless_uniform(tf.shape(mean), seed + 2 * step + 1) < mean, tf.float32)
        return visible

    def measure(self, validation: Codes) -> MeanValues:
        """Give the means of what is logged, and the free-energy gap."""
        found = MeanValues(super().measure(validation).metrics())
        if self._state.reference is not None:
            of_data, of_reference = (self._mean_energy(rows) for rows in (validation, self._state.reference))
            found["free_energy_gap"] = of_data - of_reference
        return found

    def facts(self, data: Codes, validation: Codes | None) -> dict[str, Any]:
        """Give what kind of machine it was, and how it dreamt."""
        kind = {"visible": "gaussian" if self.gaussian else "bernoulli", "num_hidden": self.dense.units}
        return kind | {
            "gibbs_steps": self.gibbs_steps,
            "persistent": self._state.persistent,
            "batch_size": self.batch_size,
            "num_rows": len(data),
        }

    def _mean_energy(self, rows: Codes) -> float:
        some = tf.cast(rows[:_MOST_ROWS], tf.float32)
        return float(tf.reduce_mean(self.free_energy(self.visible(some))))


def _sigmoid_layer(encoder: keras.Model) -> Any:
    *below, last = encoder.layers
    sigmoid = isinstance(last, keras.layers.Dense) and last.activation is keras.activations.sigmoid and last.use_bias
    if not sigmoid or any(layer.trainable_weights for layer in below):
        raise ValueError(
            f"{encoder.name}: a restricted Boltzmann machine is one Dense layer with sigmoid activation and a bias, "
            "behind layers without weights (rbm_backbone makes one; StackedRbms takes several)"
        )
    return last
