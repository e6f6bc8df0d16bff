"""The residual backbone: shapes, groups, determinism, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from auxtask.backbones.conv import residual_backbone
from auxtask.framework import keras, tf
from auxtask.transfer.groups import group_variables, layer_groups

SMALL = {"size": 24, "stages": (4, 8), "embedding": 6}


def photos(number: int = 3, size: int = 24, channels: int = 3) -> np.ndarray:
    random = np.random.default_rng(0)
    return random.integers(0, 256, (number, size, size, channels), np.uint8)


def test_groups_run_from_the_stem_to_the_embedding_and_hold_every_weight():
    backbone = residual_backbone(**SMALL)
    assert layer_groups(backbone).names == ("stem", "block1", "block2", "embedding")
    held = sum(group_variables(backbone).values(), [])
    assert {v.ref() for v in held} == {v.ref() for v in backbone.weights}


def test_the_default_is_the_network_of_the_measured_prototype():
    backbone = residual_backbone()
    assert backbone.input_shape == (None, 72, 72, 3)
    assert backbone.output_shape == (None, 256)
    # Counted by hand: convolutions without bias, 4 numbers per BatchNorm channel.
    norm = 4
    count = 3 * 9 * 32 + norm * 32
    before = 32
    for filters in (32, 64, 128, 256):
        count += 9 * filters * (before + filters) + 2 * norm * filters
        count += (before * filters + norm * filters) if before != filters else 0
        before = filters
    count += 5 * 5 * 256 * 256 + norm * 256  # 72 -> 36 -> 36, 18, 9, 5
    assert backbone.count_params() == count


@pytest.mark.parametrize("squeeze", [0, 4])
@pytest.mark.parametrize(
    ("settings", "num_blocks"),
    [
        ({"stages": (4, 8, 8), "blocks": 2}, 6),
        ({"stages": (4, 8), "blocks": (1, 3), "strides": (2, 1), "stem": 6, "stem_stride": 1}, 4),
        ({"stages": (4,), "pooling": "average", "channels": 1}, 1),
    ],
)
def test_stages_blocks_strides_and_stem_are_free(settings, num_blocks, squeeze):
    backbone = residual_backbone(size=20, embedding=5, squeeze=squeeze, **settings)
    out = backbone(photos(2, 20, settings.get("channels", 3)))
    assert out.shape == (2, 5) and out.dtype == tf.float32
    assert sum(isinstance(layer, keras.layers.Add) for layer in backbone.layers) == num_blocks
    gates = sum(isinstance(layer, keras.layers.Multiply) for layer in backbone.layers)
    assert gates == (num_blocks if squeeze else 0)
    expected = ["stem", *(f"block{i + 1}" for i in range(len(settings["stages"]))), "embedding"]
    assert list(layer_groups(backbone).names) == expected


def test_uint8_and_float_photos_give_the_same():
    backbone = residual_backbone(**SMALL, seed=0)
    a, b = backbone(photos()), backbone(photos().astype(np.float32))
    np.testing.assert_array_equal(a, b)


def test_a_seed_fixes_the_start_whatever_ran_before():
    first = residual_backbone(**SMALL, seed=3)
    tf.random.set_seed(7)
    second, other = residual_backbone(**SMALL, seed=3), residual_backbone(**SMALL, seed=4)
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.abs(first(photos()) - other(photos())).max() > 1e-3
    kernels = [w for w in first.get_weights() if w.ndim == 4 and w.shape == (3, 3, 4, 4)]
    assert len(kernels) > 1 and not np.array_equal(kernels[0], kernels[1])


def test_it_starts_as_its_shortcuts():
    backbone = residual_backbone(size=24, stages=(4,), embedding=6, seed=0)
    stem = keras.Model(backbone.input, backbone.get_layer("stem_relu").output)
    block = keras.Model(backbone.input, backbone.get_layer("block1_a_relu").output)
    np.testing.assert_array_equal(block(photos()), stem(photos()))


def test_half_precision_computes_inside_and_gives_float32():
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        backbone = residual_backbone(**SMALL)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert backbone.get_layer("stem_conv").compute_dtype == "bfloat16"
    assert backbone(photos()).dtype == tf.float32


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stages": ()}, "stages"),
        ({"stages": (4, 8), "blocks": (1,)}, "same length"),
        ({"stages": (4, 8), "strides": (1, 2, 2)}, "same length"),
        ({"stages": (4, 0)}, "stages must be at least 1"),
        ({"blocks": 0}, "blocks must be at least 1"),
        ({"size": 0}, "size must be at least 1"),
        ({"embedding": 0}, "embedding must be at least 1"),
        ({"stem_stride": 0}, "stem_stride must be at least 1"),
        ({"dropout": 1.0}, "dropout"),
        ({"pooling": "max"}, "flatten, average"),
        ({"squeeze": -1}, "squeeze"),
    ],
)
def test_senseless_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        residual_backbone(**settings)
