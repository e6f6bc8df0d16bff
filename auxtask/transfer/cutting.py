"""Cut a model in two at a tensor: prefix and suffix, whose composition equals the model to the bit.

>>> cut = cut_at(model, "block2")
>>> bottom, top = prefix(model, cut), suffix(model, cut)     # on the model's own layers, nothing is
copied
>>> top(bottom(x))                                           # equals model(x)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from auxtask.framework import keras, tf
from auxtask.transfer.crossings import Crossing, crossings
from auxtask.transfer.extraction import Extraction, input_like, with_same_inputs
from auxtask.transfer.graph import Graph, Scope, Tensor, closest, is_searchable, read_graph
from auxtask.transfer.grouping import HEAD, Segment, keep_groups, leaves_of_calls, segments


@dataclass(frozen=True)
class Cut:
    """A tensor where a model falls in two, and what the second part needs besides.

    Attributes
    ----------
    tensor : Tensor
        The call and output index in the model's graph.
    layer : str
        Path of the layer that makes it.
    group : str
        The layer group in which it lies.
    side_inputs : tuple[Tensor, ...]
        Tensors made from the model's inputs by deterministic, weight-free layers that the suffix
        needs too.
    masked : tuple[Tensor, ...]
        Those of `tensor` and the side inputs that carry Keras' implicit mask; prefix and suffix
        pass these masks on as tensors, so they survive a stay in numpy.
    shape : tuple
        Of `tensor`, the batch as None.
    depth : int
        1-based among all cuts of the model.
    """

    tensor: Tensor
    layer: str
    group: str
    side_inputs: tuple[Tensor, ...]
    masked: tuple[Tensor, ...]
    shape: tuple[int | None, ...]
    depth: int


@keras.utils.register_keras_serializable("auxtask")
class TakeMask(keras.layers.Layer):
    """The implicit mask of a tensor, bool, as a tensor."""

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """The mask, bool, of `inputs`."""
        return mask

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """None: a mask has no mask."""
        return None


@keras.utils.register_keras_serializable("auxtask")
class GiveMask(keras.layers.Layer):
    """A tensor, unchanged, with a second one as its implicit mask."""

    def call(self, inputs: Any) -> Any:
        """The first of the two `inputs`."""
        return tf.identity(inputs[0])

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The second of the two `inputs`."""
        return inputs[1]


def cuts(model: Any) -> list[Cut]:
    """All valid cuts of a model, in order from the input.

    A tensor is a valid cut if, the edges out of side inputs removed, every path from the inputs to
    every output crosses it.

    Raises
    ------
    ValueError
        If the model has no graph of layers.
    """
    graph, found = segments(model)
    crossed = crossings(graph)
    return [_cut(graph, found, crossing, i) for i, crossing in enumerate(crossed, start=1)]


def _cut(graph: Graph, found: list[Segment], crossing: Crossing, depth: int) -> Cut:
    group = next(name for name, _, end in found if end is None or crossing.before <= end.before)
    tensors = (crossing.tensor, *crossing.side_inputs)
    return Cut(
        tensor=crossing.tensor,
        layer=graph.path(crossing.tensor),
        group=group,
        side_inputs=crossing.side_inputs,
        masked=tuple(t for t in tensors if getattr(graph.symbol(t), "_keras_mask", None) is not None),
        shape=(None, *graph.symbol(crossing.tensor).shape[1:]),
        depth=depth,
    )


def cut_at(model: Any, upto: str | int) -> Cut:
    """The cut at the end of a group or behind a layer.

    Parameters
    ----------
    model : keras.Model
    upto : str | int
        The last group or layer (by path) before the cut, or how many groups from the input (the
        head not counted). A name that is both a group's and a layer's is the group's.

    Raises
    ------
    ValueError
        For a name that does not exist (with the closest), a count out of range, a layer whose
        output some path goes round, and a layer inside a model that is called several times.
    """
    graph, found = segments(model)
    names = [name for name, _, _ in found]
    if isinstance(upto, str) and upto not in names:
        tensors = _outputs_of(graph, upto, names)
        where = f"layer {upto!r}"
    else:
        position = names.index(upto) if isinstance(upto, str) else _position(graph, names, upto)
        end = found[position][2]
        tensors = [end.tensor] if end else list(graph.outputs)
        where = f"group {names[position]!r}"
        if len(tensors) > 1:
            raise ValueError(
                f"{where} of {graph.name} ends in {len(tensors)} outputs, so there is no one tensor to cut at"
            )
    all_cuts = cuts(model)
    fitting = [cut for cut in all_cuts if cut.tensor in tensors]
    if not fitting:
        raise ValueError(_no_cut(graph, all_cuts, tensors, where))
    return fitting[-1]


def _position(graph: Graph, names: list[str], count: int) -> int:
    num_groups = len(names) - (names[-1] == HEAD)
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= num_groups:
        raise ValueError(
            f"upto: expected a group or layer name or a count of groups 1..{num_groups} of {graph.name} "
            f"(the head is not counted), got {count!r}"
        )
    return count - 1


