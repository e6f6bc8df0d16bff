"""Freeze and thaw groups of layers, at once, on compiled models too, and really in inference mode.

Three things that Keras does not do by itself. A change of `trainable` after `compile` is ignored;
here the training step is traced again and the optimizer keeps its slots, by variable.
`trainable=False` leaves Dropout active; here every layer of a frozen group that has a `training`
argument runs in inference mode. A thawed BatchNorm overwrites its moving statistics from the first
small batch; here it keeps them, while gamma and beta train, unless asked.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Iterable
from types import FrameType, MethodType
from typing import Any, Literal

from auxtask.framework import keras, tf
from auxtask.training.optimizers import (
    GroupRates,
    count_steps_per_variable,
    has_been_updated,
    is_modern,
    rebuild_over,
)
from auxtask.transfer.graph import is_searchable, own_variables
from auxtask.transfer.groups import layer_groups, layers_of

BatchNormMode = Literal["inference", "train"]

_MARK = "auxtask_inference"
_FIT = inspect.unwrap(keras.Model.fit).__code__
# The common base of BatchNormalization and SyncBatchNormalization has no public name.
_BATCHNORM = tuple(
    cls for cls in keras.layers.BatchNormalization.__mro__ if cls.__name__ == "BatchNormalizationBase"
) or (keras.layers.BatchNormalization,)


def freeze(model: Any, upto: str | int | None = None) -> Any:
    """Freeze a model's first groups: no updates, no moving statistics, no dropout.

    Groups above `upto` stay as they are. On a compiled model this takes effect at once: loss,
    metrics, optimizer and its slots stay. (A compiled model that *contains* this one must be frozen
    itself.)

    Parameters
    ----------
    model : keras.Model
        Changed in place.
    upto : str | int, optional
        The last group to freeze, by name, or how many groups from the input (the head is not
        counted). None: every group but the head.

    Returns
    -------
    keras.Model
        The same model.

    Raises
    ------
    ValueError
        For an unknown group, a count outside 1..number of groups, or a call inside `fit`.
    """
    _refuse_inside_fit(model, "freeze")
    names = groups_upto(model, upto)
    layers = [layer for name in names for layer in layers_of(model, name)]
    _set_trainable(model, layers, trainable=False)
    for layer in layers:
        set_inference_mode(layer, True)
    retrace(model)
    return model


def unfreeze(model: Any, last: str | int | None = None, batchnorm: BatchNormMode = "inference") -> Any:
    """Thaw a model's last groups; they train from the next step on.

    Groups below `last` stay as they are. A compiled model's optimizer keeps its slots, and counts
    for each thawed variable its own updates, so that Adam's first one is no larger than the
    learning rate.

    Parameters
    ----------
    model : keras.Model
        Changed in place.
    last : str | int, optional
        The lowest group to thaw, by name, or how many groups from the top (the head is thawed with
        them and not counted). None: everything.
    batchnorm : {"inference", "train"}
        Whether thawed BatchNorm keeps its moving statistics (gamma and beta train all the same) or
        updates them. In the group `head`, which is new, it always updates them.

    Returns
    -------
    keras.Model
        The same model.

    Raises
    ------
    ValueError
        For an unknown group or mode, a count outside 1..number of groups, or a call inside `fit`.
    """
    _refuse_inside_fit(model, "unfreeze")
    check_batchnorm(batchnorm)
    names = _groups_from(model, last)
    _set_trainable(model, [layer for n in names for layer in layers_of(model, n)], trainable=True)
    for name in names:
        keep_statistics = batchnorm == "inference" and name != "head"
        for layer in layers_of(model, name):
            set_inference_mode(layer, False)
            for part in layer._flatten_layers():
                if keep_statistics and isinstance(part, _BATCHNORM):
                    set_inference_mode(part, True)
    retrace(model)
    return model


def frozen_groups(model: Any) -> tuple[str, ...]:
    """The names of the groups of which every layer is frozen, from the input up."""
    return tuple(group.name for group in layer_groups(model) if group.trainable is False)


def set_inference_mode(layer: Any, on: bool) -> None:
    """Let a layer and its sub-layers run as in inference whatever `training` says, or (off) as
    Keras made them.

    Only the instance's `call` is shadowed, by a bound method: rates, config, weights and saved
    files stay as they are, a deep copy is bound to the copy, and taking the shadow away restores
    the layer exactly. Traced functions must be traced again (`retrace`).
    """
    for part in layer._flatten_layers():
        if on and part._expects_training_arg and not in_inference_mode(part):
            if "call" in vars(part):  # a layer revived from a SavedModel has its `call` on the instance
                vars(part)["_live_call"] = vars(part)["call"]
            vars(part)["call"] = MethodType(_in_inference(part), part)
        elif not on and in_inference_mode(part):
            del vars(part)["call"]
            if "_live_call" in vars(part):
                vars(part)["call"] = vars(part).pop("_live_call")


def in_inference_mode(layer: Any) -> bool:
    """Whether `set_inference_mode` has switched this layer."""
    return hasattr(getattr(vars(layer).get("call"), "__func__", None), _MARK)


def _in_inference(layer: Any) -> Any:
    """Make what shadows a layer's `call`, with the same signature: wrappers look there for a mask, say."""

    @functools.wraps(type(layer).call)
    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        return _call_in_inference(layer, *args, **kwargs)

    call.__signature__ = inspect.signature(type(layer).call)  # type: ignore[attr-defined]
    setattr(call, _MARK, True)
    return call


