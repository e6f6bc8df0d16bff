"""Nobody whom the target task is tested on may have been seen in pretraining unnoticed."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from auxtask.data.faces import FaceData
from auxtask.data.photo_sources import some


def refuse_overlap(auxiliary: FaceData | Iterable[str], target: FaceData, allow: bool = False) -> list[str]:
    """Check that no target person, and no target photo under another name, is in both data sets.

    Parameters
    ----------
    auxiliary
        what was or will be pretrained on; or only the names of those people (an earlier
        run's record), in which case photos cannot be compared
    target
        the people to be recognised
    allow
        return the overlap, to be recorded, instead of refusing it

    Returns
    -------
    the target's names of the people in both, sorted; empty if there are none. Names are compared
    without regard to case, and with `_` and `-` as spaces

    Raises
    ------
    ValueError
        naming the people, unless `allow`
    """
    if isinstance(auxiliary, FaceData):
        names = _photographed(auxiliary)
        seen = {
            digest: auxiliary.people[label] for digest, label in zip(auxiliary.digests, auxiliary.labels, strict=True)
        }
    else:
        names, seen = set(auxiliary), {}
    known = {_plain(name) for name in names}
    both = {name for name in _photographed(target) if _plain(name) in known}
    renamed: dict[str, str] = {}
    for digest, label in zip(target.digests, target.labels, strict=True):
        name = target.people[label]
        if digest in seen and name not in both:
            renamed[name] = seen[digest]
    overlap = sorted(both | set(renamed))
    if overlap and not allow:
        described = [
            f"{name} (the same photo is there as {renamed[name]})" if name in renamed else name for name in overlap
        ]
        raise ValueError(
            f"{len(overlap)} of the target people are also in the auxiliary data: "
            f"{some(described, 5)}; leave them out there, or set allow_overlap=true"
        )
    return overlap


def _photographed(data: FaceData) -> set[str]:
    return {name for name, count in zip(data.people, data.counts, strict=True) if count}


def _plain(name: str) -> str:
    spaced = unicodedata.normalize("NFKC", name).replace("_", " ").replace("-", " ")
    return " ".join(spaced.casefold().split())
