"""At how many labels arms are compared: what was asked for, checked, or what is usual and can be had."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["label_budgets"]

MORE = 1.5  # times the largest usual number: then all that there is is worth a budget of its own


def label_budgets(
    asked: Sequence[int],
    usual: Sequence[int],
    counts: np.ndarray | Sequence[int],
    names: Sequence[str],
    *,
    per_class: bool = False,
    least: int = 1,
    option: str = "labels",
    drop: bool = False,
) -> tuple[int, ...]:
    """Give the numbers of labels at which arms are compared, the smallest first.

    Parameters
    ----------
    asked : sequence of int
        What the user wants; all of it must be possible (but see `drop`). Empty: `usual`.
    usual : sequence of int
        Of these the ones that are possible, and, where a larger one is not, the most labels that can be had, if that is
        half as many again or more.
    counts : sequence of int [num_classes]
        Items of each class that labels may be drawn from, all classes in equal numbers.
    names : sequence of str [num_classes]
    per_class : bool
        Whether budgets count labels of each class, not of all classes together.
    least : int
        The fewest labels of a class with which the arms work.
    option : str
        What the setting is called, for errors.
    drop : bool
        Leave out what is beyond the items, unless all of it is: they stand in for data that the user did not choose.

    Raises
    ------
    ValueError
        More are asked for than there are, naming the rarest class; fewer than `least` of each; or not even those exist.
    """
    rarest = min(range(len(names)), key=lambda label: counts[label])
    has = f"of the rarest class, {names[rarest]}, there are {counts[rarest]} to learn from"
    if counts[rarest] < least:
        raise ValueError(f"at least {least} of each class must be labelled, but {has}")
    each = 1 if per_class else len(names)
    fewest, most = least * each, int(counts[rarest]) * each
    if drop:
        asked = [budget for budget in asked if budget <= most] or asked
    for budget in asked:
        if budget > most:
            raise ValueError(f"{option}={budget}: at most {most} can be drawn in equal numbers, since {has}")
        if budget < fewest:
            raise ValueError(f"{option}={budget}: too few for {len(names)} classes, of which at least {least} of each "
                             f"are needed: {fewest} or more")  # fmt: skip
    if asked:
        return tuple(sorted(asked))
    possible = [budget for budget in usual if fewest <= budget <= most]
    falls_short = max(usual) > most and most >= MORE * max(possible, default=0)
    return (*possible, most) if falls_short or not possible else tuple(possible)
