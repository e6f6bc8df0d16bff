"""The default grouping of a model whose author named no groups.

Conv nets fall into stages by spatial size, as their papers draw them; other chains into one group
per block of a layer with weights and what follows it (activation, normalisation, dropout); a final
Dense classifier is the head.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from auxtask.framework import keras, tf
from auxtask.transfer.crossings import Crossing
from auxtask.transfer.graph import Call, Graph, Tensor

_HEAD_ACTIVATIONS = ("softmax", "sigmoid", "linear")
_NORMALISATIONS = tuple(
    getattr(keras.layers, name)
    for name in (
        "BatchNormalization",
        "LayerNormalization",
        "GroupNormalization",
        "UnitNormalization",
        "Normalization",
    )
)
# Stands in for a size that the model leaves open; every usual network still has size left at its
# last stage.
_NOMINAL_SIZE = 224


def default_borders(graph: Graph, borders: list[Crossing]) -> tuple[list[Crossing], bool]:
    """Choose, among the crossings where a group may end, those where one does.

    Parameters
    ----------
    graph : Graph
    borders : list[Crossing]
        Crossings at which no layer is needed on both sides, in order.

    Returns
    -------
    tuple[list[Crossing], bool]
        The end of every group but the last, and whether the last group is a head.
    """
    head = head_calls(graph)
    whole = frozenset(call.index for call in graph.calls if not call.is_input)
    at_head = [crossing for crossing in borders if whole - crossing.before == head]
    if head and not at_head:
        if head.issuperset(_weighted(graph, whole)):
            return [], True
        head = frozenset()  # several heads at different depths: no border separates them from the rest
    inside = [c for c in borders if c.before <= whole - head and c.before != whole]
    ends = _ends(graph, inside, whole - head)
    return _without_weightless(graph, ends + at_head[: bool(head and at_head[-1:] != ends[-1:])]), bool(head)


def head_calls(graph: Graph) -> frozenset[int]:
    """The calls of the final classifier: for each output a Dense (softmax, sigmoid or linear), or
    Dense then softmax.

    Empty if one of the outputs comes from something else.
    """
    found: set[int] = set()
    for tensor in graph.outputs:
        call = graph.calls[tensor.call]
        if _is_final_activation(call):
            found.add(call.index)
            call = graph.calls[call.inputs[0].call]
        if not (isinstance(call.layer, keras.layers.Dense) and _activation(call) in _HEAD_ACTIVATIONS):
            return frozenset()
        found.add(call.index)
    return frozenset(found)


def _is_final_activation(call: Call) -> bool:
    if isinstance(call.layer, keras.layers.Softmax):
        return True
    return isinstance(call.layer, keras.layers.Activation) and _activation(call) in _HEAD_ACTIVATIONS


def _activation(call: Call) -> str:
    return str(getattr(call.layer.activation, "__name__", ""))


def _weighted(graph: Graph, calls: Iterable[int]) -> list[int]:
    return [index for index in calls if graph.calls[index].layer.weights]


def _ends(graph: Graph, inside: list[Crossing], whole: frozenset[int]) -> list[Crossing]:
    """Where groups end: at the end of a stage, and outside of stages before each new block."""
    within_stages, stage_ends = _stages(graph, inside)
    afters = [*(crossing.before for crossing in inside), whole][1:]
    ends: list[Crossing] = []
    for i, (crossing, after) in enumerate(zip(inside, afters, strict=True)):
        begun = _is_heavy(graph, crossing.before - (ends[-1].before if ends else frozenset()))
        ends_here = i in stage_ends if i in within_stages else _is_heavy(graph, after - crossing.before)
        if begun and ends_here:
            ends.append(crossing)
    return ends


def _without_weightless(graph: Graph, ends: list[Crossing]) -> list[Crossing]:
    """Join groups of nothing but pooling, padding and the like to the group before."""
    kept: list[Crossing] = []
    for end in ends:
        if kept and not _is_heavy(graph, end.before - kept[-1].before):
            kept.pop()
        kept.append(end)
    return kept


def _is_heavy(graph: Graph, chunk: frozenset[int]) -> bool:
    """Whether a new block begins in `chunk`: it has a layer with weights that is no normalisation."""
    return any(not isinstance(graph.calls[i].layer, _NORMALISATIONS) for i in _weighted(graph, chunk))


def _stages(graph: Graph, inside: list[Crossing]) -> tuple[set[int], set[int]]:
    """Positions in `inside` that lie within runs of feature maps, and those where a stage ends
    there.

    A stage lasts while the area neither halves nor doubles. Within what follows the stage's last
    merge of branches it ends at the narrowest tensor, the latest of equals: this leaves padding and
    the widening half of the next inverted bottleneck (MobileNet, EfficientNet) to the next stage.
    """
    maps = [i for i, c in enumerate(inside) if len(graph.symbol(c.tensor).shape) == 4]
    sizes = dict(zip(maps, _sizes(graph, [inside[i].tensor for i in maps]), strict=True))
    areas: dict[int, int] = {}
    stages: list[list[int]] = []
    for i in maps:
        layer = graph.calls[inside[i].tensor.call].layer
        padding = isinstance(layer, keras.layers.ZeroPadding2D) and i - 1 in areas
        # Padding a small map may double its area without a new stage.
        areas[i] = areas[i - 1] if padding else math.prod(sizes[i][:2])
        same_run = bool(stages) and stages[-1][-1] == i - 1
        if not same_run or not 0.5 < areas[i] / areas[stages[-1][0]] < 2:
            stages.append([])
        stages[-1].append(i)
    run_ends = {i for i in maps if i + 1 not in sizes}
    ends: set[int] = set()
    for stage in stages:
        merges = [k for k, i in enumerate(stage) if _merges(graph, inside[i].tensor)]
        tail = stage[merges[-1] if merges else 0 :]
        ends.add(min(tail, key=lambda i: (math.prod(sizes[i]), -i)))
    return set(maps) - run_ends, ends - {i for s in stages if s[-1] in run_ends for i in s}


def _merges(graph: Graph, tensor: Tensor) -> bool:
    return len(set(graph.calls[tensor.call].inputs)) > 1


def _sizes(graph: Graph, tensors: list[Tensor]) -> list[tuple[int, int, int]]:
    """Height, width and channels of feature maps; open sizes are worked out for a nominal input."""
    shapes = [tuple(graph.symbol(tensor).shape) for tensor in tensors]
    if any(None in shape[1:] for shape in shapes):
        shapes = _traced_shapes(graph, tensors)
    ordered = []
    for _, a, b, c in shapes:
        first = keras.backend.image_data_format() == "channels_first"
        ordered.append((b, c, a) if first else (a, b, c))
    return ordered


def _traced_shapes(graph: Graph, tensors: list[Tensor]) -> list[tuple[int, ...]]:
    shapes: dict[Tensor, tuple[int, ...]] = {}

    def trace() -> None:
        """Call the layers on zeros of a nominal size and note the shapes."""
        values: dict[Tensor, Any] = {}
        for tensor in graph.inputs:
            symbol = graph.symbol(tensor)
            shape = [1, *(_NOMINAL_SIZE if n is None else n for n in symbol.shape[1:])]
            values[tensor] = tf.zeros(shape, symbol.dtype)
        for index in sorted(graph.needed(tensors)):
            call = graph.calls[index]
            if not call.is_input:
                args, kwargs = call.arguments(values)
                outputs = tf.nest.flatten(call.layer(*args, **kwargs))
                values.update((Tensor(index, i), out) for i, out in enumerate(outputs))
        shapes.update((tensor, tuple(values[tensor].shape)) for tensor in tensors)

    tf.function(trace).get_concrete_function()  # only traced: nothing is computed
    return [shapes[tensor] for tensor in tensors]
