"""Softmax over identities with a margin: CosFace and ArcFace."""

from __future__ import annotations

import difflib
import math
from typing import Any

from auxtask.framework import keras, tf
from auxtask.losses.pairs import checked_batch

KINDS = ("cosface", "arcface")


@keras.saving.register_keras_serializable(package="auxtask")
class MarginSoftmax(keras.layers.Layer):
    """Classify identities by the cosine to a learned prototype, the own one handicapped.

    The logit of class c is `scale * cos(embedding, prototype_c)`; for the own class the cosine
    is replaced by `cos - margin` (CosFace: Wang et al., "CosFace: Large Margin Cosine Loss for
    Deep Face Recognition", 2018) or `cos(angle + margin)` (ArcFace: Deng et al., "ArcFace:
    Additive Angular Margin Loss for Deep Face Recognition", 2019).

    Parameters
    ----------
    num_classes : int
        Labels in [0, num_classes) are classes. Items with any other label are ignored: people
        with one photo have no class of their own worth learning.
    dimension : int
        Of the embeddings.
    margin : float
        In cosine (CosFace, below 1) or radians (ArcFace, below pi / 2); at least 0.
    scale : float
        Above 0.
    kind : {"cosface", "arcface"}
    num_centres : int
        Prototypes per class, of which the nearest counts. Source: Deng et al., "Sub-center
        ArcFace" (2020).
    seed : int, optional
        Of the prototypes' start values.

    Notes
    -----
    `loss(embeddings float [n, d], labels int [n]) -> float32 scalar`: the mean over the items
    that have a class, 0 if none has.
    """

    def __init__(
        self,
        num_classes: int,
        dimension: int,
        margin: float = 0.25,
        scale: float = 20.0,
        kind: str = "cosface",
        num_centres: int = 1,
        seed: int | None = None,
        name: str | None = "margin_softmax",
    ) -> None:
        _check_kind(kind, margin)
        for argument, value in (
            ("num_classes", num_classes),
            ("dimension", dimension),
            ("num_centres", num_centres),
        ):
            if value < 1:
                raise ValueError(f"{argument} must be at least 1, not {value}")
        if not scale > 0:
            raise ValueError(f"scale must be above 0, not {scale}")
        super().__init__(name=name, dtype="float32")
        self.num_classes, self.dimension, self.num_centres = num_classes, dimension, num_centres
        self.margin, self.scale, self.kind, self.seed = float(margin), float(scale), kind, seed
        self.prototypes = self.add_weight(
            name="prototypes",
            shape=(num_classes * num_centres, dimension),
            initializer=keras.initializers.RandomNormal(stddev=0.05, seed=seed),
        )

    def call(self, embeddings: Any, labels: Any) -> tf.Tensor:
        """Give the loss of a batch."""
        unit, labels = checked_batch(embeddings, labels)
        if unit.shape[1] != self.dimension:
            raise ValueError(f"embeddings have {unit.shape[1]} columns, expected {self.dimension}")
        # Static shapes: items without a class stay in the batch with weight 0.
        has_class = (labels >= 0) & (labels < self.num_classes)
        safe = tf.where(has_class, labels, tf.zeros_like(labels))
        cosines = self.cosines(unit)
        own = tf.one_hot(safe, self.num_classes)
        target = tf.reduce_sum(cosines * own, axis=1, keepdims=True)
        logits = self.scale * (cosines + own * (self._handicapped(target) - target))
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=safe, logits=logits)
        weights = tf.cast(has_class, tf.float32)
        return tf.math.divide_no_nan(tf.reduce_sum(losses * weights), tf.reduce_sum(weights))

    def cosines(self, unit: tf.Tensor) -> tf.Tensor:
        """Give the cosine to each class: float32 [n, num_classes] from unit rows [n, d]."""
        prototypes = tf.math.l2_normalize(self.prototypes, axis=1)
        cosines = tf.matmul(unit, prototypes, transpose_b=True)
        if self.num_centres == 1:
            return cosines
        return tf.reduce_max(tf.reshape(cosines, [-1, self.num_classes, self.num_centres]), axis=2)

    def _handicapped(self, cosine: tf.Tensor) -> tf.Tensor:
        if self.kind == "cosface":
            return cosine - self.margin
        # cos(a + m) = cos a cos m - sin a sin m needs no acos, whose slope is infinite at +-1;
        # the floor keeps the root's slope finite there too.
        sine = tf.sqrt(tf.maximum(1.0 - tf.square(cosine), 1e-6))
        shifted = cosine * math.cos(self.margin) - sine * math.sin(self.margin)
        # Beyond a + m = pi the cosine would rise again and reward getting worse. This goes on
        # falling from the same value, where the paper's code (cos a - m sin m) makes a jump.
        straight = cosine - (1.0 - math.cos(self.margin))
        return tf.where(cosine > math.cos(math.pi - self.margin), shifted, straight)

    def get_config(self) -> dict[str, Any]:
        """Give the arguments that make this loss again."""
        names = ("num_classes", "dimension", "margin", "scale", "kind", "num_centres", "seed")
        return {name: getattr(self, name) for name in names} | {"name": self.name}


def _check_kind(kind: str, margin: float) -> None:
    if kind not in KINDS:
        closest = difflib.get_close_matches(str(kind), KINDS, n=1, cutoff=0.0)[0]
        raise ValueError(f"kind {kind!r} is none of {', '.join(KINDS)}; closest: {closest}")
    limit = 1.0 if kind == "cosface" else math.pi / 2
    if not 0 <= margin < limit:
        raise ValueError(f"margin of {kind} must be in [0, {limit:.3g}), not {margin}")
