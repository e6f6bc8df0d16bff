"""Layer groups: the named, ordered slices of a model by which everything else here counts and
names.

>>> layer_groups(model)            # a table
>>> set_groups(backbone, {"stem": ["conv", "norm"], "block1": [...]})

A model's author names the groups with `set_groups`; they are kept on the model itself and copied by
`reuse`. Without that, `auxtask.transfer.stages` chooses. Either way a group ends at a valid cut.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

from auxtask.framework import tf
from auxtask.transfer.graph import Graph, closest, read_graph, variables_of
from auxtask.transfer.grouping import Segment, keep_groups, leaves_of_calls, segments


@dataclass(frozen=True)
class LayerGroup:
    """A named, ordered slice of a model.

    Attributes
    ----------
    name : str
    layers : tuple[str, ...]
        Object paths of its leaf layers in graph order, ``"outer/inner"`` for nested models.
    output_shape : tuple
        Shape of the tensor where the group ends, the batch as None; of the last group, the model's
        output shape (a tuple of shapes if there are several).
    num_parameters : int
        Numbers in all its weights, statistics included.
    trainable : bool | None
        Whether its weights train; None: some do.
    depth : int
        1-based from the input.
    """

    name: str
    layers: tuple[str, ...]
    output_shape: tuple[Any, ...]
    num_parameters: int
    trainable: bool | None
    depth: int


class LayerGroups(Sequence[LayerGroup]):
    """The groups of one model in order; also by name. Prints as a table."""

    def __init__(self, groups: Sequence[LayerGroup], model_name: str) -> None:
        self._groups = tuple(groups)
        self.model_name = model_name

    @property
    def names(self) -> tuple[str, ...]:
        """The groups' names, in order."""
        return tuple(group.name for group in self._groups)

    def index_of(self, name: str) -> int:
        """Position of the group `name`.

        Raises
        ------
        ValueError
            If there is none; it lists those that exist and the closest.
        """
        if name not in self.names:
            raise ValueError(f"no group {name!r} in {self.model_name}: {closest(name, self.names)}")
        return self.names.index(name)

    @overload
    def __getitem__(self, key: int | str) -> LayerGroup: ...
    @overload
    def __getitem__(self, key: slice) -> Sequence[LayerGroup]: ...
    def __getitem__(self, key: int | str | slice) -> LayerGroup | Sequence[LayerGroup]:
        return self._groups[self.index_of(key) if isinstance(key, str) else key]

    def __len__(self) -> int:
        return len(self._groups)

    def _rows(self) -> Iterator[tuple[str, ...]]:
        yield "depth", "group", "layers", "output shape", "parameters", "trainable"
        for group in self:
            first, last = group.layers[:1], group.layers[1:][-1:]
            spelled = " … ".join(first + last) + f" ({len(group.layers)})"
            trains = {True: "yes", False: "no", None: "partly"}[group.trainable]
            shape = str(group.output_shape).replace("None", "?")
            yield str(group.depth), group.name, spelled, shape, f"{group.num_parameters:,}", trains

    def __str__(self) -> str:
        rows = list(self._rows())
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join([f"layer groups of {self.model_name}", *lines])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head, *rows = [[html.escape(cell) for cell in row] for row in self._rows()]
        line = "<tr>" + "".join(f"<th>{cell}</th>" for cell in head) + "</tr>"
        lines = ["<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows]
        return f"<table>{line}{''.join(lines)}</table>"


def layer_groups(model: Any, grouping: Mapping[str, Sequence[str]] | None = None) -> LayerGroups:
    """The ordered layer groups of a model.

    Parameters
    ----------
    model : keras.Model
        Sequential (built) or Functional, nested models and custom layers included.
    grouping : Mapping[str, Sequence[str]], optional
        From group name to layer paths, to look at instead of the model's own groups; checked as by
        `set_groups`.

    Raises
    ------
    ValueError
        If the model has no graph, or a grouping does not fit.
    """
    return _describe(model, *segments(model, grouping))


def set_groups(model: Any, grouping: Mapping[str, Sequence[str]]) -> None:
    """Name a model's groups; kept on the model and on what is reused from it.

    Parameters
    ----------
    model : keras.Model
    grouping : Mapping[str, Sequence[str]]
        From group name to layer paths, in order from the input. A nested model's path stands for
        all its layers. Every layer with weights or with a `training` argument must be named exactly
        once; others may be left out and go to the group before them. Each group must end at a valid
        cut. ``"head"`` can only be the last one.

    Raises
    ------
    ValueError
        If the grouping does not fit, saying which layers are at fault.
    """
    _, found = segments(model, grouping)
    keep_groups(model, {name: tuple(leaves_of_calls(calls)) for name, calls, _ in found})


def layers_of(model: Any, group_name: str) -> list[Any]:
    """The leaf layers of a group, in graph order.

    Raises
    ------
    ValueError
        For an unknown group, with those that exist and the closest.
    """
    groups = layer_groups(model)
    leaves = leaves_of_calls(read_graph(model).calls)
    return [leaves[path] for path in groups[groups.index_of(group_name)].layers]


def group_variables(model: Any) -> dict[str, list[tf.Variable]]:
    """All weights (statistics included) by group; a weight shared between groups stands in the first."""
    groups = layer_groups(model)
    leaves = leaves_of_calls(read_graph(model).calls)
    seen: set[int] = set()
    found: dict[str, list[tf.Variable]] = {}
    for group in groups:
        weights = {id(w): w for path in group.layers for w in variables_of(leaves[path])}
        found[group.name] = [w for key, w in weights.items() if key not in seen]
        seen.update(weights)
    return found


def _describe(model: Any, graph: Graph, found: Sequence[Segment]) -> LayerGroups:
    counted: set[int] = set()
    groups = []
    for depth, (name, calls, end) in enumerate(found, start=1):
        leaves = leaves_of_calls(calls)
        weights = {id(w): w for leaf in leaves.values() for w in variables_of(leaf)}
        new = [w for key, w in weights.items() if key not in counted]
        counted.update(weights)
        shapes = [_shape(graph.symbol(t)) for t in ([end.tensor] if end else graph.outputs)]
        groups.append(
            LayerGroup(
                name=name,
                layers=tuple(leaves),
                output_shape=shapes[0] if len(shapes) == 1 else tuple(shapes),
                num_parameters=sum(int(tf.size(w)) for w in new),
                trainable=_trainable(leaves.values()),
                depth=depth,
            )
        )
    return LayerGroups(groups, str(model.name))


def _shape(symbol: Any) -> tuple[int | None, ...]:
    return (None, *symbol.shape[1:])


def _trainable(leaves: Iterable[Any]) -> bool | None:
    """By the flags, since BatchNorm's statistics never train; layers without weights only count among themselves."""
    parts = [part for leaf in leaves for part in leaf._flatten_layers()]
    own = [p for p in parts if p._trainable_weights or p._non_trainable_weights] or parts
    flags = {bool(part.trainable) for part in own}
    return flags.pop() if len(flags) == 1 else (None if flags else True)
