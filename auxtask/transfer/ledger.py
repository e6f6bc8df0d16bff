"""The ledger: proof, phase by phase, that what was frozen did not move."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from auxtask.framework import tf
from auxtask.transfer.freezing import in_inference_mode
from auxtask.transfer.graph import own_variables
from auxtask.transfer.groups import layer_groups, layers_of

_MAX_NAMED = 20


@dataclass(frozen=True)
class _Entry:
    """One weight as it was: `fixed` means that it may not move in this phase."""

    group: str
    name: str
    size: int
    digest: str
    fixed: bool


class Ledger:
    """Hashes every weight and BatchNorm statistic before and after each phase.

    Call `snapshot` before a phase and `check` after it. `rows` then holds one dict per phase and
    group with keys `phase`, `group`, `frozen` (every layer of the group was frozen), `parameters`,
    `hash_before`, `hash_after` and `changed`. `print(ledger)` shows a table.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._before: list[_Entry] | None = None
        self._frozen: dict[str, bool] = {}

    def snapshot(self, model: Any) -> None:
        """Hash the model's weights as they are, and note which of them are frozen now."""
        self._before = _entries(model)
        self._frozen = {g.name: g.trainable is False for g in layer_groups(model)}

    def check(self, model: Any, phase: str) -> None:
        """Compare with the last snapshot, and add a row for each group.

        Raises
        ------
        ValueError
            If there is no snapshot, or if a frozen weight or a BatchNorm statistic that should have
            been kept has moved; the message names each. The rows are added all the same.
        """
        if self._before is None:
            raise ValueError("the ledger has no snapshot to compare with; call snapshot(model) first")
        before, self._before = self._before, None
        after = _entries(model)
        if [(old.group, old.name) for old in before] != [(new.group, new.name) for new in after]:
            raise ValueError(f"phase {phase!r}: the model's layers changed since the snapshot")
        for group, frozen in self._frozen.items():
            old = [entry for entry in before if entry.group == group]
            hashes = [_combine(old), _combine([e for e in after if e.group == group])]
            self.rows.append(
                {
                    "phase": phase,
                    "group": group,
                    "frozen": frozen,
                    "parameters": sum(entry.size for entry in old),
                    "hash_before": hashes[0],
                    "hash_after": hashes[1],
                    "changed": hashes[0] != hashes[1],
                }
            )
        pairs = zip(before, after, strict=True)
        moved = [old.name for old, new in pairs if old.fixed and old.digest != new.digest]
        if moved:
            more = f" and {len(moved) - _MAX_NAMED} more" if len(moved) > _MAX_NAMED else ""
            raise ValueError(
                f"phase {phase!r} moved {len(moved)} frozen weights: {', '.join(moved[:_MAX_NAMED])}{more}"
            )

    def save(self, path: str | Path) -> None:
        """Write the rows as JSON; the file appears whole or not at all."""
        path = Path(path)
        partial = path.with_name(f".unfinished-{path.name}")
        partial.write_text(json.dumps(self.rows, indent=1) + "\n", encoding="utf-8")
        os.replace(partial, path)

    def __str__(self) -> str:
        head = ("phase", "group", "frozen", "parameters", "before", "after", "changed")
        lines = [head] + [
            (
                row["phase"],
                row["group"],
                "frozen" if row["frozen"] else "",
                f"{row['parameters']:,}",
                row["hash_before"][:8],
                row["hash_after"][:8],
                "changed" if row["changed"] else "same",
            )
            for row in self.rows
        ]
        widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if i == 3 else cell.ljust(width)
                for i, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        )


def weights_fingerprint(model: Any) -> str:
    """Give 32 hex digits that change with any weight of a model, or their order."""
    return hashlib.blake2b("".join(map(_digest, model.get_weights())).encode(), digest_size=16).hexdigest()


def _entries(model: Any) -> list[_Entry]:
    trained = {id(variable) for variable in model.trainable_weights}
    entries = []
    for group in layer_groups(model):
        for path, layer in zip(group.layers, layers_of(model, group.name), strict=True):
            seen: set[int] = set()
            for part in layer._flatten_layers():
                # Statistics (declared not trainable) move only in a layer that is thawed and in
                # training mode.
                live = part.trainable and not in_inference_mode(part)
                trainable, others = own_variables(part)
                for variable in [*trainable, *others]:
                    if id(variable) in seen:
                        continue
                    seen.add(id(variable))
                    # Of a variable that a thawed layer trains too, this (frozen) layer says that it must not move.
                    moves = (part.trainable and id(variable) in trained) or (live and not variable.trainable)
                    name = f"{path}/{variable.name.split('/')[-1].removesuffix(':0')}"
                    digest = _digest(variable.numpy())
                    entries.append(_Entry(group.name, name, int(tf.size(variable)), digest, not moves))
    return entries


def _digest(value: np.ndarray) -> str:
    described = f"{value.dtype.str}{value.shape}".encode()
    return hashlib.blake2b(described + value.tobytes(), digest_size=16).hexdigest()


def _combine(entries: list[_Entry]) -> str:
    return hashlib.blake2b("".join(e.digest for e in entries).encode(), digest_size=16).hexdigest()
