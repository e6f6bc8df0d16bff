"""Weights by object path, and copying them by it.

Never by list order (freezing a sub-layer reorders `weights`) and never by variable name (two nested
`d/kernel:0` collide). A path is the layers' names, then the attributes that lead to the variable:
``"outer/inner/kernel"``, ``"mixer/denses/0/kernel"``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from auxtask.framework import tf
from auxtask.transfer.graph import read_graph, variables_of
from auxtask.transfer.grouping import leaves_of_calls


def weights_by_path(model: Any) -> dict[str, tf.Variable]:
    """Every weight of a model (statistics included) by object path; a weight with two paths stands
    under both.

    Raises
    ------
    ValueError
        If the model has no graph, or a layer holds weights that no attribute leads to.
    """
    found: dict[str, tf.Variable] = {}
    for path, layer in leaves_of_calls(read_graph(model).calls).items():
        own = layer_weights(layer)
        lost = {id(w): w for w in variables_of(layer)}.keys() - {id(w) for w in own.values()}
        if lost:
            names = ", ".join(w.name for w in variables_of(layer) if id(w) in lost)
            raise ValueError(
                f"layer {path!r} holds weights that no attribute leads to ({names}): keep each in an attribute of its "
                "own, and give weights made by add_weight different names"
            )
        found.update((f"{path}/{name}", weight) for name, weight in own.items())
    return found


def layer_weights(layer: Any) -> dict[str, tf.Variable]:
    """The layer's weights with the attributes that lead to them, as TensorFlow's checkpoints walk them."""
    weights = {id(weight): weight for weight in variables_of(layer)}
    found: dict[str, tf.Variable] = {}
    seen = {id(layer)}
    level = [("", layer)]
    while level:
        below = []
        for path, owner in level:
            for name, child in sorted(owner._trackable_children().items()):
                here = f"{path}{name}"
                if id(child) in weights:
                    found[here] = weights[id(child)]
                elif id(child) not in seen:
                    seen.add(id(child))
                    below.append((f"{here}/", child))
        level = below
    return found


def copy_weights(source: Any, target: Any) -> None:
    """Copy all weights of one model to another of the same layers, matched by object path.

    Parameters
    ----------
    source, target : keras.Model
        `target` is changed in place.

    Raises
    ------
    ValueError
        One that lists every weight that the other side lacks or has with another shape or dtype;
        then nothing was copied.
    """
    ours, theirs = weights_by_path(source), weights_by_path(target)
    lacking = [f"{path} is only in {source.name}" for path in ours if path not in theirs]
    assign_by_path(ours, theirs, source.name, lacking)
    finish_states(target)


def assign_by_path(source: Mapping[str, Any], target: Mapping[str, Any], name: str, faults: list[str]) -> None:
    """Assign to every weight of `target` the one of the same path in `source`, unless there are
    faults.

    Raises
    ------
    ValueError
        That lists `faults` and every weight that is missing or has another shape or dtype.
    """
    faults = list(faults)
    for path, weight in target.items():
        if path not in source:
            faults.append(f"{path} is not in {name}")
        elif source[path].shape != weight.shape or source[path].dtype != weight.dtype:
            kinds = [f"{tuple(w.shape)} {w.dtype.name}" for w in (source[path], weight)]
            faults.append(f"{path} is {kinds[0]} in {name} but {kinds[1]} here")
    if faults:
        raise ValueError(f"weights do not match: {'; '.join(faults)}")
    for path, weight in target.items():
        weight.assign(source[path])


def finish_states(model: Any) -> None:
    """Let preprocessing layers (Normalization) work out again what they derive from their weights."""
    for layer in leaves_of_calls(read_graph(model).calls).values():
        for part in layer._flatten_layers():
            if hasattr(part, "finalize_state"):
                part.finalize_state()
