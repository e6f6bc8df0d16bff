"""Plans: epochs count the same everywhere, and bad arguments name the valid ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auxtask.framework import keras
from auxtask.transfer.plans import PLAN_NAMES, Phase, Plan


@pytest.mark.parametrize("name", PLAN_NAMES)
def test_every_built_in_plan_has_the_same_number_of_epochs(name):
    assert Plan.named(name).num_epochs == 20
    assert Plan.named(name).name == name
    assert getattr(Plan, name)(epochs=7).num_epochs == 7


def test_what_the_built_in_plans_freeze():
    assert [p.frozen_upto for p in Plan.probe().phases] == ["backbone"]
    assert [p.frozen_upto for p in Plan.full().phases] == [None]
    assert [p.frozen_upto for p in Plan.probe_then_tune().phases] == ["backbone", None]
    assert [p.frozen_upto for p in Plan.gradual(num_groups=3).phases] == ["backbone", 2, 1, None]
    probe, tune = Plan.probe_then_tune(epochs=10, probe_epochs=4, layer_decay=0.5).phases
    assert (probe.epochs, tune.epochs, tune.layer_decay) == (4, 6, 0.5)
    assert tune.learning_rate < probe.learning_rate
    assert Plan.scratch().phases[0].batchnorm == "train"  # random weights have no statistics to keep


@given(epochs=st.integers(1, 40), num_groups=st.integers(1, 12))
def test_gradual_thaws_from_the_top_to_everything_within_its_epochs(epochs, num_groups):
    plan = Plan.gradual(epochs, num_groups=num_groups)
    frozen = [{"backbone": num_groups, None: 0}.get(p.frozen_upto, p.frozen_upto) for p in plan.phases]
    assert plan.num_epochs == epochs
    assert len(frozen) == min(epochs, num_groups + 1)
    assert frozen == sorted(set(frozen), reverse=True) and frozen[-1] == 0
    assert len(frozen) == 1 or frozen[0] == num_groups


def test_schedules_are_learning_rates():
    schedule = keras.optimizers.schedules.CosineDecay(1e-3, 10)
    assert Phase(1, schedule).learning_rate is schedule


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Phase(-1), "epochs is -1; valid: an integer >= 1"),
        (lambda: Phase(0), "epochs is 0"),
        (lambda: Phase(1.5), "epochs is 1.5"),
        (
            lambda: Phase(1, learning_rate=-1e-3),
            "learning_rate is -0.001; valid: a finite number > 0",
        ),
        (lambda: Phase(1, learning_rate=float("nan")), "learning_rate is nan"),
        (lambda: Phase(1, learning_rate="fast"), "learning_rate is 'fast'"),
        (lambda: Phase(1, layer_decay=0.0), "layer_decay is 0.0; valid"),
        (lambda: Phase(1, layer_decay=1.5), "layer_decay is 1.5; valid"),
        (lambda: Phase(1, batchnorm="on"), "batchnorm is 'on'; valid: inference, train"),
        (lambda: Phase(1, patience=0), "patience is 0"),
        (lambda: Phase(1, mode="best"), "mode is 'best'; valid: auto, min, max"),
        (lambda: Phase(1, frozen_upto=True), "frozen_upto is True; valid"),
        (lambda: Plan("empty", ()), "at least one phase"),
        (lambda: Plan("odd", (3,)), "nothing but Phase"),
        (lambda: Plan.probe(epochs=-2), "epochs is -2"),
        (
            lambda: Plan.probe_then_tune(epochs=1),
            "probe_epochs is 1 of 1 epochs; valid: 1 to epochs - 1",
        ),
        (lambda: Plan.probe_then_tune(epochs=5, probe_epochs=5), "probe_epochs is 5 of 5"),
        (lambda: Plan.gradual(num_groups=0), "num_groups is 0"),
        (
            lambda: Plan.named("probe_then_tun"),
            r"plan is 'probe_then_tun' \(did you mean 'probe_then_tune'\?\); valid: scratch, "
            r"probe, full",
        ),
    ],
)
def test_bad_arguments_name_the_valid_ones(make, message):
    with pytest.raises(ValueError, match=message):
        make()
