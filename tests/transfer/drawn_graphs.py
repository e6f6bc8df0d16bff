"""Small Functional graphs drawn by Hypothesis, with a record of their edges that owes nothing to auxtask.

Skips, branches, one or two inputs, a Dense shared by several calls, a nested model, an auxiliary output, and
weight-free layers on the inputs as well as in between.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from auxtask.framework import keras

L = keras.layers
WIDTH = 4
OPS = ("dense", "dense", "tied", "relu", "drop", "add", "concat", "multiply", "nested")


@dataclass
class Drawn:
    """A model and its tensors: `path[i]` of the layer, `parents[i]`, and whether the layer is a `plain` function."""

    model: Any = None
    path: list[str] = field(default_factory=list)
    parents: list[tuple[int, ...]] = field(default_factory=list)
    plain: list[bool] = field(default_factory=list)
    tensors: list[Any] = field(default_factory=list)
    num_inputs: int = 0
    outputs: tuple[int, ...] = ()

    def note(self, path: str, parents: tuple[int, ...], plain: bool, tensor: Any) -> int:
        self.path.append(path)
        self.parents.append(parents)
        self.plain.append(plain)
        self.tensors.append(tensor)
        return len(self.path) - 1

    def free(self) -> list[int]:
        """Tensors that a layer may consume: all but those inside nested models."""
        return [i for i, tensor in enumerate(self.tensors) if tensor is not None]

    def needed(self) -> set[int]:
        found: set[int] = set()
        stack = list(self.outputs)
        while stack:
            i = stack.pop()
            if i not in found:
                found.add(i)
                stack += self.parents[i]
        return found

    def side(self) -> set[int]:
        side: set[int] = set()
        for i in range(len(self.path)):
            if self.plain[i] and side.issuperset(self.parents[i]):
                side.add(i)
        return side

    def every_path(self, left_out: set[int]) -> list[tuple[int, ...]]:
        """Every path to every output, walked backwards one by one, never through a tensor that is left out."""

        def walk(i: int) -> list[tuple[int, ...]]:
            before = [p for p in self.parents[i] if p not in left_out]
            return [(*path, i) for p in before for path in walk(p)] or [(i,)]

        return [path for i in self.outputs if i not in left_out for path in walk(i)]

    def cuts_by_force(self) -> list[int]:
        """The tensors on all paths, by looking at each path."""
        side = self.side()
        whole, reduced = self.every_path(set()), self.every_path(side)
        found = []
        for i in sorted(self.needed()):
            paths = whole if i in side else reduced
            if i >= self.num_inputs and paths and all(i in path for path in paths):
                found.append(i)
        return found


def plans(max_ops: int = 8) -> Any:
    """Strategy for what `build` takes: the number of inputs, the layers, and where the auxiliary output lies."""
    number = st.integers(0, 99)
    layers = st.lists(st.tuples(st.sampled_from(OPS), number, number), min_size=2, max_size=max_ops)
    return st.tuples(st.integers(1, 2), layers, st.none() | number)


def build(plan: tuple[int, list[tuple[str, int, int]], int | None]) -> Drawn:
    """The model of a plan; numbers choose among what there is by their remainder."""
    keras.backend.clear_session()
    num_inputs, layers, extra = plan
    drawn = Drawn(num_inputs=num_inputs)
    inputs = [keras.Input((WIDTH,), name=f"in{i}") for i in range(drawn.num_inputs)]
    for i, tensor in enumerate(inputs):
        drawn.note(f"in{i}", (), True, tensor)
    tied = L.Dense(WIDTH, activation="tanh", name="tied")
    for k, (op, near, far) in enumerate(layers):
        free = drawn.free()
        _add(drawn, op, free[-3:][near % len(free[-3:])], free[far % len(free)], k, tied)
    last = len(drawn.path) - 1
    inner = [i for i in drawn.free() if num_inputs <= i < last]
    drawn.outputs = (last,) if extra is None or not inner else (last, inner[extra % len(inner)])
    drawn.model = keras.Model(inputs, [drawn.tensors[i] for i in drawn.outputs], name="drawn")
    return drawn


def _add(drawn: Drawn, op: str, a: int, b: int, k: int, tied: Any) -> None:
    ta, tb = drawn.tensors[a], drawn.tensors[b]
    name = f"{op}{k}"
    if op == "dense":
        drawn.note(name, (a,), False, L.Dense(WIDTH, activation="tanh", name=name)(ta))
    elif op == "tied":
        drawn.note("tied", (a,), False, tied(ta))
    elif op == "relu":
        drawn.note(name, (a,), True, L.ReLU(name=name)(ta))
    elif op == "drop":
        drawn.note(name, (a,), False, L.Dropout(0.5, name=name)(ta))
    elif op == "add":
        drawn.note(name, (a, b), True, L.Add(name=name)([ta, tb]))
    elif op == "multiply":
        drawn.note(name, (a, b), True, L.Multiply(name=name)([ta, tb]))
    elif op == "concat":
        both = drawn.note(name, (a, b), True, L.Concatenate(name=name)([ta, tb]))
        narrow = L.Dense(WIDTH, name=f"{name}_narrow")(drawn.tensors[both])
        drawn.tensors[both] = None
        drawn.note(f"{name}_narrow", (both,), False, narrow)
    else:
        inner_in = keras.Input((WIDTH,))
        h = L.Dense(3, activation="relu", name="dense")(inner_in)
        nested = keras.Model(inner_in, L.Add(name="add")([L.Dense(WIDTH, name="up")(h), inner_in]), name=name)
        out = nested(ta)
        first = drawn.note(f"{name}/dense", (a,), False, None)
        up = drawn.note(f"{name}/up", (first,), False, None)
        drawn.note(f"{name}/add", (up, a), True, out)
