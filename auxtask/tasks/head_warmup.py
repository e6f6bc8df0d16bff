"""Warming up a fresh head: the encoder is frozen meanwhile, and proven not to have moved."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from auxtask.framework import keras
from auxtask.training.budget import parse_budget
from auxtask.transfer.freezing import freeze, frozen_groups, unfreeze
from auxtask.transfer.groups import layer_groups
from auxtask.transfer.ledger import Ledger

Rest = Callable[[Sequence[dict[str, float]], Sequence[float]], tuple[str, list[float]]]


def check_head_warmup(head_warmup: float | int) -> None:
    """Raise ValueError unless it is a share of the budget, or a whole number of steps."""
    share = isinstance(head_warmup, float) and 0 <= head_warmup < 1
    steps = isinstance(head_warmup, int) and not isinstance(head_warmup, bool) and head_warmup >= 0
    if not (share or steps):
        raise ValueError(f"head_warmup={head_warmup}: must be a share of the budget in [0, 1), or a number of steps")


def refuse_early_shares(budget: str, head_warmup: float | int, shares: Sequence[float]) -> None:
    """Raise ValueError if held-out text were to be judged only while the head alone learns, which nothing does.

    Parameters
    ----------
    budget, head_warmup
        As `split_off`. Of steps in a budget of time nobody knows how long they take.
    shares : sequence of float
        Of the budget.
    """
    spec = parse_budget(budget)
    if isinstance(head_warmup, int) and spec.kind == "seconds":
        return
    border = head_warmup / spec.amount if isinstance(head_warmup, int) else head_warmup
    if head_warmup and max(shares, default=1.0) <= border:
        raise ValueError(
            f"validate_at={max(shares):g}: only the head learns in the first {border:g} of the budget; give later "
            "shares, or a shorter head_warmup"
        )


def split_off(budget: str, head_warmup: float | int) -> tuple[str | None, Rest]:
    """Split a budget in two: the head's, and what is left for all.

    Parameters
    ----------
    budget : str
        In steps or seconds.
    head_warmup : float or int
        Share of it, or steps.

    Returns
    -------
    first : str or None
        The head's; None if there is none.
    rest : callable (rows of the first, shares of the whole budget) -> (budget, shares of it)
        To be asked when the first is used up: what is left, and which of the shares fall into it.

    Raises
    ------
    ValueError
        Nothing would be left.
    """
    spec = parse_budget(budget)
    timed = spec.kind == "seconds"
    in_steps = not timed or isinstance(head_warmup, int)
    amount = head_warmup if isinstance(head_warmup, int) else head_warmup * spec.amount
    if not (round(amount) if in_steps else amount):
        return None, lambda rows, shares: (budget, list(shares))
    if not timed and round(amount) >= spec.amount:
        raise ValueError(f"head_warmup={head_warmup}: the whole budget has {spec.amount:.0f} steps")
    began = time.monotonic()

    def rest(rows: Sequence[dict[str, float]], shares: Sequence[float]) -> tuple[str, list[float]]:
        used = time.monotonic() - began if timed else rows[-1]["step"]
        left = spec.amount - used
        if left <= 0:
            raise ValueError(f"head_warmup={head_warmup} took the whole budget of {spec.amount:g} seconds")
        kept = [(share * spec.amount - used) / left for share in shares if share * spec.amount > used]
        # Steps of the head may have taken longer than all shares: then what comes of it is judged at the end.
        return (f"{left:.9f}s" if timed else f"{round(left)}steps"), kept or [1.0]

    return (f"{round(amount)}steps" if in_steps else f"{amount:.9f}s"), rest


@contextmanager
def frozen_encoder(encoder: keras.Model) -> Iterator[list[dict[str, Any]]]:
    """Freeze an encoder inside the block; what was frozen before stays so afterwards.

    Yields
    ------
    list of dict
        Empty, until the block ends: then the ledger's rows.

    Raises
    ------
    ValueError
        A weight of it moved.
    """
    before = frozen_groups(encoder)
    thawed = [name for name in layer_groups(encoder).names if name not in before]
    rows: list[dict[str, Any]] = []
    ledger = Ledger()
    freeze(encoder)
    ledger.snapshot(encoder)
    try:
        yield rows
        ledger.check(encoder, "head_warmup")
        rows += ledger.rows
    finally:
        if thawed:
            unfreeze(encoder, last=thawed[0])
