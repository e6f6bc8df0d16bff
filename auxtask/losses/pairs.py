"""All pairs of a batch from one matrix product: what every pair loss stands on."""

from __future__ import annotations

from typing import Any

from auxtask.framework import tf


def checked_batch(embeddings: Any, labels: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """Check what reaches a loss and bring the embeddings to unit length.

    The losses work on cosines, so the scale of an embedding carries no meaning. Unit length is
    enforced here as well as in the task: a loss that is called alone must not depend on it.

    Parameters
    ----------
    embeddings : float [n, d]
    labels : int [n]
        Identities; equal means the same.

    Returns
    -------
    embeddings : float32 [n, d], unit length
    labels : int32 or int64 [n]

    Raises
    ------
    ValueError
        Ranks or lengths do not fit, or the labels are not whole numbers. Lengths unknown while
        tracing are left to TensorFlow.
    """
    embeddings, labels = tf.convert_to_tensor(embeddings), tf.convert_to_tensor(labels)
    if embeddings.shape.rank != 2 or labels.shape.rank != 1:
        raise ValueError(f"embeddings must be [n, d] and labels [n], not {embeddings.shape} and {labels.shape}")
    if not embeddings.shape[:1].is_compatible_with(labels.shape):
        raise ValueError(f"{embeddings.shape[0]} embeddings but {labels.shape[0]} labels")
    if not embeddings.dtype.is_floating:
        raise ValueError(f"embeddings must be floating point, not {embeddings.dtype.name}")
    if not labels.dtype.is_integer:
        raise ValueError(f"labels must be whole numbers, not {labels.dtype.name}")
    return tf.math.l2_normalize(tf.cast(embeddings, tf.float32), axis=1), labels


def similarities(unit: tf.Tensor) -> tf.Tensor:
    """Give the cosine of every pair: float32 [n, n] from unit rows [n, d]."""
    return tf.matmul(unit, unit, transpose_b=True)


def pair_masks(labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Give the genuine pairs and the impostor pairs.

    Returns
    -------
    same, different : float32 [n, n] of zeros and ones
        The diagonal, an item with itself, is in neither. Every pair is there twice.
    """
    equal = labels[:, None] == labels[None, :]
    itself = tf.eye(tf.shape(labels)[0], dtype=tf.bool)
    return tf.cast(equal & ~itself, tf.float32), tf.cast(~equal, tf.float32)


def balanced_mean(values: tf.Tensor, same: tf.Tensor, different: tf.Tensor) -> tf.Tensor:
    """Average pair losses [n, n] so that genuine and impostor pairs weigh the same.

    In a batch of 96 people x 2 photos one pair in 200 is genuine; a plain mean would be won by
    "never the same". A kind without pairs adds nothing: no division by zero.
    """
    genuine = tf.math.divide_no_nan(tf.reduce_sum(values * same), tf.reduce_sum(same))
    impostor = tf.math.divide_no_nan(tf.reduce_sum(values * different), tf.reduce_sum(different))
    return (genuine + impostor) / 2
