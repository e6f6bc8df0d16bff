"""Batches of P people x K photos, from which all pairs come by one matrix product."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from auxtask.framework import tf

# How many batches are planned at a time: numpy works on whole blocks, Python wakes up seldom.
_BLOCK = 32


def identity_batches(
    labels: np.ndarray,
    load: Callable[[tf.Tensor], Any],
    people: int = 96,
    photos: int = 2,
    singles: int = 48,
    seed: int = 0,
    augment: Callable[[Any, tf.Tensor], Any] | None = None,
) -> tf.data.Dataset:
    """Make endless batches for learning "same identity or not?".

    A batch holds `photos` items of each of `people` identities that have two or more, then one
    item of each of `singles` identities that have one only: negatives for everybody. Any
    `num_identities` consecutive visits (one epoch) meet each identity with two or more items
    exactly once; no identity stands twice in a batch.

    Parameters
    ----------
    labels
        int [n], identity of each item
    load
        indices (int64 [batch] tensor) -> items; called inside `tf.data`, in parallel
    people, photos, singles
        make the batch; fewer people and singles if there are not as many.
        Of an identity with fewer than `photos` items, all are taken and some repeated
    seed
        the same seed gives the same batches, augmentation included
    augment
        (items, seed: int32 [2] tensor) -> items, applied inside `tf.data`; the seed differs
        from batch to batch

    Returns
    -------
    endless tf.data.Dataset of (items, labels int32 [batch]), batch of static size
    people * photos + singles

    Raises
    ------
    ValueError
        if no identity has two items, or a count is senseless
    """
    plan = _Plan(np.asarray(labels), people, photos, singles)

    def blocks() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        random = np.random.default_rng(seed)
        yield from plan.blocks(random)

    batch = plan.batch_size
    signature = (
        tf.TensorSpec((_BLOCK, batch), tf.int64),
        tf.TensorSpec((_BLOCK, batch), tf.int32),
        tf.TensorSpec((_BLOCK, 2), tf.int32),
    )

    def make(indices: tf.Tensor, identity: tf.Tensor, item_seed: tf.Tensor) -> tuple[Any, Any]:
        items = load(indices)
        return (items if augment is None else augment(items, item_seed)), identity

    batches = tf.data.Dataset.from_generator(blocks, output_signature=signature).unbatch()
    batches = batches.map(make, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return batches.prefetch(2)


def num_batches_per_epoch(labels: np.ndarray, people: int = 96) -> int:
    """Count the batches after which every identity with two or more items was met.

    Raises
    ------
    ValueError
        if there is no such identity
    """
    num_identities = len(_with_pairs(np.asarray(labels))[0])
    return -(-num_identities // min(people, num_identities))


def batch_size(labels: np.ndarray, people: int = 96, photos: int = 2, singles: int = 48) -> int:
    """Count the items of each batch that `identity_batches` makes with these arguments."""
    return _Plan(np.asarray(labels), people, photos, singles).batch_size


class _Plan:
    """Which items stand in which batch."""

    def __init__(self, labels: np.ndarray, people: int, photos: int, singles: int) -> None:
        if people < 2 or photos < 2 or singles < 0:
            raise ValueError(
                f"people={people}, photos={photos}, singles={singles}: "
                "a batch needs at least 2 people with 2 photos each, and singles >= 0"
            )
        self._identities, single = _with_pairs(labels)
        self._labels = labels.astype(np.int32)
        self._order = np.argsort(labels, kind="stable")
        counts = np.bincount(labels)
        self._counts, self._starts = counts, np.cumsum(counts) - counts
        self._singles = self._order[self._starts[single]]
        self._people = min(people, len(self._identities))
        self._photos = photos
        self._num_singles = min(singles, len(self._singles))
        self.batch_size = self._people * photos + self._num_singles

    def blocks(self, random: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield (indices [block, batch], labels [block, batch], seeds [block, 2]) for ever."""
        people = _rounds(self._identities, self._people, random)
        singles = _rounds(self._singles, self._num_singles, random)
        while True:
            visited = np.stack([next(people) for _ in range(_BLOCK)])
            single = np.stack([next(singles) for _ in range(_BLOCK)])
            items = self._order[self._starts[visited][..., None] + self._pick(visited, random)]
            indices = np.concatenate([items.reshape(_BLOCK, -1), single], axis=1)
            seeds = random.integers(0, 2**31 - 1, (_BLOCK, 2), np.int32)
            yield indices, self._labels[indices], seeds

    def _pick(self, visited: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Choose items of each visited identity without repetition, as far as there are enough."""
        counts = self._counts[visited]
        picked = np.empty((*visited.shape, self._photos), np.int64)
        for k in range(self._photos):
            # The k-th draw is among the count - k items not yet taken; stepping over the taken
            # ones, smallest first, turns its rank into an item. Exact, and costs k^2, not count.
            left = counts - k
            draw = (random.random(visited.shape) * np.maximum(left, 1)).astype(np.int64)
            taken = np.sort(picked[..., :k], axis=-1)
            for j in range(k):
                draw += draw >= taken[..., j]
            if k:
                again = np.take_along_axis(picked[..., :k], (k % counts)[..., None] % k, axis=-1)
                draw = np.where(left > 0, draw, again[..., 0])
            picked[..., k] = draw
        return picked


def _with_pairs(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the identities with two or more items, and those with one."""
    if labels.ndim != 1 or not len(labels) or labels.min() < 0:
        raise ValueError("labels must be a non-empty list of whole numbers from 0 on")
    counts = np.bincount(labels)
    several, one = np.flatnonzero(counts > 1), np.flatnonzero(counts == 1)
    if not len(several):
        raise ValueError(
            f"no positive pair: each of the {len(one)} people has one photo only, "
            "and 'same or not?' can only be learned from people with two or more"
        )
    return several, one


def _rounds(members: np.ndarray, size: int, random: np.random.Generator) -> Iterator[np.ndarray]:
    """Cut endless shuffled rounds of the members into pieces without repetition."""
    queue = members[:0]
    while True:
        if len(queue) < size:
            again = random.permutation(members)
            # Those that the piece at the border already holds wait until it is full.
            waits = np.isin(again, queue)
            fresh, waiting = again[~waits], again[waits]
            cut = size - len(queue)
            later = random.permutation(np.concatenate([fresh[cut:], waiting]))
            queue = np.concatenate([queue, fresh[:cut], later])
        yield queue[:size]
        queue = queue[size:]
