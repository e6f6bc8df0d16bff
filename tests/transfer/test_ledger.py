"""The ledger: a frozen weight or statistic that moved is found and named."""

from __future__ import annotations

import json

import numpy as np
import pytest

from auxtask.framework import keras
from auxtask.transfer.freezing import freeze, unfreeze
from auxtask.transfer.groups import layer_groups
from auxtask.transfer.ledger import Ledger
from tests.transfer.models import ZOO

L = keras.layers


def model_of():
    layers = [
        keras.Input((6,)),
        L.Dense(5, activation="relu", name="low"),
        L.BatchNormalization(name="norm"),
    ]
    return keras.Sequential([*layers, L.Dense(3, activation="softmax", name="top")])


def shift(weight):
    weight.assign_add(np.full(weight.shape, 1e-6, "float32") + 1e-3)


def test_what_is_thawed_may_move_and_what_is_frozen_stays():
    model, ledger = freeze(model_of()), Ledger()
    ledger.snapshot(model)
    shift(model.get_layer("top").kernel)
    ledger.check(model, "probe")
    low, head = ledger.rows
    assert (low["phase"], low["group"], low["frozen"], low["changed"]) == (
        "probe",
        "block1",
        True,
        False,
    )
    assert low["hash_before"] == low["hash_after"] and low["parameters"] == 6 * 5 + 5 + 4 * 5
    assert (head["group"], head["frozen"], head["changed"]) == ("head", False, True)


@pytest.mark.parametrize(
    ("layer", "index", "name"),
    [
        ("low", 0, "low/kernel"),
        ("low", 1, "low/bias"),
        ("norm", 0, "norm/gamma"),
        ("norm", 2, "norm/moving_mean"),
        ("norm", 3, "norm/moving_variance"),
    ],
)
def test_a_tampered_weight_raises_and_is_named(layer, index, name):
    model, ledger = freeze(model_of()), Ledger()
    ledger.snapshot(model)
    weight = model.get_layer(layer).weights[index]
    weight.assign(np.nextafter(weight.numpy(), np.float32(9)))  # one bit is enough
    with pytest.raises(ValueError, match=f"phase 'probe' moved 1 frozen weights: {name}$"):
        ledger.check(model, "probe")
    assert ledger.rows[0]["changed"] and ledger.rows[0]["frozen"]


@pytest.mark.parametrize("mode", ["inference", "train"])
def test_kept_statistics_of_a_thawed_batchnorm_are_watched_too(mode):
    model, ledger = model_of(), Ledger()
    unfreeze(model, batchnorm=mode)
    ledger.snapshot(model)
    shift(model.get_layer("norm").gamma)
    shift(model.get_layer("norm").moving_mean)
    if mode == "train":
        ledger.check(model, "tune")
    else:
        with pytest.raises(ValueError, match="norm/moving_mean"):
            ledger.check(model, "tune")


@pytest.mark.parametrize("kind", ["nested", "colliding", "subclassed_layers", "siamese", "shared"])
def test_every_weight_of_every_kind_of_model_is_watched(kind):
    model = ZOO[kind]()
    freeze(model, upto=layer_groups(model).names[-1])
    for weight in model.weights:
        ledger = Ledger()
        ledger.snapshot(model)
        shift(weight)
        with pytest.raises(ValueError, match="frozen weights"):
            ledger.check(model, "p")


def test_it_is_saved_and_printed(tmp_path):
    model, ledger = freeze(model_of()), Ledger()
    for phase in ("one", "two"):
        ledger.snapshot(model)
        ledger.check(model, phase)
    ledger.save(tmp_path / "ledger.json")
    assert json.loads((tmp_path / "ledger.json").read_text()) == ledger.rows
    assert [path.name for path in tmp_path.iterdir()] == ["ledger.json"]
    lines = str(ledger).splitlines()
    assert lines[0].split() == [
        "phase",
        "group",
        "frozen",
        "parameters",
        "before",
        "after",
        "changed",
    ]
    assert len(lines) == 5 and "frozen" in lines[1] and "same" in lines[1]


def test_check_without_snapshot_is_refused():
    with pytest.raises(ValueError, match="call snapshot"):
        Ledger().check(model_of(), "p")


def test_a_model_with_other_layers_than_at_the_snapshot_is_refused():
    model, ledger = model_of(), Ledger()
    ledger.snapshot(model)
    model.add(L.Dense(2, name="more"))
    with pytest.raises(ValueError, match="phase 'tune': the model's layers changed since the snapshot"):
        ledger.check(model, "tune")
