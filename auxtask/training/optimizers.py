"""Per-variable learning rates and step counts round any Keras optimizer.

Reusing layers needs three things that Keras' optimizers do not have: a rate per group that scales
the *whole* update (weight decay included), a schedule that starts again with each phase, and bias
correction that counts the updates which a variable really received. With Adam's one shared count,
the first update of a variable that was frozen for a thousand steps is several times the learning
rate, which is how fine-tuning destroys what pretraining learnt.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import MethodType
from typing import Any

import numpy as np

from auxtask.framework import keras, tf

Schedule = keras.optimizers.schedules.LearningRateSchedule
Scales = Mapping[Any, float] | Iterable[tuple[Any, float]]


@keras.saving.register_keras_serializable(package="auxtask")
class GroupRates(keras.optimizers.Optimizer):
    """A thin wrapper that gives variables their own share of another optimizer's update.

    For a variable with scale `s`, the new value is `old + s * (new - old)`, where `new` is what the
    wrapped optimizer would have written, its decoupled weight decay included: exact under any
    update rule, schedule and loss scaling, in graph and eager mode. Gradient clipping sees all
    gradients together, as in the bare optimizer. Constraints are applied after the scaling.
    Per-layer rates follow Howard and Ruder, "Universal Language Model Fine-tuning for Text
    Classification" (2018).

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
        Any `tf_keras` optimizer that is not a legacy one. The wrapper takes it over: slots stay in
        it, the learning rate variable is shared with it. (Nadam keeps one product of momenta for
        all variables, so there a count per variable is only approximate.)
    scales : mapping from `variable.ref()` to float, or iterable of (variable, float)
        Scales >= 0, keyed by variable and never by name; variables left out have scale 1.

    Raises
    ------
    ValueError
        If the optimizer is a legacy, loss-scaling or already wrapped one, or a scale is negative or
        not finite.
    """

    def __init__(self, optimizer: Any, scales: Scales = (), name: str = "GroupRates") -> None:
        _check_wrappable(optimizer)
        super().__init__(
            name=name,
            weight_decay=None,  # the wrapped optimizer's decay is part of the update that is scaled
            clipnorm=optimizer.clipnorm,
            clipvalue=optimizer.clipvalue,
            global_clipnorm=optimizer.global_clipnorm,
            use_ema=optimizer.use_ema,
            ema_momentum=optimizer.ema_momentum,
            ema_overwrite_frequency=optimizer.ema_overwrite_frequency,
            jit_compile=optimizer.jit_compile,
        )
        self.optimizer = optimizer
        with tf.init_scope():
            self._phase_start = tf.Variable(0, dtype=tf.int64, trainable=False, name="phase_start")
        self._current_learning_rate = optimizer.learning_rate
        self._learning_rate = optimizer._learning_rate
        self._scales = self._no_dependency({})
        self._scales_by_position: list[float] | None = None
        self.set_scales(scales)

    def set_scales(self, scales: Scales) -> None:
        """Replace all scales. Takes effect when the training step is next traced (compile or a
        fresh phase).
        """
        pairs = scales.items() if isinstance(scales, Mapping) else scales
        new = {}
        for key, scale in pairs:
            variable = key.deref() if hasattr(key, "deref") else key
            if not (math.isfinite(scale) and scale >= 0):
                raise ValueError(f"scale of {variable.name} is {scale}; a scale is a finite number >= 0")
            new[self._var_key(variable)] = float(scale)
        self._scales = self._no_dependency(new)

    def scale_of(self, variable: Any) -> float:
        """The share of the update that this variable gets, 1.0 unless set."""
        return float(self._scales.get(self._var_key(variable), 1.0))

    def build(self, var_list: Iterable[Any]) -> None:
        """Create the slots of every variable that will ever be trained, frozen ones too; later
        calls do nothing.
        """
        if getattr(self, "_built", False):
            return
        variables = list(var_list)
        super().build(variables)
        # Averages of the weights are this wrapper's: the wrapped optimizer never sees the scaled
        # values.
        averaging, self.optimizer.use_ema = self.optimizer.use_ema, False
        try:
            rebuild_over(self.optimizer, variables)
        finally:
            self.optimizer.use_ema = averaging
        count_steps_per_variable(self.optimizer)
        if self._scales_by_position is not None and not self._scales:
            self.set_scales(zip(variables, self._scales_by_position, strict=True))
        self._build_order = self._no_dependency(variables)
        self._built = True

    def update_step(self, gradient: Any, variable: Any) -> None:
        """Update one variable (Keras' extension point: clipping, distribution, constraints stay
        Keras').
        """
        scale = self.scale_of(variable)
        inner = self.optimizer
        old = None if scale == 1.0 else tf.identity(variable)
        if inner.weight_decay is not None and inner._use_weight_decay(variable):
            rate = tf.cast(inner.learning_rate, variable.dtype)
            variable.assign_sub(variable * tf.cast(inner.weight_decay, variable.dtype) * rate)
        inner.update_step(gradient, variable)
        if old is not None:
            variable.assign(old + tf.cast(scale, variable.dtype) * (variable - old))

    def _create_iteration_variable(self) -> None:
        # Under a name of its own: HDF5 files (a checkpoint during a fit) keep variables by name.
        with tf.init_scope():
            self._iterations = tf.Variable(0, name="steps_in_all", dtype=tf.int64, trainable=False)
        self._variables.append(self._iterations)

    def hand_over(self) -> None:
        """Leave the wrapped optimizer, with its step count (and averages of weights), fit to go on by itself."""
        self.optimizer.iterations.assign(self.iterations)
        if self.optimizer.use_ema and getattr(self, "_built", False):
            self.optimizer._model_variables_moving_average = self._model_variables_moving_average

    def thaw(self, variables: Iterable[Any]) -> None:
        """Let these variables start afresh: step count 0 and slots as new.

        A variable that never was updated needs no call: its own count is still 0. For one that was
        trained, frozen for a while and is now trained again, this forgets momentum from before the
        others moved on.
        """
        variables = list(variables)
        if not variables:
            return
        positions = [self._position(variable) for variable in variables]
        fresh = type(self.optimizer).from_config(self.optimizer.get_config())
        fresh.build(variables)
        for name, slots in _slot_lists(fresh).items():
            for position, slot in zip(positions, slots, strict=True):
                getattr(self.optimizer, name)[position].assign(slot)
        for position in positions:
            self.optimizer._steps_per_variable[position].assign(0)

    def start_phase(self, learning_rate: Any, scales: Scales | None = None) -> None:
        """Begin a phase: the rate (a float or a schedule, which counts from here) and, if given,
        the scales.

        Momentum, step counts and `iterations` go on. Call it between `fit` calls and, if a schedule
        or the scales change, let the training step be traced again (`compile`, `freeze` and
        `fine_tune` do).
        """
        if not isinstance(learning_rate, Schedule):
            check_rate(learning_rate)
        self._phase_start.assign(self.iterations)
        if isinstance(learning_rate, Schedule):
            self._learning_rate = learning_rate
            first = learning_rate(tf.constant(0, tf.int64))
            self._current_learning_rate.assign(tf.cast(first, self._current_learning_rate.dtype))
        else:
            self._learning_rate = self._current_learning_rate
            self._current_learning_rate.assign(learning_rate)
        if scales is not None:
            self.set_scales(scales)

    @property
    def variables(self) -> Any:
        """Everything that a checkpoint holds, in a fixed order: ours first, then the wrapped
        optimizer's.
        """
        own = list(self._variables) + [self._phase_start]
        return type(super().variables)(own + list(self.optimizer.variables))

    def get_config(self) -> dict[str, Any]:
        """JSON of the wrapped optimizer and the scales, the latter in the order of `build`."""
        order = getattr(self, "_build_order", None)
        scales = self._scales_by_position if order is None else [self.scale_of(v) for v in order]
        return {
            "name": self.name,
            "optimizer": keras.optimizers.serialize(self.optimizer),
            "scales": None if scales is None else list(scales),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> GroupRates:
        """Make an unbuilt optimizer; its scales are matched to variables by their order in `build`."""
        inner = keras.optimizers.deserialize(config["optimizer"], custom_objects=custom_objects)
        made = cls(inner, name=config["name"])
        made._scales_by_position = made._no_dependency(config["scales"])
        return made

    def _compute_current_learning_rate(self) -> None:
        if isinstance(self._learning_rate, Schedule):
            rate = self._learning_rate(self.iterations - self._phase_start)
            self._current_learning_rate.assign(tf.cast(rate, self._current_learning_rate.dtype))

    def _position(self, variable: Any) -> int:
        position = getattr(self, "_index_dict", {}).get(self._var_key(variable))
        if position is None:
            raise ValueError(f"{variable.name} is not one of the variables this optimizer was built over")
        return int(position)


def check_rate(learning_rate: Any) -> None:
    """Raise ValueError unless the learning rate is a finite number > 0."""
    number = isinstance(learning_rate, (int, float, np.number)) and not isinstance(learning_rate, bool)
    if not number or not (math.isfinite(learning_rate) and learning_rate > 0):
        raise ValueError(f"learning_rate is {learning_rate!r}; valid: a finite number > 0 or a Keras schedule")


def is_modern(optimizer: Any) -> bool:
    """Whether this is a `tf_keras` optimizer of the kind with slots by position (not legacy, not
    loss scaling).
    """
    scaling = hasattr(optimizer, "inner_optimizer")
    return isinstance(optimizer, keras.optimizers.Optimizer) and not scaling


def rebuild_over(optimizer: Any, variables: Iterable[Any]) -> None:
    """Build an optimizer over all these variables, in place; slots that it already has are kept, by
    variable.

    Keras builds slots for the variables that are trainable when it first runs, and raises KeyError
    when another one is thawed later. The optimizer object, its learning rate and its `iterations`
    stay the same.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
        Not a legacy one (those make slots as they go).
    variables : iterable of tf.Variable
        All variables that may ever be trained. Variables known to the optimizer but not listed lose
        their slots.
    """
    variables = list(variables)
    known = dict(getattr(optimizer, "_index_dict", {})) if getattr(optimizer, "_built", False) else {}
    if known and known == {optimizer._var_key(v): i for i, v in enumerate(variables)}:
        return
    slots = _slot_lists(optimizer) if known else {}
    scalars = {
        key: value
        for key, value in vars(optimizer).items()
        if known and isinstance(value, tf.Variable) and key not in ("_iterations", "_learning_rate")
    }
    if known:
        held = {id(slot) for many in slots.values() for slot in many}
        optimizer._variables = [v for v in optimizer._variables if id(v) not in held]
        optimizer._built = False
    with tf.init_scope():
        optimizer.build(variables)
    for name, old in slots.items():
        for variable in variables:
            position = known.get(optimizer._var_key(variable))
            if position is not None:
                new = getattr(optimizer, name)[optimizer._index_dict[optimizer._var_key(variable)]]
                new.assign(old[position])
    for name, scalar in scalars.items():
        getattr(optimizer, name).assign(scalar)


def has_been_updated(optimizer: Any, variable: Any) -> bool:
    """Whether the optimizer has a slot for this variable that is not all zero."""
    if not getattr(optimizer, "_built", False):
        return False
    position = optimizer._index_dict.get(optimizer._var_key(variable))
    if position is None:
        return False
    return any(np.any(slots[position].numpy()) for slots in _slot_lists(optimizer).values())


def count_steps_per_variable(optimizer: Any, steps: Iterable[tuple[Any, int]] = ()) -> None:
    """Make a built optimizer count, for each variable, the updates which that variable received.

    Adam's bias correction (Kingma and Ba, 2015) assumes that slots and count started together. The
    count replaces `iterations` only while one variable is updated; class, config, learning rate and
    saved files stay Keras' own. A variable in `steps` starts at the given count; one that is
    already counted keeps its count.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
        Built, not legacy.
    steps : iterable of (tf.Variable, int)
        Updates already received. Everything else starts at 0.
    """
    known: dict[Any, Any] = dict(getattr(optimizer, "_steps_by_key", {}))
    given = {optimizer._var_key(variable): count for variable, count in steps}
    keys = sorted(optimizer._index_dict, key=optimizer._index_dict.__getitem__)
    counts = []
    with tf.init_scope():
        for key in keys:
            start = known[key] if key in known else given.get(key, 0)
            counts.append(tf.Variable(start, dtype=tf.int64, trainable=False, name="steps"))
    optimizer._steps_per_variable = counts
    optimizer._steps_by_key = optimizer._no_dependency(dict(zip(keys, counts, strict=True)))
    vars(optimizer)["update_step"] = MethodType(_update_step_with_own_count, optimizer)
    if hasattr(optimizer, "_coalesced_children"):  # an earlier checkpoint's cached view of the slots
        del optimizer._coalesced_children


def _update_step_with_own_count(optimizer: Any, gradient: Any, variable: Any) -> None:
    count = optimizer._steps_by_key[optimizer._var_key(variable)]
    with _iterations_are(optimizer, count):
        type(optimizer).update_step(optimizer, gradient, variable)
    count.assign_add(1)


@contextmanager
def _iterations_are(optimizer: Any, count: Any) -> Iterator[None]:
    # Straight into the instance's dict: Keras' own setter refuses a change after build, and
    # tracking must not notice.
    shared = vars(optimizer)["_iterations"]
    vars(optimizer)["_iterations"] = count
    try:
        yield
    finally:
        vars(optimizer)["_iterations"] = shared


def _slot_lists(optimizer: Any) -> dict[str, list[Any]]:
    """The lists of slot variables by attribute name; every Keras optimizer keeps one slot a
    variable, by position.
    """
    size = len(optimizer._index_dict)
    return {
        name: list(value)
        for name, value in vars(optimizer).items()
        if name not in ("_variables", "_steps_per_variable")
        and isinstance(value, (list, tuple))
        and len(value) == size > 0
        and all(isinstance(slot, tf.Variable) for slot in value)
    }


def _check_wrappable(optimizer: Any) -> None:
    if isinstance(optimizer, GroupRates):
        raise ValueError("optimizer is a GroupRates already; pass the optimizer that it wraps")
    if not is_modern(optimizer):
        raise ValueError(
            f"optimizer is {type(optimizer).__name__}; valid: an instance of a tf_keras "
            "optimizer such as "
            "keras.optimizers.Adam(1e-3), not a legacy or loss-scaling one"
        )
