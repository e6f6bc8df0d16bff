"""The graph of a Keras model, read once: leaf calls in order, nested models called once opened up.

Everything in this folder that asks "what comes before what" asks here. A *tensor* is one output of
one call of one leaf layer, so a shared layer or a layer with two outputs is never ambiguous, as a
layer name would be.
"""

from __future__ import annotations

import difflib
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from auxtask.framework import keras, tf

_Functional = keras.Sequential.__mro__[1]
_RandomLayer = keras.layers.Dropout.__mro__[1]


class Tensor(NamedTuple):
    """One output of one call: `call` is its position in `Graph.calls`, `output` the flat output index."""

    call: int
    output: int


@dataclass(eq=False)
class Call:
    """One call of one leaf layer (or of an opaque nested model).

    Attributes
    ----------
    path : str
        Object path of the layer: ``"outer/inner"`` for a layer of a nested model.
    inputs : tuple[Tensor, ...]
        The tensors it consumes, in argument order, repeated if consumed twice.
    num_outputs : int
        How many tensors it makes (flattened).
    """

    index: int
    path: str
    layer: Any
    node: Any
    scope: Scope
    inputs: tuple[Tensor, ...]
    num_outputs: int

    @property
    def is_input(self) -> bool:
        """Whether this is an input layer of the outermost model."""
        return bool(self.node.is_input)

    def arguments(self, values: Mapping[Tensor, Any]) -> tuple[Any, dict[str, Any]]:
        """The positional and keyword arguments of this call, its tensors replaced by their `values`."""
        return self.scope.arguments(self.node, values)


@dataclass(eq=False)
class Scope:
    """The calls of one model: the outermost, or a nested one that is called once.

    Attributes
    ----------
    path : str
        ``""`` for the outermost model.
    node : Any
        The Keras node of the call of this nested model; None for the outermost.
    items : list
        Calls and nested scopes in an order in which they can be computed.
    known : dict[int, Tensor]
        From the ``id`` of each of the model's Keras tensors to the tensor it stands for.
    """

    model: Any
    path: str
    node: Any = None
    items: list[Call | Scope] = field(default_factory=list)
    known: dict[int, Tensor] = field(default_factory=dict)

    def arguments(self, node: Any, values: Mapping[Tensor, Any]) -> tuple[Any, dict[str, Any]]:
        """The arguments of a node of this scope, its tensors replaced by their `values`."""

        def value(part: Any) -> Any:
            return values[self.known[id(part)]] if id(part) in self.known else part

        args, kwargs = tf.nest.map_structure(value, (tuple(node.call_args), dict(node.call_kwargs)))
        return args, kwargs

    def calls(self) -> Iterator[Call]:
        """All calls in this scope and below, in order."""
        for item in self.items:
            if isinstance(item, Call):
                yield item
            else:
                yield from item.calls()


@dataclass(eq=False)
class Graph:
    """A model's calls in a computable order, with its inputs and outputs as tensors."""

    root: Scope
    calls: list[Call]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    symbols: dict[Tensor, Any]

    @property
    def name(self) -> str:
        """The model's name, for messages."""
        return str(self.root.model.name)

    def symbol(self, tensor: Tensor) -> Any:
        """The Keras tensor: shape, dtype and implicit mask."""
        return self.symbols[tensor]

    def path(self, tensor: Tensor) -> str:
        """Path of the layer that makes the tensor."""
        return self.calls[tensor.call].path

    def tensors(self) -> Iterator[Tensor]:
        """Every tensor, in the order in which they are computed."""
        for call in self.calls:
            for output in range(call.num_outputs):
                yield Tensor(call.index, output)

    def needed(self, wanted: Iterable[Tensor], given: Iterable[Tensor] = ()) -> set[int]:
        """Indices of the calls that `wanted` needs, computing backwards and stopping at `given`."""
        stop = set(given)
        found: set[int] = set()
        open_tensors = [tensor for tensor in wanted if tensor not in stop]
        while open_tensors:
            tensor = open_tensors.pop()
            if tensor.call not in found:
                found.add(tensor.call)
                open_tensors += [t for t in self.calls[tensor.call].inputs if t not in stop]
        return found


def variables_of(layer: Any) -> list[Any]:
    """The layer's weights, without what lookup layers list among them: a table of words is no variable."""
    return [weight for weight in layer.weights if isinstance(weight, tf.Variable)]


def own_variables(layer: Any) -> tuple[list[Any], list[Any]]:
    """The layer's own variables, not those of layers inside it: what can be trained, and what cannot.

    Those of a `tf.Module` that it holds, which is no layer, are its own too.
    """
    trainable, others = list(layer._trainable_weights), list(layer._non_trainable_weights)
    for part in layer._flatten_modules(recursive=False, include_self=False):
        if not isinstance(part, keras.layers.Layer):
            trainable += part.trainable_variables
            others += part.non_trainable_variables
    known = {id(variable): variable for variable in trainable}
    rest = {id(variable): variable for variable in others if id(variable) not in known}
    return list(known.values()), [variable for variable in rest.values() if isinstance(variable, tf.Variable)]


def is_searchable(layer: Any) -> bool:
    """Whether `layer` is a model whose own graph says what it computes (Sequential or Functional)."""
    return (
        isinstance(layer, keras.Model)
        and bool(getattr(layer, "_is_graph_network", False))
        and type(layer).call in (_Functional.call, keras.Sequential.call)
    )


