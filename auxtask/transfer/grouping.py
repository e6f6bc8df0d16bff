"""From a grouping (names and layer paths) to borders in the graph, with every way it can be wrong checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from auxtask.transfer.crossings import Crossing, crossings
from auxtask.transfer.graph import (
    Call,
    Graph,
    behaves_differently_in_training,
    closest,
    is_searchable,
    read_graph,
)
from auxtask.transfer.stages import default_borders

HEAD = "head"
_ATTRIBUTE = "_auxtask_groups"

# A group: its name, the calls of the layers it adds, and the crossing where it ends (None: the
# model's end).
Segment = tuple[str, list[Call], Crossing | None]


def keep_groups(model: Any, grouping: Mapping[str, Sequence[str]]) -> None:
    """Store a grouping that is known to fit (checked again whenever it is read)."""
    # object's own setattr: Keras would wrap and track the value as part of the model.
    object.__setattr__(model, _ATTRIBUTE, tuple((name, tuple(paths)) for name, paths in grouping.items()))


def kept_groups(model: Any) -> dict[str, tuple[str, ...]] | None:
    """The grouping stored on the model, or None."""
    stored = getattr(model, _ATTRIBUTE, None)
    return None if stored is None else dict(stored)


def segments(model: Any, grouping: Mapping[str, Sequence[str]] | None = None) -> tuple[Graph, list[Segment]]:
    """The model's graph and its groups; a layer called several times counts with its first call.

    Without `grouping`, the one kept on the model, else the default.
    """
    graph = read_graph(model)
    borders = group_borders(graph)
    grouping = kept_groups(model) if grouping is None else grouping
    if grouping is None:
        ends, has_head = default_borders(graph, borders)
        names = [f"block{i + 1}" for i in range(len(ends) + 1 - has_head)] + [HEAD] * has_head
    else:
        names, ends = list(grouping), _borders_of(graph, borders, grouping)
    whole = frozenset(call.index for call in graph.calls if not call.is_input)
    befores = [frozenset[int](), *(end.before for end in ends), whole]
    found: list[Segment] = []
    seen: set[int] = set()
    for i, name in enumerate(names):
        calls = []
        for index in sorted(befores[i + 1] - befores[i]):
            call = graph.calls[index]
            if id(call.layer) not in seen:
                seen.add(id(call.layer))
                calls.append(call)
        found.append((name, calls, ends[i] if i < len(ends) else None))
    return graph, found


def leaves_of_calls(calls: Iterable[Call]) -> dict[str, Any]:
    """The leaf layers by path, in order; a model that stays one call (called several times) gives its own leaves."""
    found: dict[str, Any] = {}
    for call in calls:
        if not call.is_input:
            found.update(_leaves(call.path, call.layer))
    return found


def _leaves(path: str, layer: Any) -> dict[str, Any]:
    if not is_searchable(layer):
        return {path: layer}
    inner = leaves_of_calls(read_graph(layer).calls)
    return {f"{path}/{name}": leaf for name, leaf in inner.items()}


def group_borders(graph: Graph) -> list[Crossing]:
    """The crossings where a group may end: no layer with weights or behaviour is called on both sides."""
    calls_of: dict[int, set[int]] = {}
    for call in graph.calls:
        if not call.is_input and _must_be_named(call.layer):
            calls_of.setdefault(id(call.layer), set()).add(call.index)
    shared = [indices for indices in calls_of.values() if len(indices) > 1]
    return [c for c in crossings(graph) if all(s <= c.before or s.isdisjoint(c.before) for s in shared)]


def _must_be_named(layer: Any) -> bool:
    return bool(layer.weights) or behaves_differently_in_training(layer)


def _borders_of(graph: Graph, borders: list[Crossing], grouping: Mapping[str, Sequence[str]]) -> list[Crossing]:
    """The end of every group of `grouping` but the last."""
    _check_names(list(grouping))
    calls_by_group = _resolve(graph, grouping)
    named = frozenset[int]().union(*calls_by_group.values())
    reached = frozenset[int]()
    ends: list[Crossing] = []
    for name in list(grouping)[:-1]:
        reached |= calls_by_group[name]
        fitting = [c for c in borders if c.before & named == reached]
        if not fitting:
            raise ValueError(_no_border(graph, borders, name, named, reached))
        ends.append(fitting[-1])
    return ends


def _check_names(names: list[str]) -> None:
    if not names:
        raise ValueError("grouping: name at least one group")
    for name in names:
        if not isinstance(name, str) or not name or name == "backbone" or "/" in name:
            raise ValueError(
                f"grouping: {name!r} cannot name a group; use a word without '/' other than 'backbone', "
                "which means every group but the head"
            )
    if HEAD in names[:-1]:
        raise ValueError("grouping: 'head' is reserved for the head, so it can only be the last group")


def _resolve(graph: Graph, grouping: Mapping[str, Sequence[str]]) -> dict[str, frozenset[int]]:
    """The calls of each group's named layers; every layer that must be named is, once."""
    # A layer called several times counts with its first call, as in `segments`.
    first_call: dict[str, int] = {}
    for call in graph.calls:
        for path in [] if call.is_input else _leaves(call.path, call.layer):
            first_call.setdefault(path, call.index)
    owner: dict[str, str] = {}
    for name, entries in grouping.items():
        if isinstance(entries, str):
            raise ValueError(f"grouping: group {name!r} must be a sequence of layer paths, not a text")
        for entry in entries:
            paths = [p for p in first_call if p == entry or p.startswith(f"{entry}/")]
            if not paths:
                raise ValueError(
                    f"grouping: group {name!r} names no layer of {graph.name}: {entry!r}; "
                    f"{closest(str(entry), list(first_call))}"
                )
            for path in paths:
                if path in owner:
                    raise ValueError(f"grouping: layer {path!r} is named twice, in {owner[path]!r} and {name!r}")
                owner[path] = name
    forgotten = [
        path for path, leaf in leaves_of_calls(graph.calls).items() if path not in owner and _must_be_named(leaf)
    ]
    if forgotten:
        raise ValueError(f"grouping: no group has {', '.join(forgotten)}; every layer must be in one")
    _check_whole_opaque(graph, owner)
    found: dict[str, set[int]] = {name: set() for name in grouping}
    for path, name in owner.items():
        found[name].add(first_call[path])
    return {name: frozenset(calls) for name, calls in found.items()}


def _check_whole_opaque(graph: Graph, owner: Mapping[str, str]) -> None:
    for call in graph.calls:
        groups = {owner[path] for path in _leaves(call.path, call.layer) if path in owner}
        if len(groups) > 1:
            raise ValueError(
                f"grouping: model {call.path!r} is called several times, so its layers must all be in one group; "
                f"to group its layers, call set_groups on that inner model"
            )


def _no_border(
    graph: Graph,
    borders: list[Crossing],
    name: str,
    named: frozenset[int],
    reached: frozenset[int],
) -> str:
    def paths(calls: Iterable[int]) -> str:
        return ", ".join(dict.fromkeys(graph.calls[i].path for i in sorted(calls)))

    nearest = min(borders, key=lambda c: len((c.before & named) ^ reached), default=None)
    text = f"grouping: group {name!r} does not end at a cut of {graph.name} (in order, with no path round it)"
    if nearest is None:
        return f"{text}: this model has no cut where a group may end"
    before = nearest.before & named
    extra, lacking = paths(reached - before), paths(before - reached)
    advice = [f"without {extra}"] * bool(extra) + [f"with {lacking}"] * bool(lacking)
    return f"{text}; {' and '.join(advice)} it would"
