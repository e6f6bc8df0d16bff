"""Checks of a comparison's arguments."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from numbers import Integral

__all__ = ["check_share", "checked_budgets", "refuse_unknown", "whole_number"]


def refuse_unknown(what: str, names: Iterable[object], valid: Iterable[object]) -> None:
    """Raise a ValueError for the first name that is not valid, with those that are."""
    valid = list(valid)
    for name in names:
        if name not in valid:
            close = difflib.get_close_matches(str(name), [str(v) for v in valid], 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"there is no {what} {name!r} among {', '.join(map(str, valid))}{hint}")


def check_share(name: str, value: float) -> None:
    """Raise a ValueError unless the value lies between 0 and 1, neither included."""
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie between 0 and 1, not {value}")


def whole_number(what: str, value: object) -> int:
    """Give the value as int if it is a whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{what} must be a whole number of at least 1, not {value!r}")
    return int(value)


def checked_budgets(budgets: Sequence[int]) -> tuple[int, ...]:
    """Give the budgets from the smallest to the largest."""
    checked = sorted(whole_number("a budget", budget) for budget in budgets)
    if not checked or len(set(checked)) < len(checked):
        raise ValueError(f"budgets must be different and at least one, not {list(budgets)}")
    return tuple(checked)
