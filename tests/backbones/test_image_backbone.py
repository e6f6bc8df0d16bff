"""Any model that takes pictures becomes a backbone: pixels from 0 to 255 in, features out, the source unchanged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from auxtask.backbones.image_backbone import image_backbone
from auxtask.backbones.saving import load_backbone, save_backbone
from auxtask.backbones.small_nets import conv_backbone
from auxtask.framework import keras
from auxtask.transfer.cloning import reuse
from auxtask.transfer.groups import layer_groups, set_groups
from tests.transfer.models import shaken

L = keras.layers


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def tutorial(*extra: Any) -> keras.Model:
    """The dense net of first lessons: grey pictures without an axis of channels."""
    first = [keras.Input((8, 8)), L.Flatten(), L.Dense(6, "relu", name="hidden"), *extra]
    return shaken(keras.Sequential([*first, L.Dense(3, "softmax", name="classes")], name="tutorial"))


def test_a_tutorials_net_takes_pixels_and_loses_its_head() -> None:
    model = tutorial()
    backbone, notes = image_backbone(model)
    images = pixels(4, 8, 8, 1)
    hidden = keras.Model(model.inputs, model.get_layer("hidden").output)
    np.testing.assert_allclose(backbone(images), hidden(images[..., 0] / 255.0), rtol=1e-5, atol=1e-5)
    assert "head of tutorial (classes)" in notes[0] and "from 0 to 1, since it has no layer that rescales" in notes[1]
    assert layer_groups(backbone).names == ("block1",)


def test_what_goes_before_a_network_is_saved_with_it(tmp_path: Path) -> None:
    backbone, _ = image_backbone(tutorial(), (-1, 1))
    save_backbone(backbone, tmp_path / "saved")
    loaded = load_backbone(tmp_path / "saved")
    np.testing.assert_array_equal(loaded(pixels(4, 8, 8, 1)), backbone(pixels(4, 8, 8, 1)))
    assert layer_groups(loaded).names == layer_groups(backbone).names


@pytest.mark.parametrize("low_high", [(0, 1), (-1, 1), (0, 255)])
def test_pixels_are_brought_into_the_range_that_the_network_learned_from(low_high: tuple[int, int]) -> None:
    low, high = low_high
    same = keras.Sequential([keras.Input((8, 8, 1)), L.Flatten()])
    backbone, _ = image_backbone(same, low_high)
    expected = low + (high - low) * (pixels(2, 8, 8, 1).reshape(2, -1) / 255)
    np.testing.assert_allclose(backbone(pixels(2, 8, 8, 1)), expected, atol=1e-5)


def test_a_backbone_of_ours_stays_as_it_is() -> None:
    source = conv_backbone((16, 16, 3), (4, 8), seed=0)
    backbone, notes = image_backbone(source)
    assert "from 0 to 255" in notes[0] and backbone is not source
    assert image_backbone(source, (0, 255))[1] == []
    assert layer_groups(backbone).names == layer_groups(source).names == ("block1", "block2")
    np.testing.assert_array_equal(backbone(pixels(2, 16, 16, 3)), source(pixels(2, 16, 16, 3)))


@pytest.mark.parametrize(
    ("layer", "high"),
    [
        (L.Rescaling(1 / 127.5, -1), 255),
        (L.Rescaling(1.0, -127.0), 255),
        (L.Rescaling(2.0, -1.0), 1),
        (L.Normalization(mean=0.45, variance=0.05), 1),
        (L.Normalization(mean=110.0, variance=3000.0), 255),
    ],
)
def test_what_pixels_a_layer_that_rescales_expects_is_guessed_from_its_numbers_and_said(layer: Any, high: int) -> None:
    model = shaken(keras.Sequential([keras.Input((8, 8, 1)), layer, L.Flatten(), L.Dense(3, "relu")], name="mine"))
    backbone, notes = image_backbone(model)
    expected = model(pixels(2, 8, 8, 1) * (high / 255))
    np.testing.assert_allclose(backbone(pixels(2, 8, 8, 1)), expected, rtol=1e-4, atol=1e-4)
    assert f"from 0 to {high}, by its layer {layer.name} (pixel_range= says otherwise)" in notes[-1]


def test_feature_maps_are_averaged_and_an_authors_groups_are_kept() -> None:
    model = keras.Sequential([keras.Input((8, 8, 3)), L.Conv2D(4, 3, name="a"), L.Conv2D(5, 3, name="b")], name="maps")
    set_groups(model, {"low": ["a"], "high": ["b"]})
    backbone, _ = image_backbone(model, (0, 1))
    maps = model(pixels(2, 8, 8, 3) / 255.0)
    np.testing.assert_allclose(backbone(pixels(2, 8, 8, 3)), np.mean(maps, axis=(1, 2)), atol=1e-5)
    assert layer_groups(backbone).names == ("low", "high")


def test_a_network_for_pictures_of_any_size_needs_one() -> None:
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, L.Conv2D(4, 3)(inputs), name="any_size")
    with pytest.raises(ValueError, match="any_size takes pictures of any size: size= says which"):
        image_backbone(model)
    assert image_backbone(model, size=16)[0].input_shape == (None, 16, 16, 3)


def test_the_untrained_baseline_keeps_the_statistics_of_preprocessing() -> None:
    normalise = L.Normalization(axis=-1)
    normalise.adapt(pixels(20, 8, 8, 1).astype("float32"))
    model = keras.Sequential([keras.Input((8, 8, 1)), normalise, L.Flatten(), L.Dense(3, "relu", name="dense")])
    untrained = reuse(model, init="random", seed=1)
    named = normalise.name
    first = [keras.Model(net.inputs, net.get_layer(named).output)(pixels(4, 8, 8, 1)) for net in (model, untrained)]
    np.testing.assert_array_equal(*first)
    assert not np.array_equal(untrained.get_layer("dense").kernel, model.get_layer("dense").kernel)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("no model", "no network of Keras"),
        (keras.Sequential([keras.Input((4,)), L.Dense(3, "relu")]), "no pictures"),
        (keras.Sequential([keras.Input((8, 8, 4)), L.Flatten()]), "4 channels"),
        (keras.Sequential([keras.Input((8, 9, 1)), L.Flatten()]), "8 x 9, no squares"),
    ],
)
def test_what_takes_no_pictures_is_refused(model: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        image_backbone(model)


def test_a_range_or_a_size_that_does_not_fit_is_refused() -> None:
    for more, said in (({"pixel_range": (1, 0)}, "pixel_range=1,0"), ({"size": 9}, "size=9")):
        with pytest.raises(ValueError, match=said):
            image_backbone(tutorial(), **more)
