"""Names every weight of a model by where its object sits, not by list order or variable name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from auxtask.framework import keras, tf


def weight_paths(model: keras.Model) -> dict[str, tf.Variable]:
    """Name the model's weights by object path.

    A path is the names of models and layers from the outside in, then the attributes (and indices)
    that lead to the weight: `backbone/conv1/kernel`, `rnn/cell/cells/0/bias`. A `/` inside a name
    is written `%2F`. Freezing a layer reorders `weights`, and two nested layers may hold variables
    of one name; neither changes a path. A weight reached twice has the alphabetically first path.

    Parameters
    ----------
    model : keras.Model
        Functional, Sequential, or a subclass of them, built.

    Raises
    ------
    ValueError
        A weight is kept where no attribute leads to it.
    """
    wanted = {weight.ref(): weight for weight in model.weights}
    found: dict[str, tf.Variable] = {}
    named: set[Any] = set()
    owners = []
    for path, node in _walk(model):
        if isinstance(node, keras.layers.Layer):
            owners.append((path, node))
        elif node.ref() in wanted and node.ref() not in named:
            named.add(node.ref())
            found[path] = node
    for path, layer in owners:  # weights that a layer made but kept in no attribute
        for index, weight in enumerate(layer._trainable_weights + layer._non_trainable_weights):
            if weight.ref() in wanted and weight.ref() not in named:
                named.add(weight.ref())
                found[_join(path, f"weights[{index}]")] = weight
    lost = [weight.name for reference, weight in wanted.items() if reference not in named]
    if lost:
        raise ValueError(f"weight {lost[0]} of model {model.name!r} hangs on no layer's attribute")
    return found


def layer_paths(model: keras.Model) -> dict[str, keras.layers.Layer]:
    """Name the model (`""`), its layers and the layers inside them, as `weight_paths` does."""
    return {path: node for path, node in _walk(model) if isinstance(node, keras.layers.Layer)}


def _walk(model: keras.Model) -> Iterator[tuple[str, Any]]:
    """Visit layers (before what is in them) and variables, each once, in an order of names."""
    seen: set[int] = set()

    def visit(node: Any, path: str) -> Iterator[tuple[str, Any]]:
        """Yield what is at and below a node that was not met yet."""
        if isinstance(node, tf.Variable):
            yield path, node
            return
        if id(node) in seen:
            return
        seen.add(id(node))
        if isinstance(node, keras.layers.Layer):
            yield path, node
        for name, child in _children(node):
            yield from visit(child, _join(path, name))

    return visit(model, "")


def _children(node: Any) -> list[tuple[str, Any]]:
    layers = node.layers if isinstance(node, keras.Model) else ()
    children = {layer.name: layer for layer in layers}
    inside = {id(layer) for layer in children.values()}
    # TensorFlow's own checkpoints follow these same names.
    for name, child in _tracked(node).items():
        if id(child) not in inside and _leads_to_weights(child):
            children.setdefault(name, child)
    return sorted(children.items())


def _tracked(node: Any) -> dict[str, Any]:
    try:
        return dict(node._trackable_children())
    except ValueError:  # a dict with keys that are no text; what is in it is found by index
        return {}


def _leads_to_weights(child: Any) -> bool:
    containers = (list, tuple, dict)
    return isinstance(child, keras.layers.Layer | tf.Variable | tf.Module) or isinstance(
        getattr(child, "__wrapped__", child), containers
    )


def _join(path: str, name: str) -> str:
    name = name.replace("%", "%25").replace("/", "%2F")
    return f"{path}/{name}" if path else name
