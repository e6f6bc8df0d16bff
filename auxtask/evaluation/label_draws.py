"""Which examples get a label: nested in the budget, balanced over classes, by one rule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["draw_labels", "draw_seed"]


def draw_seed(seed: int, draw: int) -> int:
    """Give the seed of one draw, 31 bits, from the comparison's seed and the draw's number."""
    return int(np.random.SeedSequence([seed, draw]).generate_state(1)[0] >> 1)


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
