"""An autoencoder gives back what it saw; the encoder is what is kept."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from auxtask.backbones.conv import residual_backbone
from auxtask.backbones.decoder import group_decoders
from auxtask.backbones.saving import save_backbone
from auxtask.backbones.small_nets import conv_backbone, dense_backbone
from auxtask.data.image_data import ImageData
from auxtask.deployment.loading import load
from auxtask.framework import keras, tf
from auxtask.tasks.autoencoder import Autoencoder
from auxtask.transfer.groups import layer_groups

DIGITS = ImageData.digits().train.images[:200]
ENCODERS = {
    "conv": lambda: conv_backbone((8, 8, 1), (4, 6), seed=0),
    "dense": lambda: dense_backbone((8, 8, 1), (20, 10), seed=0),
}


def numbers(model: keras.Model) -> list[np.ndarray]:
    return [weight.numpy() for weight in model.weights]


@pytest.mark.parametrize(
    "make",
    [
        lambda: conv_backbone((7, 9, 3), (4, 6), seed=0),
        lambda: dense_backbone((7, 9, 3), (20, 10), seed=0),
        lambda: residual_backbone(size=16, channels=1, stages=(4, 6), embedding=5, seed=0),
    ],
    ids=["conv", "dense", "residual"],
)
def test_each_decoder_leads_from_what_a_group_gives_to_what_it_takes(make: Callable[[], keras.Model]) -> None:
    encoder = make()
    decoders = group_decoders(encoder, seed=0)
    groups = layer_groups(encoder)
    assert tuple(decoders) == groups.names
    taken = encoder.input_shape
    for group, decoder in zip(groups, decoders.values(), strict=True):
        assert (decoder.input_shape, decoder.output_shape) == (group.output_shape, taken)
        taken = group.output_shape
    assert decoders[groups.names[0]].layers[-1].get_config().get("activation", "linear") == "linear"


@pytest.mark.parametrize(("kind", "code"), [("conv", "features"), ("conv", "maps"), ("dense", "features")])
def test_the_loss_is_the_squared_error_of_pixels_between_minus_1_and_1(kind: str, code: str) -> None:
    task = Autoencoder(ENCODERS[kind](), code=code)
    images = DIGITS[:16].astype("float32")
    loss = float(task.batch_loss((tf.constant(images), tf.constant([0, 0])), training=False))
    given_back = task._given_back(images, training=False).numpy()
    np.testing.assert_allclose(loss, np.square(given_back - (images / 127.5 - 1)).mean(), rtol=1e-5)


def test_of_masked_pictures_only_hidden_patches_count() -> None:
    task = Autoencoder(ENCODERS["conv"](), masked=0.5, patch=2)
    images, seed = tf.constant(DIGITS[:16], tf.float32), tf.constant([1, 2])
    shown, hidden = (part.numpy() for part in task.corruption(images, seed))
    errors = np.square(task._given_back(shown, False).numpy() - (images.numpy() / 127.5 - 1))
    loss = float(task.batch_loss((images, seed), training=False))
    np.testing.assert_allclose(loss, errors[hidden == 1].mean(), rtol=1e-5)


@pytest.mark.parametrize("settings", [{"noise": 0.5}, {"masked": 0.5, "patch": 2, "code": "maps"}])
def test_training_lowers_the_error_trains_every_group_and_gives_the_encoder_back(settings: dict) -> None:
    encoder = ENCODERS["conv"]()
    before = {layer.name: layer.get_weights() for layer in encoder.layers}
    task = Autoencoder(encoder, batch_size=50, **settings)
    assert task.pretrain(DIGITS[:150], DIGITS[150:], "40steps", learning_rate=1e-2, validate_every=5) is encoder
    assert task.pretraining is not None
    history = task.pretraining.history
    assert history[-1]["val_loss"] < 0.9 * history[0]["val_loss"]
    untrained = [
        name
        for name, weights in before.items()
        if any((old == new).all() for old, new in zip(weights, encoder.get_layer(name).get_weights(), strict=True))
    ]
    assert not untrained
    assert task.pretraining.provenance["task"] == "Autoencoder"
    assert task.pretraining.provenance["noise"] == settings.get("noise", 0.0)


def test_a_dense_encoder_reconstructs_better_than_the_mean_picture(tmp_path: Path) -> None:
    encoder = ENCODERS["dense"]()
    task = Autoencoder(encoder, batch_size=50)
    task.pretrain(DIGITS, budget="200steps", learning_rate=1e-2)
    given_back = task.reconstruct(DIGITS)
    assert given_back.dtype == np.uint8 and given_back.shape == DIGITS.shape
    error, of_mean = (np.square(DIGITS - other.astype(float)).mean() for other in (given_back, DIGITS.mean(0)))
    assert error < 0.6 * of_mean
    save_backbone(encoder, tmp_path / "backbone", task.pretraining.provenance if task.pretraining else None)
    loaded = load(tmp_path / "backbone")
    np.testing.assert_array_equal(loaded.predict(DIGITS, verbose=0), encoder.predict(DIGITS, verbose=0))
    assert layer_groups(loaded).names == ("hidden1", "hidden2")


def test_the_same_seed_gives_the_same_encoder_to_the_bit() -> None:
    def trained(seed: int) -> list[np.ndarray]:
        task = Autoencoder(ENCODERS["conv"](), noise=0.3, masked=0.3, patch=2, batch_size=50)
        return numbers(task.pretrain(DIGITS, budget="5steps", seed=seed))

    first, again, other = trained(1), trained(1), trained(2)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


def test_what_is_shown_is_what_training_sees() -> None:
    task = Autoencoder(ENCODERS["conv"](), masked=0.5, patch=4)
    shown = task.shown(DIGITS[:20], seed=1)
    assert ((shown == 128).reshape(20, -1).mean(1) >= 0.5).all()
    seen, _ = task.corruption(tf.cast(DIGITS[:20], tf.float32), tf.constant([1, 0]))
    np.testing.assert_allclose(shown, seen, atol=1)
    np.testing.assert_array_equal(Autoencoder(ENCODERS["conv"]()).shown(DIGITS[:20]), DIGITS[:20])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Autoencoder(ENCODERS["conv"](), code="pool"), "'features' or 'maps'"),
        (lambda: Autoencoder(ENCODERS["conv"](), masked=0.1, patch=4), "of 8x8 pixels not one 4x4"),
        (lambda: Autoencoder(ENCODERS["dense"](), code="maps"), "no feature maps"),
        (
            lambda: Autoencoder(residual_backbone(size=16, stages=(4,), embedding=5, seed=0), code="maps"),
            "no feature maps|weights behind",
        ),
        (lambda: Autoencoder(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])), "only from pictures"),
        (
            lambda: Autoencoder(keras.Sequential([keras.Input((None, None, 1)), keras.layers.GlobalMaxPooling2D()])),
            "pictures of one size",
        ),
    ],
)
def test_what_cannot_be_done_is_said(make, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()
