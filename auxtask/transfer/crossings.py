"""Which tensors of a graph every path must cross: where a model can be cut in two."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from auxtask.transfer.graph import Graph, Tensor, is_side_layer


@dataclass(frozen=True)
class Crossing:
    """A tensor that every path from the inputs to every output crosses, and what else the rest
    needs.

    Attributes
    ----------
    tensor : Tensor
    side_inputs : tuple[Tensor, ...]
        Tensors made from the model's inputs by deterministic, weight-free layers that calls behind
        `tensor` consume (or that are outputs themselves), in order.
    before : frozenset[int]
        Indices of the calls that `tensor` and the side inputs need: the prefix. (Input layers are
        not counted.)
    """

    tensor: Tensor
    side_inputs: tuple[Tensor, ...]
    before: frozenset[int]


def side_tensors(graph: Graph) -> set[Tensor]:
    """The tensors made from the model's inputs by deterministic, weight-free layers alone, inputs included."""
    side: set[Tensor] = set()
    for call in graph.calls:
        if side.issuperset(call.inputs) and (call.is_input or is_side_layer(call.layer)):
            side.update(Tensor(call.index, i) for i in range(call.num_outputs))
    return side


def crossings(graph: Graph) -> list[Crossing]:
    """All tensors where the graph can be cut, in order from the input.

    A tensor is crossed by every path if as many paths run through it as there are paths; counts are
    exact (Python's integers do not overflow), so this costs one pass in each direction.

    Side inputs are left out of the paths, and the cut carries them. A tensor that is itself a side
    input (scaled pixels, say) is a cut if the paths with no edge left out all cross it. The model's
    inputs are no cuts.
    """
    side = side_tensors(graph)
    everything = _crossed_by_all(graph, set())
    beyond_side = _crossed_by_all(graph, side)
    found: list[Crossing] = []
    for tensor in graph.tensors():
        if graph.calls[tensor.call].is_input:
            continue
        if tensor in side and tensor in everything:
            found.append(Crossing(tensor, (), _computing(graph, [tensor])))
        elif tensor not in side and tensor in beyond_side:
            found.append(_with_side_inputs(graph, tensor, side))
    return found


def _with_side_inputs(graph: Graph, tensor: Tensor, side: set[Tensor]) -> Crossing:
    behind = graph.needed(graph.outputs, given={tensor, *side})
    consumed = [t for index in behind for t in graph.calls[index].inputs]
    carried = sorted(side.intersection([*consumed, *graph.outputs]))
    return Crossing(tensor, tuple(carried), _computing(graph, [tensor, *carried]))


def _computing(graph: Graph, tensors: list[Tensor]) -> frozenset[int]:
    return frozenset(i for i in graph.needed(tensors) if not graph.calls[i].is_input)


def _crossed_by_all(graph: Graph, left_out: set[Tensor]) -> set[Tensor]:
    """Tensors through which all paths run, once the edges out of the tensors `left_out` are gone."""
    outputs = [tensor for tensor in graph.outputs if tensor not in left_out]
    to_output = _paths_to_outputs(graph, outputs)
    from_input: dict[Tensor, int] = {}
    for call in graph.calls:
        sources = [tensor for tensor in call.inputs if tensor not in left_out]
        # A call that only consumes what was left out (or an input) is where paths begin.
        count = sum(from_input[tensor] for tensor in sources) if sources else 1
        from_input.update((Tensor(call.index, i), count) for i in range(call.num_outputs))
    total = sum(from_input[tensor] for tensor in outputs)
    return {t for t in graph.tensors() if total and from_input[t] * to_output[t] == total}


def _paths_to_outputs(graph: Graph, outputs: Iterable[Tensor]) -> dict[Tensor, int]:
    count = dict.fromkeys(graph.tensors(), 0)
    for tensor in outputs:
        count[tensor] += 1
    for call in reversed(graph.calls):
        onward = sum(count[Tensor(call.index, i)] for i in range(call.num_outputs))
        for tensor in call.inputs:
            count[tensor] += onward
    return count
