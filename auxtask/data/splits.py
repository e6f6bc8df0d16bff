"""Which photos may be learned from and which are kept for testing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def draw_seed(seed: int, *draw: int) -> int:
    """Give the seed of one draw, 31 bits, from the comparison's seed and the draw's number, or those of its items."""
    return int(np.random.SeedSequence([seed, *draw]).generate_state(1)[0] >> 1)


def draw_labels(
    labels: np.ndarray,
    names: Sequence[str],
    budget: int,
    seed: int,
    per_class: bool = True,
    unit: str = "examples",
) -> np.ndarray:
    """Draw balanced examples so that, with one seed, a smaller budget is contained in a larger.

    Each class is shuffled, then dealt in rounds: every class gives one example per round, in an
    order of its own. A budget per class takes that many whole rounds; a total budget ends within
    a round, so that classes differ by one example at most.

    Parameters
    ----------
    labels : int [n]
        Indices into `names`.
    names : sequence of str
        All classes; each is drawn from.
    budget : int
        Examples of each class or, if not `per_class`, of all classes together.
    seed : int
        See `draw_seed`.
    per_class : bool
        See `budget`.
    unit : str
        What the budget counts, for the message.

    Returns
    -------
    int64 [budget * num_classes] or int64 [budget]
        Indices into `labels`; those of a smaller budget come first.

    Raises
    ------
    ValueError
        A class has too few examples: names it, how many it has and how many are needed.
    """
    generator = np.random.default_rng([seed, 0])
    num_classes = len(names)
    num_rounds = budget if per_class else -(-budget // num_classes)
    total = budget * num_classes if per_class else budget
    shuffled = [generator.permutation(np.flatnonzero(labels == label)) for label in range(num_classes)]
    # A stream for the rounds alone, so that their order does not depend on the classes' sizes.
    rounds = np.random.default_rng([seed, 1])
    turns = [(label, turn) for turn in range(num_rounds) for label in rounds.permutation(num_classes)]
    turns = turns[:total]
    needed = np.bincount([label for label, _ in turns], minlength=num_classes)
    short = [label for label in range(num_classes) if len(shuffled[label]) < needed[label]]
    if short:
        listed = ", ".join(f"{names[i]} has {len(shuffled[i])} of {needed[i]} needed" for i in short[:3])
        more = f" (and {len(short) - 3} more)" if len(short) > 3 else ""
        raise ValueError(f"a budget of {budget} {unit} is more than the pool holds: {listed}{more}")
    return np.array([shuffled[label][turn] for label, turn in turns], np.int64)


def first_items(labels: np.ndarray, names: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """Give the first item of each wanted class: int [num_wanted], indices into `labels`."""
    return np.array([int((labels == names.index(name)).argmax()) for name in wanted], np.int64)


def has_both_pairs(labels: np.ndarray) -> bool:
    """Say whether some two of these items share a label and some two do not: what verification compares."""
    counts = np.unique(labels, return_counts=True)[1]
    return len(counts) > 1 and bool((counts > 1).any())


def fixed_test_half(
    labels: np.ndarray,
    seed: int,
    fraction: float = 0.5,
    max_pool: int | None = None,
    min_test: int = 3,
    names: Sequence[str] | None = None,
    kind: str = "person",
) -> tuple[np.ndarray, np.ndarray]:
    """Set test examples aside, per label and before anything is drawn from the rest.

    Parameters
    ----------
    labels
        int [n]
    seed
        other seeds give other halves
    fraction
        share of each label's examples that is tested (rounded down, at least one)
    max_pool
        if given, `fraction` is not used: each label's pool is at most this large and leaves
        at least `min_test` for the test; everything else is test
    min_test
        see `max_pool`
    names
        what each label is called, for the message
    kind
        what a label is, for the message

    Returns
    -------
    pool, test : sorted int64 indices into `labels`, disjoint, together all of them

    Raises
    ------
    ValueError
        if a label would be left without a pool or without a test example
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction={fraction}: must lie between 0 and 1")
    order, starts, counts = _shuffled_by_label(labels, seed)
    if max_pool is None:
        num_test = np.maximum(np.floor(counts * fraction).astype(np.int64), 1)
    else:
        num_test = counts - np.minimum(max_pool, counts - min_test)
    if (num_test >= counts).any():
        short = np.flatnonzero(num_test >= counts)
        listed = _listing(np.unique(labels)[short], counts[short], names)
        needed = 2 if max_pool is None else min_test + 1
        raise ValueError(
            f"each {kind} needs {needed} photos to learn from and to test, but {listed} (add some, or leave it out)"
        )
    position = np.arange(len(order)) - np.repeat(starts, counts)
    tested = position < np.repeat(num_test, counts)
    return np.sort(order[~tested]), np.sort(order[tested])


def _shuffled_by_label(labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give all indices, label by label and in random order within, and where each label starts."""
    labels = np.asarray(labels)
    keys = np.random.default_rng(seed).random(len(labels))
    order = np.lexsort((keys, labels))
    _, starts, counts = np.unique(labels[order], return_index=True, return_counts=True)
    return order, starts, counts


def _listing(labels: np.ndarray, counts: np.ndarray, names: Sequence[str] | None) -> str:
    shown = 5
    called = [str(names[i]) if names is not None else f"label {i}" for i in labels[:shown]]
    listed = ", ".join(f"{name} has {count}" for name, count in zip(called, counts, strict=False))
    return listed + (f" and {len(labels) - shown} more have too few" if len(labels) > shown else "")
