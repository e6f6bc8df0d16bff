"""Features by layer group equal what plain Keras models of the same layers give."""

import numpy as np
import pytest

from auxtask.backbones.image_features import image_features
from auxtask.backbones.small_nets import conv_backbone, dense_backbone
from auxtask.framework import keras
from auxtask.transfer.cloning import reuse

IMAGES = np.random.default_rng(0).integers(0, 256, (7, 12, 12, 1), np.uint8)


@pytest.fixture(scope="module")
def net():
    return reuse(conv_backbone((12, 12, 1), (4, 6), seed=0), head=2)


def plain(net, layer: str, images: np.ndarray) -> np.ndarray:
    return keras.Model(net.inputs, net.get_layer(layer).output).predict(images.astype("float32"), verbose=0)


def test_maps_are_averaged_over_positions_and_the_mirror_image(net) -> None:
    features = image_features(net, IMAGES, batch_size=3)
    assert list(features) == ["block1", "block2"]
    for name, layer in (("block1", "block1_dropout"), ("block2", "pool")):
        both = [plain(net, layer, views) for views in (IMAGES, IMAGES[:, :, ::-1])]
        wanted = np.mean(both, axis=0)
        wanted = wanted.mean(axis=(1, 2)) if wanted.ndim == 4 else wanted
        np.testing.assert_allclose(features[name], wanted, rtol=1e-4, atol=1e-5)


def test_a_grid_keeps_where_things_are(net) -> None:
    maps = plain(net, "block1_dropout", IMAGES)  # [7, 6, 6, 4]
    wanted = maps.reshape(7, 3, 2, 3, 2, 4).mean(axis=(2, 4)).reshape(7, -1)
    found = image_features(net, IMAGES, ["block1"], mirror=False, grid=3)["block1"]
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    assert image_features(net, IMAGES, ["block1"], mirror=False, grid=99)["block1"].shape == (7, 6 * 6 * 4)


def test_a_dense_nets_features_are_its_activations() -> None:
    net = dense_backbone((12, 12, 1), (7, 5), seed=0)
    features = image_features(net, IMAGES, mirror=False)
    for name in ("hidden1", "hidden2"):
        np.testing.assert_allclose(features[name], plain(net, name, IMAGES), rtol=1e-4, atol=1e-5)


def test_what_is_not_there_is_refused(net) -> None:
    with pytest.raises(ValueError, match="block3"):
        image_features(net, IMAGES, ["block3"])
    with pytest.raises(ValueError, match="grid"):
        image_features(net, IMAGES, grid=0)
