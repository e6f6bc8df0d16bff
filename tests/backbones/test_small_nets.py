"""The small networks have the layers, groups and start weights that they say, and survive an .h5 file."""

from pathlib import Path

import numpy as np
import pytest

from auxtask.backbones.small_nets import conv_backbone, dense_backbone
from auxtask.deployment.loading import load
from auxtask.framework import keras
from auxtask.transfer.cloning import reuse
from auxtask.transfer.groups import layer_groups

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 12, 12, 1), np.uint8)
MAKERS = {
    "conv": lambda seed=0, **more: conv_backbone((12, 12, 1), (4, 6), seed=seed, **more),
    "dense": lambda seed=0, **more: dense_backbone((12, 12, 1), (7, 5), seed=seed, **more),
}


def test_the_conv_net_is_two_convolutions_a_stage_and_an_average() -> None:
    net = conv_backbone((12, 12, 1), (4, 6), seed=0)
    kernels = [layer.kernel.shape.as_list() for layer in net.layers if isinstance(layer, keras.layers.Conv2D)]
    assert kernels == [[3, 3, 1, 4], [3, 3, 4, 4], [3, 3, 4, 6], [3, 3, 6, 6]]
    assert layer_groups(net).names == ("block1", "block2") and net.output_shape == (None, 6)


def test_the_dense_net_equals_plain_products_and_selu() -> None:
    net = dense_backbone((12, 12, 1), (7, 5), seed=0)
    h = IMAGES.reshape(3, -1) / 127.5 - 1
    for layer in net.layers:
        if isinstance(layer, keras.layers.Dense):
            z = h @ layer.kernel.numpy() + layer.bias.numpy()
            h = 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * (np.exp(np.minimum(z, 0)) - 1))
    np.testing.assert_allclose(net.predict(IMAGES, verbose=0), h, rtol=1e-4, atol=1e-5)
    assert layer_groups(net).names == ("hidden1", "hidden2")


@pytest.mark.parametrize("kind", MAKERS)
def test_a_seed_gives_the_same_network(kind: str) -> None:
    first, again, other = (MAKERS[kind](seed=seed).get_weights() for seed in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("kind", MAKERS)
def test_a_model_upon_it_keeps_its_groups_and_answers_through_an_h5_file(kind: str, tmp_path: Path) -> None:
    model = reuse(MAKERS[kind](dropout=0.1), head=3, seed=0)
    model.save(tmp_path / "a.h5")
    loaded = load(tmp_path / "a.h5")
    np.testing.assert_array_equal(loaded.predict(IMAGES, verbose=0), model.predict(IMAGES, verbose=0))
    assert [group.layers for group in layer_groups(loaded)][-1] == ("head",)
    assert len(layer_groups(loaded)) == len(layer_groups(model)) == 3


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: conv_backbone((28, 28)), "shape"),
        (lambda: conv_backbone(stages=()), "stages"),
        (lambda: dense_backbone(units=(10, 0)), "units"),
        (lambda: dense_backbone(dropout=1.0), "dropout"),
    ],
)
def test_arguments_out_of_range_are_named(call, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()