def _call_in_inference(layer: Any, *args: Any, **kwargs: Any) -> Any:
    # Not marked as "do not convert": a user's layer may need autograph inside its call.
    names = [name for name in layer._call_spec.full_argspec.args if name != "self"]
    if "training" in names and names.index("training") < len(args):
        position = names.index("training")
        args = args[:position] + (False,) + args[position + 1 :]
    else:
        kwargs = {**kwargs, "training": False}
    if "_live_call" in vars(layer):
        return vars(layer)["_live_call"](*args, **kwargs)
    return type(layer).call(layer, *args, **kwargs)


def retrace(model: Any) -> None:
    """Make a compiled model notice what changed: new training step, same loss, metrics, optimizer
    and slots.

    This is what `compile` does to the step, without what it does to the rest: metric objects, loss
    weights and a `compile` of the model's own stay untouched.
    """
    if not getattr(model, "_is_compiled", False):
        return
    with model.distribute_strategy.scope():
        for optimizer in tf.nest.flatten(model.optimizer):
            unscaled = getattr(optimizer, "inner_optimizer", optimizer)
            _carry_slots(unscaled, variables_to_train(model))
    model._reset_compile_cache()


def variables_to_train(model: Any) -> list[Any]:
    """Every variable that can be trained, frozen now or not, in an order that freezing does not
    change.
    """
    variables: dict[int, Any] = {}
    for layer in model._flatten_layers():
        for variable in own_variables(layer)[0]:
            variables.setdefault(id(variable), variable)
    return list(variables.values())


def groups_upto(model: Any, upto: str | int | None) -> tuple[str, ...]:
    """Names of the groups from the input to `upto` inclusive, read as `freeze` reads it; raises
    ValueError.
    """
    groups = layer_groups(model)
    backbone = [name for name in groups.names if name != "head"]
    if upto is None:
        return tuple(backbone)
    if isinstance(upto, str):
        return tuple(groups.names[: groups.index_of(upto) + 1])
    _check_count(upto, "upto", backbone)
    return tuple(backbone[:upto])


def _groups_from(model: Any, last: str | int | None) -> tuple[str, ...]:
    groups = layer_groups(model)
    if last is None:
        return tuple(groups.names)
    if isinstance(last, str):
        return tuple(groups.names[groups.index_of(last) :])
    backbone = [name for name in groups.names if name != "head"]
    _check_count(last, "last", backbone)
    return tuple(groups.names[groups.index_of(backbone[-last]) :])


def _check_count(count: Any, argument: str, backbone: list[str]) -> None:
    whole = isinstance(count, int) and not isinstance(count, bool)
    if not whole or not 1 <= count <= len(backbone):
        raise ValueError(
            f"{argument} is {count!r}; valid: 1 to {len(backbone)} groups, or one of {', '.join(backbone)}"
        )


def check_batchnorm(batchnorm: Any) -> None:
    """Raise ValueError unless this is a mode of BatchNorm."""
    if batchnorm not in ("inference", "train"):
        raise ValueError(f"batchnorm is {batchnorm!r}; valid: inference, train")


def _set_trainable(model: Any, layers: Iterable[Any], trainable: bool) -> None:
    """Set leaves without disturbing others: Keras' own setter on a container overwrites all that is
    inside.
    """
    parts = [*model._flatten_layers()]
    # A model made of layers has no variables of its own; one that is a class of the user's may.
    flags = {id(part): part.trainable for part in parts if not is_searchable(part)}
    asked_for = {id(part) for layer in layers for part in layer._flatten_layers()}
    flags.update(dict.fromkeys(asked_for, trainable))
    # A container that is not trainable hides its thawed leaves.
    model.trainable = True
    for part in parts:  # parents come before their sub-layers, so the inner setting wins
        if id(part) in flags:
            part.trainable = flags[id(part)]
    if not trainable:  # last, since a thawed layer may hold one of these as a sub-layer (tied weights)
        for part in parts:
            if id(part) in asked_for:
                part.trainable = False


def _carry_slots(optimizer: Any, variables: list[Any]) -> None:
    if isinstance(optimizer, GroupRates):
        optimizer.build(variables)  # built over everything from the start
    elif is_modern(optimizer):
        counted = hasattr(optimizer, "_steps_by_key")
        updated = [] if counted else [v for v in variables if has_been_updated(optimizer, v)]
        rebuild_over(optimizer, variables)
        count = int(optimizer.iterations.numpy())
        count_steps_per_variable(optimizer, [(variable, count) for variable in updated])
    # A legacy optimizer makes its slots when a variable first comes along.


def _refuse_inside_fit(model: Any, verb: str) -> None:
    # Keras keeps no mark of a running `fit`, so look for it among the callers.
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code is _FIT:
            fitted: Any = frame.f_locals.get("self")
            if fitted is model or any(part is model for part in fitted._flatten_layers()):
                raise ValueError(
                    f"{verb} was called inside fit, which would not notice; call it between two fits "
                    "or let fine_tune run a plan with several phases"
                )
        frame = frame.f_back
