"""Networks of tf_keras.applications: their preprocessing is inside, and what cannot be had is said in one line."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from auxtask.backbones.applications import _preprocessed, application_backbone, application_names
from auxtask.backbones.saving import load_backbone, save_backbone
from auxtask.framework import keras
from auxtask.transfer.cloning import reuse
from auxtask.transfer.fine_tuning import fine_tune
from auxtask.transfer.groups import layer_groups
from auxtask.transfer.plans import Plan

PICTURES = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3)).astype("float32")


@pytest.mark.parametrize("name", application_names())
def test_the_first_layers_do_what_preprocess_input_does(name: str) -> None:
    make = getattr(keras.applications, name)
    inputs = keras.Input((32, 32, 3))
    found = keras.Model(inputs, _preprocessed(inputs, make))(PICTURES)
    expected = sys.modules[make.__module__].preprocess_input(PICTURES.copy())
    np.testing.assert_allclose(found, expected, atol=1e-5 * max(1.0, np.abs(expected).max()))


def test_saved_and_loaded_the_preprocessing_is_still_there(tmp_path: Path) -> None:
    backbone = application_backbone("VGG16", 32, weights=None)  # the kind that reverses channels
    save_backbone(backbone, tmp_path / "saved")
    loaded = load_backbone(tmp_path / "saved")
    np.testing.assert_array_equal(loaded(PICTURES), backbone(PICTURES))
    assert loaded.output_shape == (None, 512) and "head" not in layer_groups(loaded).names


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MobileNetV2", "EfficientNetB0", "DenseNet121", "ResNet50"])
def test_groups_freezing_and_batchnorm_work_on_published_networks(name: str, tmp_path: Path) -> None:
    backbone = application_backbone(name, 32, weights=None)
    save_backbone(backbone, tmp_path / "saved")
    groups = layer_groups(load_backbone(tmp_path / "saved"))
    assert groups.names == ("block1", "block2", "block3", "block4", "block5")
    assert sum(group.num_parameters for group in groups) == backbone.count_params()
    model = reuse(backbone, head=2)
    before = [weight.numpy() for weight in backbone.weights]
    tuned = fine_tune(model, (PICTURES, np.array([0, 1, 0])), plan=Plan.probe_then_tune(2))
    assert {row["phase"] for row in tuned.ledger.rows} == {"probe", "tune"}  # the ledger raises if what is frozen moves
    assert all(np.array_equal(old, new) for old, new in zip(before, backbone.get_weights(), strict=True))
    moving = [weight for weight in model.weights if "moving" in weight.name]
    kept = [weight.numpy() for weight in backbone.weights if "moving" in weight.name]
    assert moving and all(np.array_equal(a.numpy(), b) for a, b in zip(moving, kept, strict=True))


@pytest.mark.parametrize(
    ("name", "size", "said"),
    [
        ("MobilNetV2", 32, "did you mean 'MobileNetV2'"),
        ("zzz", 32, "no network of tf_keras.applications"),
        ("VGG16", 8, "VGG16 at size=8: Input size must be at least 32x32"),
    ],
)
def test_what_there_is_not_is_said_in_one_line(name: str, size: int, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        application_backbone(name, size, weights=None)
    assert "\n" not in str(caught.value)


def test_a_network_that_needs_code_is_refused(monkeypatch) -> None:
    def made(input_tensor, **more):
        return keras.Model(input_tensor, keras.layers.GlobalAveragePooling2D()(input_tensor + 3.0))

    made.__module__ = keras.applications.MobileNetV2.__module__
    monkeypatch.setattr(keras.applications, "MobileNetV2", made)
    with pytest.raises(ValueError, match=r"MobileNetV2 holds TFOpLambda, which cannot be saved without code"):
        application_backbone("MobileNetV2", 32, weights=None)


def test_weights_that_cannot_be_downloaded_are_said_in_one_line(monkeypatch) -> None:
    def made(**more):
        raise Exception("URL fetch failure on https://example.org/weights.h5: None -- [Errno -3] no name")

    made.__module__ = keras.applications.MobileNetV2.__module__
    monkeypatch.setattr(keras.applications, "MobileNetV2", made)
    with pytest.raises(FileNotFoundError, match="Keras cannot download them .URL fetch failure") as caught:
        application_backbone("MobileNetV2", 32)
    assert "\n" not in str(caught.value)