def _outputs_of(graph: Graph, path: str, groups: Sequence[str]) -> list[Tensor]:
    """The tensors that the layer or nested model at `path` makes."""
    leaves = [call for call in graph.calls if not call.is_input]
    found = [Tensor(c.index, i) for c in leaves if c.path == path for i in range(c.num_outputs)]
    scopes = {scope.path: scope for scope in _scopes(graph.root)}
    if path in scopes:
        scope = scopes[path]
        found = [scope.known[id(t)] for t in scope.model.outputs]
    if found:
        return found
    for call in leaves:
        if is_searchable(call.layer) and path.startswith(f"{call.path}/"):
            raise ValueError(
                f"upto: {path!r} lies in model {call.path!r}, which {graph.name} calls several times, so no single "
                f"cut is there; pass the inner model itself, model.get_layer({call.layer.name!r})"
            )
    names = [*groups, *scopes, *dict.fromkeys(call.path for call in leaves)]
    raise ValueError(f"no group or layer {path!r} in {graph.name}: {closest(path, names)}")


def _scopes(scope: Scope) -> list[Scope]:
    inner = [item for item in scope.items if isinstance(item, Scope)]
    return [found for item in inner for found in (item, *_scopes(item))]


def _no_cut(graph: Graph, all_cuts: list[Cut], tensors: list[Tensor], where: str) -> str:
    before = [f"before it {cut.layer!r}" for cut in all_cuts if cut.tensor < tensors[-1]][-1:]
    after = [f"behind it {cut.layer!r}" for cut in all_cuts if cut.tensor > tensors[-1]][:1]
    return (
        f"{graph.name} cannot be cut at {where}: some path from input to output goes round it; "
        f"the nearest cuts are {' and '.join(before + after) or 'none'}"
    )


def prefix(model: Any, cut: Cut) -> Any:
    """The model up to a cut, on the model's own layers.

    Returns
    -------
    keras.Model
        Inputs as the model's; outputs the cut's tensor, or a list: the tensor, the side inputs, the
        masks.
    """
    graph = _graph_of(model, cut)
    wanted = [cut.tensor, *cut.side_inputs]

    def finish(outputs: list[Any]) -> Any:
        by_tensor = dict(zip(wanted, outputs, strict=True))
        masks = [TakeMask(name=_free(graph, "mask", i))(by_tensor[t]) for i, t in enumerate(cut.masked)]
        return [*outputs, *masks] if len(outputs) + len(masks) > 1 else outputs[0]

    part = with_same_inputs(graph, wanted, _itself, finish)
    return keep_groups_of(model, part)


def suffix(model: Any, cut: Cut) -> Any:
    """The model from a cut on, on the model's own layers.

    Returns
    -------
    keras.Model
        Inputs as the outputs of `prefix`, outputs as the model's.
    """
    graph = _graph_of(model, cut)
    given = [cut.tensor, *cut.side_inputs]
    names = [_free(graph, "cut"), *(_free(graph, "side", i) for i in range(len(given) - 1))]
    inputs = [input_like(graph.symbol(t), n) for t, n in zip(given, names, strict=True)]
    values = dict(zip(given, inputs, strict=True))
    for i, tensor in enumerate(cut.masked):
        mask = input_like(graph.symbol(tensor)._keras_mask, _free(graph, "mask", i))
        values[tensor] = GiveMask(name=_free(graph, "masked", i))([values[tensor], mask])
        inputs.append(mask)
    outputs = Extraction(graph, given, graph.outputs, _itself).outputs(values)
    packed = tf.nest.pack_sequence_as(model._nested_outputs, outputs)
    part = keras.Model(inputs if len(inputs) > 1 else inputs[0], packed, name=model.name)
    return keep_groups_of(model, part)


def keep_groups_of(model: Any, part: Any) -> Any:
    """Name the groups of `part`, a part of `model`, as they are in `model`; those with no layer there disappear."""
    there = leaves_of_calls(read_graph(part).calls)
    grouping: dict[str, tuple[str, ...]] = {}
    for name, calls, _ in segments(model)[1]:
        paths = tuple(path for path in leaves_of_calls(calls) if path in there)
        if paths:
            grouping[name] = paths
    if grouping:
        keep_groups(part, grouping)
    return part


def _itself(layer: Any) -> Any:
    return layer


def _graph_of(model: Any, cut: Cut) -> Graph:
    graph = read_graph(model)
    if cut.tensor.call >= len(graph.calls) or graph.path(cut.tensor) != cut.layer:
        raise ValueError(f"this cut (behind {cut.layer!r}) is not one of {graph.name}: use cuts(model)")
    return graph


def _free(graph: Graph, name: str, index: int | None = None) -> str:
    """A layer name that the model does not use: Keras wants names unique within a model."""
    taken = {layer.name for layer in graph.root.model.layers}
    name = name if index is None else f"{name}{index}"
    while name in taken:
        name += "_"
    return name
