"""Reuse the layers of a trained model: a new model of copied layers, never the old layers
themselves.

`Sequential(model_A.layers[:-1])` shares its layers with `model_A`, so training the new model
changes the old one.
>>> model_B = reuse(model_A, drop_head=True, head=1)           # copied weights, a new sigmoid head
>>> baseline = reuse(model_A, drop_head=True, head=1, init="random")
"""

from __future__ import annotations

import inspect
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np

from auxtask.framework import keras, tf
from auxtask.transfer.cutting import cut_at, keep_groups_of
from auxtask.transfer.extraction import with_same_inputs
from auxtask.transfer.graph import Graph, Tensor, is_searchable, read_graph
from auxtask.transfer.grouping import HEAD, Segment, leaves_of_calls, segments
from auxtask.transfer.heads import add_head, check_head
from auxtask.transfer.weights import (
    assign_by_path,
    copy_weights,
    finish_states,
    layer_weights,
    weights_by_path,
)

__all__ = ["copy_weights", "reuse"]


def reuse(
    model: Any,
    upto: str | int | None = None,
    drop_head: bool = False,
    head: int | Any | None = None,
    init: Literal["copy", "random"] = "copy",
    seed: int | None = None,
) -> Any:
    """A new model of copies of a model's layers; nothing is shared with the source, which never
    changes.

    The copy has the source's inputs, layer paths and groups, and is neither compiled nor frozen:
    layers that were frozen in the source train in the copy until `freeze`. Losses added with
    `add_loss` belong to the old task and stay behind.

    Parameters
    ----------
    model : keras.Model
        Sequential (built) or Functional; with nested models, shared layers and custom layers, which
        are copied through their own `get_config` and `from_config` and need not be registered.
    upto : str | int, optional
        The last group or layer to reuse, inclusive, or how many groups from the input (the head not
        counted). None: all.
    drop_head : bool
        Leave out the group ``"head"``.
    head : int | keras.layers.Layer, optional
        A new head, as in `add_head`. A layer is copied too,
        with the weights that it has already.
    init : {"copy", "random"}
        Copied weights, or the same architecture untrained, the baseline. What preprocessing layers were adapted to
        (statistics of Normalization, vocabularies) is copied in both cases: it is not learned.
    seed : int, optional
        Makes the new weights (of Keras' own initialisers) repeatable, and with init="random" others than another
        seed's, whatever seeds the source's initialisers have; other random states are left as they were.

    Returns
    -------
    keras.Model

    Raises
    ------
    ValueError
        For a model without a graph, a name or count that does not exist, a layer that cannot be cut
        at or copied, `drop_head` without a head, and a new head upon the old one.
    """
    if init not in ("copy", "random"):
        raise ValueError(f"init: expected 'copy' or 'random', got {init!r}")
    if head is not None:
        check_head(head)
    graph, found = segments(model)
    _refuse_variables(graph)
    wanted = _wanted(model, graph, found, upto, drop_head)
    keeps_all = wanted == list(graph.outputs)
    copier = LayerCopier(drop_seeds=init == "random")
    with _seeded(seed):
        new = copier.part(graph, wanted, model._nested_outputs if keeps_all else None)
        if init == "copy":
            assign_by_path(weights_by_path(model), weights_by_path(new), model.name, [])
        else:
            _copy_preprocessing(model, new)
        finish_states(new)
        _refuse_shared(model, new)
        keep_groups_of(model, new)
        return new if head is None else _with_head(new, head, init)


def _wanted(model: Any, graph: Graph, found: list[Segment], upto: str | int | None, drop_head: bool) -> list[Tensor]:
    """The tensors in which the reused part ends."""
    names = [name for name, _, _ in found]
    if drop_head and HEAD not in names:
        raise ValueError(
            f"drop_head: {graph.name} has no head (a final Dense classifier, or the group 'head'); "
            f"say how far to reuse it, upto=..., out of the groups {', '.join(names)}"
        )
    if upto is None and drop_head:
        if len(names) == 1:
            raise ValueError(f"drop_head: {graph.name} is nothing but a head")
        upto = names[-2]
    if upto is None or (upto == names[-1] and not drop_head):
        return list(graph.outputs)
    cut = cut_at(model, upto)
    if drop_head and cut.group == HEAD:
        raise ValueError(f"upto={upto!r} lies in the head, which drop_head=True leaves out")
    return [cut.tensor]


def _refuse_shared(model: Any, new: Any) -> None:
    """Raise if a layer's config hands its live sub-layer on: training the copy would train the source."""
    theirs = {id(weight) for weight in model.weights}
    for layer in new.layers:
        if any(id(weight) in theirs for weight in layer.weights):
            raise ValueError(
                f"layer {layer.name!r} ({type(layer).__name__}) cannot be copied: its get_config gives a live layer, "
                "which the copy would share; serialise it there, and make it anew in from_config"
            )


def _refuse_variables(graph: Graph) -> None:
    """Raise if a variable is an argument of a call: it belongs to no layer there, and the copy would share it."""
    for call in graph.calls:
        given = () if call.is_input else (call.node.call_args, call.node.call_kwargs)
        for part in tf.nest.flatten(given):
            if isinstance(part, tf.Variable):
                raise ValueError(
                    f"layer {call.path!r} is called on the variable {part.name!r}, which a copy would share: keep it "
                    "in a layer of your own, whose call uses it"
                )


def _copy_preprocessing(model: Any, new: Any) -> None:
    """Give the new model's preprocessing layers (Normalization, Discretization) what the old ones were adapted to.

    At any depth: a layer of the user's may hold some.
    """
    theirs = leaves_of_calls(read_graph(model).calls)
    for path, layer in leaves_of_calls(read_graph(new).calls).items():
        for old, copy in zip(theirs[path]._flatten_layers(), layer._flatten_layers(), strict=True):
            if isinstance(copy, (keras.layers.Normalization, keras.layers.Discretization)) and copy.weights:
                copy.set_weights(old.get_weights())


