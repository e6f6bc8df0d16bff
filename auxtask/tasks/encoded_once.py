"""What tasks on identities share: items are encoded in one call, and one loss looks at all their pairs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from auxtask.framework import keras, tf
from auxtask.losses.weighted_sum import WeightedSum
from auxtask.tasks.auxiliary_task import AuxiliaryTask


class EncodedOnce(AuxiliaryTask):
    """A task whose batches are (items, identities): `call` makes embeddings, a loss compares them all.

    A task of this kind says what its `batches` are, gives its embeddings by `call`, and names its loss by
    `set_objective` at the end of its constructor.
    """

    def set_objective(self, loss: Callable[[Any, Any], Any], also: tuple[str, ...] = ()) -> None:
        """Set or replace the loss; a compiled task must be compiled again.

        Parameters
        ----------
        loss : callable (embeddings float32 [n, d], labels int [n]) -> scalar
            See `auxtask.losses`. The parts of a `WeightedSum` are logged one by one.
        also : tuple of str
            Names of other values that `batch_loss` gives.

        Raises
        ------
        ValueError
            It cannot be called.
        """
        if not callable(loss):
            raise ValueError(f"loss must be callable (embeddings, labels), not {loss!r}")
        self.objective = loss
        self.log_means(["loss", *(loss.names if isinstance(loss, WeightedSum) else ()), *also])

    def batch_loss(self, batch: Any, training: bool) -> dict[str, tf.Tensor]:
        """Give the loss of a batch (items, identities), and its parts if it has some."""
        items, labels, _ = keras.utils.unpack_x_y_sample_weight(batch)
        if labels is None:
            raise ValueError("a batch must be (items, identities); it has no identities")
        return self.objective_values(self(items, training=training), labels)

    def objective_values(self, embeddings: tf.Tensor, labels: tf.Tensor) -> dict[str, tf.Tensor]:
        """Give the loss of embeddings [n, d] with identities [n] under `loss`, and its parts by name."""
        if not isinstance(self.objective, WeightedSum):
            return {"loss": self.objective(embeddings, labels)}
        values = self.objective.values(embeddings, labels)
        return dict(zip(self.objective.names, values, strict=True)) | {"loss": self.objective.total(values)}