def is_side_layer(layer: Any) -> bool:
    """Whether `layer` is deterministic and weight-free, so that what it makes of inputs is a side input."""
    return not (layer.weights or behaves_differently_in_training(layer))


def behaves_differently_in_training(layer: Any) -> bool:
    """Whether the layer, or one inside it, takes a `training` argument (Dropout, BatchNorm, augmentation, …)."""
    return any(
        isinstance(part, _RandomLayer) or part._expects_training_arg and not is_searchable(part)
        for part in layer._flatten_layers()
    )


def require_graph(model: Any) -> None:
    """Raise a ValueError that says what to do if `model` has no graph of layers.

    Raises
    ------
    ValueError
        For a Keras 3 model, something that is no model, an unbuilt Sequential, a subclassed model.
    """
    if not isinstance(model, keras.Model):
        kind = f"{type(model).__module__}.{type(model).__name__}"
        if kind.startswith("keras."):
            raise ValueError(
                f"{kind} is a Keras 3 model; auxtask works on tf_keras (Keras 2): rebuild the same layers with "
                "auxtask.keras, which is tf_keras, and copy the weights, new.set_weights(old.get_weights())"
            )
        raise ValueError(f"model: expected a tf_keras model, got {kind}")
    if is_searchable(model):
        return
    if isinstance(model, keras.Sequential):
        raise ValueError(
            f"model {model.name!r} is a Sequential that is not built yet, so its layers have no shapes: start it with "
            "keras.Input(shape=...), call model.build((None, ...)), or call it on a batch first"
        )
    raise ValueError(
        f"model {model.name!r} ({type(model).__name__}) is a subclassed Model without a graph of layers: make one with "
        "inputs = keras.Input(shape=...); keras.Model(inputs, model.call(inputs)), or write it with the functional API"
    )


def read_graph(model: Any) -> Graph:
    """Read a model's graph.

    Parameters
    ----------
    model : keras.Model
        Sequential (built) or Functional; nested models called once are opened, others stay one
        call.

    Raises
    ------
    ValueError
        As `require_graph`.
    """
    require_graph(model)
    counts: Counter[int] = Counter()
    _count_calls(model, counts)
    root = Scope(model, "")
    calls: list[Call] = []
    symbols: dict[Tensor, Any] = {}
    _read_scope(root, counts, calls, symbols)
    inputs = tuple(root.known[id(t)] for t in model.inputs)
    outputs = tuple(root.known[id(t)] for t in model.outputs)
    return Graph(root, calls, inputs, outputs, symbols)


def closest(name: str, names: Sequence[str]) -> str:
    """A sentence that names what exists and what is closest, for messages about an unknown name."""
    match = difflib.get_close_matches(name, names, n=1, cutoff=0.0)
    shown = [*names[:12], "…"] if len(names) > 12 else list(names)
    return f"there are {', '.join(shown) or 'none'}" + (f" (closest: {match[0]})" if match else "")


def _nodes(model: Any) -> list[Any]:
    by_depth = model._nodes_by_depth
    return [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]


def _count_calls(model: Any, counts: Counter[int]) -> None:
    for node in _nodes(model):
        if not node.is_input and is_searchable(node.layer):
            counts[id(node.layer)] += 1
            _count_calls(node.layer, counts)


def _read_scope(scope: Scope, counts: Counter[int], calls: list[Call], symbols: dict[Tensor, Any]) -> None:
    for node in _in_reading_order(scope.model):
        path = f"{scope.path}/{node.layer.name}" if scope.path else node.layer.name
        if node.is_input and id(node.outputs) in scope.known:
            continue  # an input of a nested model stands for the tensor that the outer model passes
        inputs = tuple(scope.known[id(t)] for t in node.keras_inputs)
        outputs = tf.nest.flatten(node.outputs)
        if not node.is_input and is_searchable(node.layer) and counts[id(node.layer)] == 1:
            inner = Scope(node.layer, path, node)
            # A dict's tensors arrive sorted by key (and may be more than are used), not in the model's own order.
            given = node.call_args[0] if node.call_args else node.call_kwargs["inputs"]
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Input dict contained keys")  # said when it was called
                passed = node.layer._flatten_to_reference_inputs(given)
            inner.known = {
                id(own): scope.known[id(tensor)] for own, tensor in zip(node.layer.inputs, passed, strict=True)
            }
            _read_scope(inner, counts, calls, symbols)
            scope.items.append(inner)
            made = [inner.known[id(t)] for t in node.layer.outputs]
        else:
            call = Call(len(calls), path, node.layer, node, scope, inputs, len(outputs))
            calls.append(call)
            scope.items.append(call)
            made = [Tensor(call.index, i) for i in range(len(outputs))]
            symbols.update(zip(made, outputs, strict=True))
        scope.known.update(zip(map(id, outputs), made, strict=True))


def _in_reading_order(model: Any) -> list[Any]:
    """The nodes that the outputs need, depth first from the outputs, each after what it consumes.

    Keras' own depths put a short branch level with the far end of a long one; this order keeps a
    block's calls together, as a person reads the model, and leaves out nodes that only serve
    `add_loss` and `add_metric`.
    """
    order: list[Any] = [tensor.node for tensor in model.inputs]
    done = {id(node) for node in order}
    stack = [(tensor.node, False) for tensor in reversed(model.outputs)]
    while stack:
        node, ready = stack.pop()
        if id(node) in done:
            continue
        if ready:
            done.add(id(node))
            order.append(node)
        else:
            stack.append((node, True))
            stack += [(parent, False) for parent in reversed(node.parent_nodes)]
    return order