def _with_head(model: Any, head: int | Any, init: str) -> Any:
    """Add a head that shares nothing with the layer given, so that one layer can serve many models."""
    if not isinstance(head, keras.layers.Layer):
        return add_head(model, head)
    copy = LayerCopier()(head)
    new = add_head(model, copy)
    if init == "copy" and head.built:
        name = f"the given head {head.name!r}"
        assign_by_path(layer_weights(head), layer_weights(copy), name, [])
    return new


_LOOKUPS = (keras.layers.StringLookup, keras.layers.IntegerLookup, keras.layers.TextVectorization)


class LayerCopier:
    """Makes one untrained copy of each layer it is asked for, so that shared layers stay shared.

    With `drop_seeds` an initialiser that has a seed of its own draws anew; without, it draws what it drew before.
    """

    def __init__(self, drop_seeds: bool = False) -> None:
        self._drop_seeds = drop_seeds
        # The originals are kept with the copies so that no id is given to another object meanwhile.
        self._copies: dict[int, tuple[Any, Any]] = {}

    def __call__(self, layer: Any) -> Any:
        if id(layer) not in self._copies:
            if is_searchable(layer):
                graph = read_graph(layer)
                copy = self.part(graph, list(graph.outputs), layer._nested_outputs)
            else:
                copy = _fresh_copy(layer, self._drop_seeds)
            self._copies[id(layer)] = (layer, copy)
        return self._copies[id(layer)][1]

    def part(self, graph: Graph, wanted: list[Tensor], structure: Any) -> Any:
        """A copy of the part of a model that `wanted` needs, its outputs packed as `structure` (None: one tensor)."""

        def finish(outputs: list[Any]) -> Any:
            return outputs[0] if structure is None else tf.nest.pack_sequence_as(structure, outputs)

        return with_same_inputs(graph, wanted, self, finish)


def _fresh_copy(layer: Any, drop_seeds: bool) -> Any:
    """The same layer, untrained and unfrozen, by the live class's own `from_config`."""
    if isinstance(layer, keras.layers.Lambda):
        # Its config would turn the function into byte code and lose the closure.
        return _copy_lambda(layer)
    try:
        config = _fresh_config(dict(layer.get_config()), drop_seeds)
        if isinstance(layer, _LOOKUPS) and not config.get("vocabulary"):  # an adapted one is not in the config
            config["vocabulary"] = _vocabulary(layer)
        with keras.utils.custom_object_scope(_live_objects(layer)):
            copy = type(layer).from_config(config)
    except (NotImplementedError, TypeError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"layer {layer.name!r} ({type(layer).__name__}) cannot be copied: give it a get_config that returns "
            f"super().get_config() and every argument of its __init__ ({reason})"
        ) from error
    copy._name = layer.name  # a get_config that forgets the name must not change the object path
    return copy


def _vocabulary(layer: Any) -> list[Any] | None:
    """Give the words that a lookup layer was adapted to, as its `from_config` takes them; None before that."""
    if getattr(layer, "output_mode", getattr(layer, "_output_mode", "")) == "tf_idf":
        raise ValueError("inverse document frequencies are not copied; use another output_mode")
    return list(layer.get_vocabulary(include_special_tokens=False)) or None


def _fresh_config(config: Any, drop_seeds: bool, key: str = "") -> Any:
    """Give a config in which every layer trains and, with `drop_seeds`, no initialiser has a seed, at any depth.

    What a layer makes in its own `__init__` stands in no config: if that is fixed, it stays so.
    """
    if drop_seeds and isinstance(config, keras.initializers.Initializer) and "seed" in (start := config.get_config()):
        return type(config).from_config(start | {"seed": None})
    if isinstance(config, dict):
        if drop_seeds and key.endswith("initializer") and "seed" in (start := config.get("config") or {}):
            return config | {"config": start | {"seed": None}}
        fresh = {name: _fresh_config(value, drop_seeds, str(name)) for name, value in config.items()}
        return fresh | {"trainable": True} if "trainable" in fresh else fresh
    if isinstance(config, list):
        return [_fresh_config(value, drop_seeds, key) for value in config]
    return config


def _copy_lambda(layer: Any) -> Any:
    return keras.layers.Lambda(
        layer.function,
        output_shape=layer._output_shape,
        mask=layer.mask,
        arguments=layer.arguments,
        name=layer.name,
        dtype=layer._dtype_policy,
    )


def _live_objects(layer: Any) -> dict[str, Any]:
    """The classes and functions that a config may name, by name: those of the layers inside and their attributes."""
    found: dict[str, Any] = {}
    for part in layer._flatten_layers():
        for value in (part, *vars(part).values()):
            kind = value if inspect.isfunction(value) or inspect.isclass(value) else type(value)
            module = str(getattr(kind, "__module__", ""))
            if not module.startswith(("tf_keras.", "tensorflow.", "builtins")):
                found[kind.__name__] = kind
                found[keras.utils.get_registered_name(kind)] = kind
    return found


@contextmanager
def _seeded(seed: int | None) -> Iterator[None]:
    """Seed what Keras' initialisers draw from, and put every state back afterwards."""
    if seed is None:
        yield
        return
    generators = keras.src.backend._SEED_GENERATOR
    before = getattr(generators, "generator", None)
    states = random.getstate(), np.random.get_state()
    generators.generator = random.Random(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        if before is None:
            del generators.generator
        else:
            generators.generator = before
