"""Rebuilds a model from an architecture that `check_architecture` has passed.

Layers are made one by one and joined here rather than by `Model.from_config`, for two reasons: that
one turns for ever on a graph with a loop, and it loses the sharing of a layer between a model and
one nested in it.
"""

from __future__ import annotations

import copy
import importlib
from collections.abc import Mapping
from typing import Any

from auxtask.backbones.allow_list import HOUSE_LAYERS, MODELS, CustomLayers, check_custom_layers
from auxtask.data.one_line import first_line
from auxtask.framework import keras, tf

_CONSTANT = "_CONSTANT_VALUE"  # how Keras marks a call argument that no layer made


def build_model(architecture: Mapping[str, Any], custom_layers: CustomLayers | None = None) -> keras.Model:
    """Make the model that a checked architecture describes, with fresh weights.

    Parameters
    ----------
    architecture : dict
        What `check_architecture` returned; never anything else.
    custom_layers : mapping of name to class, optional
        As given there.

    Raises
    ------
    ValueError
        A layer cannot be made or called, or the graph has a loop; the text names the layer.
    """
    builder = _Builder(check_custom_layers(custom_layers))
    with keras.utils.custom_object_scope(builder.objects(architecture)):
        model = builder.make(architecture)
    if not isinstance(model, keras.Model):
        raise ValueError(f"it describes a single {type(model).__name__} layer, not a model")
    if not model.built:
        raise ValueError(f"model {model.name!r} has no input shape: call it once on data before you save it")
    return model


class _Builder:
    def __init__(self, custom: dict[str, Any]) -> None:
        self.custom = custom
        self.shared: dict[int, keras.layers.Layer] = {}

    def objects(self, architecture: Any) -> dict[str, Any]:
        """Give what Keras may look up by name: the caller's classes and the house layers used."""
        used = _class_names(architecture) & HOUSE_LAYERS.keys()
        return {**{name: _import(HOUSE_LAYERS[name]) for name in used}, **self.custom}

    def make(self, entry: Mapping[str, Any]) -> keras.layers.Layer:
        """Build one layer from its checked entry; a shared layer is built once."""
        key = entry.get("shared_object_id")
        if key in self.shared:
            return self.shared[key]
        name, config = entry["class_name"], entry["config"]
        if name in self.custom or name not in MODELS:
            layer = self._leaf(name, config)
            if "name" not in config and isinstance(entry.get("name"), str):
                layer._name = entry["name"]  # a get_config that forgets it must not change the weights' paths
        elif name == "Sequential":
            layer = self._sequential(config)
        else:
            layer = self._functional(config)
        if key is not None:
            self.shared[key] = layer
        return layer

    def _leaf(self, name: str, config: dict[str, Any]) -> keras.layers.Layer:
        # Keras will join the layers of models in here (of a wrapper, or a subclass of Model): our
        # own joining tries them first, since Keras' may never return.
        for model in _models_in(config):
            self.make({**model, "shared_object_id": None})
        if name in self.custom and "input_layers" in config:
            self._functional(config)
        try:
            # Some from_config take their argument apart.
            layer = self._class(name).from_config(copy.deepcopy(config))
        except Exception as error:  # a constructor may raise anything on wrong arguments
            raise ValueError(_failed(config.get("name"), name, "made", error)) from error
        if not isinstance(layer, keras.layers.Layer):
            raise ValueError(f"custom_layers: {name!r} is not a class of layers")
        return layer

    def _class(self, name: str) -> Any:
        if name in self.custom:
            return self.custom[name]
        if name in HOUSE_LAYERS:
            return _import(HOUSE_LAYERS[name])
        return getattr(keras.layers, name)

    def _sequential(self, config: dict[str, Any]) -> keras.Sequential:
        model = keras.Sequential(name=config.get("name"))
        for entry in _layer_entries(config):
            layer = self.make(entry)
            try:
                model.add(layer)
            except Exception as error:
                kind = entry["class_name"]
                raise ValueError(_failed(layer.name, kind, "called", error)) from error
        shape = config.get("build_input_shape")
        if not model.inputs and isinstance(shape, list | tuple):
            model.build(_shape(shape))
        return model

    def _functional(self, config: dict[str, Any]) -> keras.Model:
        entries = _layer_entries(config)
        layers = {}
        for entry in entries:
            name = entry.get("name", entry["config"].get("name"))
            if not isinstance(name, str) or name in layers:
                raise ValueError(f"two layers are called {name!r}, or one has no name")
            layers[name] = self.make(entry)
        graph = _Graph(layers, entries)
        graph.run()
        ends = [graph.end(config, key) for key in ("input_layers", "output_layers")]
        try:
            return keras.Model(*ends, name=config.get("name"))
        except Exception as error:
            raise ValueError(_failed(config.get("name"), "Functional", "made", error)) from error


class _NotYet(Exception):
    """An input of a call has not been made yet."""


