"""Put a head on a backbone."""

from __future__ import annotations

from typing import Any

import numpy as np

from auxtask.framework import keras
from auxtask.transfer.graph import read_graph, require_graph
from auxtask.transfer.grouping import HEAD, keep_groups, leaves_of_calls, segments

_POOLING = {
    3: keras.layers.GlobalAveragePooling1D,
    4: keras.layers.GlobalAveragePooling2D,
    5: keras.layers.GlobalAveragePooling3D,
}


def add_head(model: Any, head: int | Any, name: str = HEAD) -> Any:
    """A model with a head on top of `model`; all that is added forms the group ``"head"``.

    The result stands on the layers of `model` itself: training it trains them. (`reuse` copies
    first.)

    Parameters
    ----------
    model : keras.Model
        With one output and no head.
    head : int | keras.layers.Layer
        Number of classes: a Dense layer, with sigmoid for 1 and softmax from 2 on, in float32;
        sequences [n, t, d] and feature maps [n, h, w, d] are averaged first, sequences over the
        positions that Keras' implicit mask leaves. A layer (or a model) is called on the backbone's
        output as it is.
    name : str
        Name of the Dense layer, if `head` is a number.

    Raises
    ------
    ValueError
        If the model has a head or several outputs, for a number below 1, or a layer name that is
        taken.
    """
    require_graph(model)
    check_head(head)
    _, found = segments(model)
    if found[-1][0] == HEAD:
        layers = ", ".join(leaves_of_calls(found[-1][1]))
        raise ValueError(
            f"{model.name} has a head already ({layers}): drop it with reuse(model, drop_head=True), or if that layer "
            "belongs to the backbone, say so with set_groups"
        )
    if len(model.outputs) > 1:
        raise ValueError(
            f"{model.name} has {len(model.outputs)} outputs, a head goes on one: reuse it up to a layer, "
            "reuse(model, upto=...)"
        )
    taken = {layer.name for layer in model.layers}
    added = [head] if isinstance(head, keras.layers.Layer) else _classifier(model, int(head), name, taken)
    for layer in added:
        if layer.name in taken:
            raise ValueError(f"head: {model.name} has a layer named {layer.name!r} already, give the head another name")
    output = model.outputs[0]
    for layer in added:
        output = layer(output)
    new = keras.Model(model._nested_inputs, output, name=model.name)
    grouping = {group: tuple(leaves_of_calls(calls)) for group, calls, _ in found}
    named = {path for paths in grouping.values() for path in paths}
    leaves = leaves_of_calls(read_graph(new).calls)
    keep_groups(new, {**grouping, HEAD: tuple(path for path in leaves if path not in named)})
    return new


def check_head(head: Any) -> None:
    """Raise a ValueError unless `head` is a number of classes or a layer."""
    if isinstance(head, keras.layers.Layer):
        return
    if isinstance(head, bool) or not isinstance(head, (int, np.integer)) or head < 1:
        raise ValueError(
            f"head: expected a number of classes (1: sigmoid, more: softmax) or a tf_keras layer, got {head!r}"
        )


def _classifier(model: Any, num_classes: int, name: str, taken: set[str]) -> list[Any]:
    rank = len(model.outputs[0].shape)
    if rank not in (2, *_POOLING):
        raise ValueError(
            f"head: {model.name} puts out shape {tuple(model.outputs[0].shape)}; a classifier goes on rank 2 to 5"
        )
    pool, name = _free(f"{name}_pool", taken), _free(name, taken)
    pooling = [_POOLING[rank](name=pool)] if rank > 2 else []
    activation = "sigmoid" if num_classes == 1 else "softmax"
    # float32 under mixed precision too: a softmax in half precision loses the small probabilities.
    dense = keras.layers.Dense(num_classes, activation=activation, dtype="float32", name=name)
    return [*pooling, dense]


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name
