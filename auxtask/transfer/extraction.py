"""Build a model from part of a graph: the calls that some tensors need, on the same layers or on
copies of them.

Nested models stay nested, under the same names, so object paths in the part are those in the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from auxtask.framework import keras, tf
from auxtask.transfer.graph import Call, Graph, Scope, Tensor

LayerFor = Callable[[Any], Any]


class Extraction:
    """One replay of part of a graph.

    Parameters
    ----------
    graph : Graph
    given : Iterable[Tensor]
        Tensors that need not be computed.
    wanted : Sequence[Tensor]
        Tensors to compute.
    layer_for : Callable
        From a layer of the graph (or a whole nested model) to the one to call in its place.
    """

    def __init__(
        self,
        graph: Graph,
        given: Iterable[Tensor],
        wanted: Sequence[Tensor],
        layer_for: LayerFor,
    ) -> None:
        self.graph = graph
        self.wanted = wanted
        self.layer_for = layer_for
        self.needed = graph.needed(wanted, given)

    def outputs(self, values: dict[Tensor, Any]) -> list[Any]:
        """The wanted Keras tensors, computed from the `values` of the given ones."""
        self._fill(self.graph.root, values)
        return [values[tensor] for tensor in self.wanted]

    def _fill(self, scope: Scope, values: dict[Tensor, Any]) -> None:
        for item in scope.items:
            if isinstance(item, Scope):
                self._fill_nested(scope, item, values)
            elif item.index in self.needed and not item.is_input:
                args, kwargs = item.arguments(values)
                made = tf.nest.flatten(self.layer_for(item.layer)(*args, **kwargs))
                for i, value in enumerate(made):
                    values.setdefault(Tensor(item.index, i), value)

    def _fill_nested(self, outer: Scope, scope: Scope, values: dict[Tensor, Any]) -> None:
        calls = [call for call in scope.calls() if call.index in self.needed]
        if not calls:
            return
        consumed, made = self._interface(calls)
        model_outputs = [scope.known[id(t)] for t in scope.model.outputs]
        model_inputs = [scope.known[id(t)] for t in scope.model.inputs]
        whole = len(calls) == sum(not call.is_input for call in scope.calls())
        if whole and set(consumed) <= set(model_inputs) and set(made) <= set(model_outputs):
            args, kwargs = outer.arguments(scope.node, values)
            results = self.layer_for(scope.model)(*args, **kwargs)
            made = model_outputs
        else:
            part = self._part(scope, consumed, made)
            args, kwargs = scope.node.call_args, scope.node.call_kwargs
            training = args[1] if len(args) > 1 else kwargs.get("training")
            results = part(_alone([values[tensor] for tensor in consumed]), training=training)
        for tensor, value in zip(made, tf.nest.flatten(results), strict=True):
            values.setdefault(tensor, value)

    def _part(self, scope: Scope, consumed: list[Tensor], made: list[Tensor]) -> Any:
        """The nested model, cut down to the calls that are needed."""
        # An input of the nested model has its own dtype and rank, to which it conforms what it is
        # called on.
        own = {scope.known[id(t)]: t for t in scope.model.inputs}
        inner = {t: input_like(own.get(t, self.graph.symbol(t))) for t in consumed}
        values = dict(inner)
        self._fill(scope, values)
        outputs = [values[tensor] for tensor in made]
        return keras.Model(_alone(list(inner.values())), _alone(outputs), name=scope.model.name)

    def _interface(self, calls: list[Call]) -> tuple[list[Tensor], list[Tensor]]:
        """What `calls` consume from elsewhere, and what they make that is used elsewhere."""
        inside = {call.index for call in calls}
        consumed = [t for call in calls for t in call.inputs if t.call not in inside]
        used = set(self.wanted)
        for index in self.needed - inside:
            used.update(self.graph.calls[index].inputs)
        made = [t for c in calls for i in range(c.num_outputs) if (t := Tensor(c.index, i)) in used]
        return list(dict.fromkeys(consumed)), made


def input_like(symbol: Any, name: str | None = None, any_batch: bool = False) -> Any:
    """A new model input with the shape and dtype of a Keras tensor."""
    spec = symbol.type_spec
    return keras.Input(
        shape=symbol.shape[1:],
        batch_size=None if any_batch else symbol.shape[0],
        dtype=symbol.dtype,
        name=name,
        sparse=isinstance(spec, tf.SparseTensorSpec),
        ragged=isinstance(spec, tf.RaggedTensorSpec),
    )


def with_same_inputs(
    graph: Graph,
    wanted: Sequence[Tensor],
    layer_for: LayerFor,
    finish: Callable[[list[Any]], Any],
) -> Any:
    """A model with the inputs of the graph's model (names and structure too) and other outputs.

    Parameters
    ----------
    wanted : Sequence[Tensor]
    finish : Callable
        From the wanted Keras tensors to the model's outputs, in any structure that Keras takes.
    """
    model = graph.root.model
    # A Sequential without a declared input shape has the batch size of the first batch it saw.
    any_batch = isinstance(model, keras.Sequential) and not model._has_explicit_input_shape
    inputs = tf.nest.map_structure(
        lambda t: input_like(t, t._keras_history.layer.name, any_batch), model._nested_inputs
    )
    values = dict(zip(graph.inputs, tf.nest.flatten(inputs), strict=True))
    outputs = Extraction(graph, graph.inputs, wanted, layer_for).outputs(values)
    return keras.Model(inputs, finish(outputs), name=model.name)


def _alone(tensors: list[Any]) -> Any:
    return tensors[0] if len(tensors) == 1 else tensors