class _Graph:
    """The calls of layers on each other's outputs, made in an order in which they can be."""

    def __init__(self, layers: dict[str, Any], entries: list[dict[str, Any]]) -> None:
        self.layers = layers
        self.pending: dict[str, list[Any]] = {}
        self.counts: dict[str, int] = {}
        self.outputs: dict[tuple[str, int], list[Any]] = {}
        for (name, layer), entry in zip(layers.items(), entries, strict=True):
            nodes = entry.get("inbound_nodes", [])
            if not isinstance(nodes, list):
                raise ValueError(f"layer {name!r}: inbound_nodes is not a list")
            self.pending[name] = list(nodes)
            # A model's own graph is its call 0; a file counts its calls in the outer one from 1.
            self.counts[name] = int(keras.src.engine.functional._should_skip_first_node(layer))
            if isinstance(layer, keras.layers.InputLayer):
                self.outputs[name, 0] = [layer.output]

    def run(self) -> None:
        while any(self.pending.values()):
            made = [name for name, nodes in self.pending.items() if nodes and self._advance(name)]
            if not made:
                stuck = next(name for name, nodes in self.pending.items() if nodes)
                raise ValueError(f"layer {stuck!r} waits for an output that no layer makes")

    def end(self, config: Mapping[str, Any], key: str) -> Any:
        """Give the tensors at one of the two ends of the model."""
        try:
            return self._tensors(config[key])
        except (KeyError, _NotYet):
            raise ValueError(f"model {config.get('name')!r}: {key} names no tensor") from None

    def _advance(self, name: str) -> bool:
        """Make the layer's calls until one lacks an input; tell whether any was made."""
        nodes, before = self.pending[name], len(self.pending[name])
        while nodes:
            try:
                inputs, arguments = self._tensors(nodes[0]), self._arguments(nodes[0])
            except _NotYet:
                break
            self._call(name, inputs, arguments)
            nodes.pop(0)
        return len(nodes) < before

    def _call(self, name: str, inputs: Any, arguments: dict[str, Any]) -> None:
        if not isinstance(inputs, dict) and len(flat := tf.nest.flatten(inputs)) == 1:
            inputs = flat[0]
        try:
            result = self.layers[name](inputs, **arguments)
        except Exception as error:  # a layer may raise anything on wrong shapes
            kind = type(self.layers[name]).__name__
            raise ValueError(_failed(name, kind, "called", error)) from error
        self.outputs[name, self.counts[name]] = tf.nest.flatten(result)
        self.counts[name] += 1

    def _tensors(self, value: Any) -> Any:
        """Put tensors where a structure refers to them."""
        if _is_reference(value):
            return self._tensor(*value[:3])
        if isinstance(value, list | tuple):
            return [self._tensors(item) for item in value]
        if isinstance(value, Mapping):
            return {key: self._tensors(item) for key, item in value.items()}
        return value

    def _tensor(self, name: str, call: Any, output: Any) -> Any:
        if name == _CONSTANT:
            return output
        if name not in self.layers:
            raise ValueError(f"a call refers to layer {name!r}, and there is none")
        if not isinstance(call, int) or not isinstance(output, int):
            raise ValueError(f"a call refers to layer {name!r} in a damaged way")
        if (name, call) not in self.outputs:
            raise _NotYet
        made = self.outputs[name, call]
        if not 0 <= output < len(made):
            raise ValueError(f"layer {name!r} has no output {output}")
        return made[output]

    def _arguments(self, node: Any) -> dict[str, Any]:
        """Give the keyword arguments of a call, which Keras writes beside each of its inputs."""
        if _is_reference(node):
            return dict(self._tensors(node[3])) if len(node) == 4 and node[3] else {}
        inner = node.values() if isinstance(node, Mapping) else node
        if not isinstance(node, list | tuple | Mapping):
            return {}
        return {key: value for item in inner for key, value in self._arguments(item).items()}


def _is_reference(value: Any) -> bool:
    """Tell whether this is Keras' `[layer, call, output]`, perhaps with keyword arguments."""
    return isinstance(value, list) and len(value) in (3, 4) and isinstance(value[0], str)


def _layer_entries(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    entries = config.get("layers")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) and "class_name" in entry for entry in entries):
        raise ValueError(f"model {config.get('name')!r} has no list of layers")
    return entries


def _models_in(value: Any) -> list[dict[str, Any]]:
    """Find the stock models inside a layer's config (those within them are theirs to find)."""
    if isinstance(value, list | tuple):
        return [model for item in value for model in _models_in(item)]
    if not isinstance(value, dict):
        return []
    if value.get("class_name") in MODELS:
        return [value]
    return [model for item in value.values() for model in _models_in(item)]


def _class_names(value: Any) -> set[str]:
    if isinstance(value, list | tuple):
        return {name for item in value for name in _class_names(item)}
    if not isinstance(value, Mapping):
        return set()
    own = {value["class_name"]} if isinstance(value.get("class_name"), str) else set()
    return own | {name for item in value.values() for name in _class_names(item)}


def _shape(shape: Any) -> tuple[int | None, ...]:
    return tuple(None if size is None else int(size) for size in shape)


def _import(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


def _failed(name: Any, kind: str, verb: str, error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines()]
    # Keras wraps the reason in lines that say only where it happened.
    wrapped = ("Error when deserializing", "Exception encountered when")
    reasons = [line for line in lines if line and not line.startswith(wrapped)]
    reason = reasons[0].removeprefix("Exception encountered: ") if reasons else first_line(error)
    return f"layer {name} ({kind}) cannot be {verb}: {reason}"
