"""The GAN: two losses in one step, and its two ways to fail, planted and found."""

from __future__ import annotations

import numpy as np
import pytest

import auxtask as at
from auxtask.framework import keras, tf
from auxtask.tasks.gan import diversity

IMAGES = at.ImageData.digits().train.images[:300]


def gan(**settings) -> at.Gan:
    encoder = at.conv_backbone((8, 8, 1), stages=(8, 12), dropout=0.0, seed=0)
    return at.Gan(encoder, latent=8, filters=8, batch_size=32, **settings)


def batch(task: at.Gan) -> tuple:
    return next(iter(task.batches(IMAGES, seed=0)))


class Planted(keras.Model):
    """A generator that gives these pictures, again and again."""

    def __init__(self, pictures: np.ndarray) -> None:
        super().__init__()
        self.pictures = tf.constant(pictures, tf.float32)

    def call(self, latent, training=None):
        return tf.gather(self.pictures, tf.range(tf.shape(latent)[0]) % len(self.pictures))


def test_training_moves_both_sides_and_gives_the_encoder_with_its_groups() -> None:
    task = gan(seed=1)
    before = [side.get_weights()[0].copy() for side in (task.generator, task.encoder)]
    backbone = task.pretrain(IMAGES, IMAGES[:64], budget="12steps", validate_every=1)
    assert backbone is task.encoder and at.layer_groups(backbone).names == ("block1", "block2")
    for side, old in zip((task.generator, task.encoder), before, strict=True):
        assert (side.get_weights()[0] != old).any()
    row = task.pretraining.history[-1]
    assert {"loss", "generator_loss", "penalty", "right", "diversity", "val_right"} <= set(row)
    assert all(np.isfinite(value) for value in row.values()) and row["penalty"] > 0
    assert task.pretraining.provenance["warnings"] == task.warnings


def test_each_side_has_the_gradients_of_its_own_loss() -> None:
    task = gan(penalty=0.0)
    given = batch(task)
    values, pairs = task.gradients(given)
    assert len(pairs) == len(task.trainable_variables)
    found = {variable.ref(): gradient for gradient, variable in pairs}
    for name, own in (("loss", task.encoder), ("generator_loss", task.generator)):
        with tf.GradientTape() as tape:
            loss = task.values_of(given, training=True)[name]
        for gradient, variable in zip(
            tape.gradient(loss, own.trainable_variables), own.trainable_variables, strict=True
        ):
            np.testing.assert_allclose(found[variable.ref()], gradient, rtol=1e-3, atol=1e-5)


def test_the_penalty_is_the_squared_slope_of_the_discriminator_at_pictures() -> None:
    inputs = keras.Input((8, 8, 1))
    task = at.Gan(keras.Model(inputs, keras.layers.Flatten()(inputs)), latent=4, filters=4, batch_size=8)
    values, _ = task.gradients(batch(task))
    slope = task.head.kernel.numpy() * 127.5  # of a linear discriminator its weights, whatever the picture
    assert float(values["penalty"]) == pytest.approx(float((slope**2).sum()), rel=1e-4)


def test_a_planted_generator_of_few_pictures_is_called_a_collapse() -> None:
    task = gan()
    task.generator = Planted(IMAGES[:6])
    assert any("mode collapse" in text for text in task.diagnose(IMAGES))
    task.generator = Planted(IMAGES)
    assert not any("mode collapse" in text for text in task.diagnose(IMAGES))


def test_a_discriminator_that_is_always_right_is_said_to_win() -> None:
    task = gan()
    task.generator = Planted(np.zeros((1, 8, 8, 1)))
    task.pretrain(IMAGES, budget="60steps", learning_rate=3e-3)
    assert any("wins outright" in text for text in task.warnings)
    assert any("mode collapse" in text for text in task.warnings)
    task.head.set_weights([weight * 0 for weight in task.head.get_weights()])  # now it cannot tell
    assert not any("wins outright" in text for text in task.diagnose(IMAGES))


def test_diversity_is_one_for_the_data_and_zero_for_copies() -> None:
    assert float(diversity(IMAGES[:100], IMAGES[:100])) == pytest.approx(1.0)
    assert float(diversity(IMAGES[:4].repeat(25, axis=0), IMAGES[:100])) == pytest.approx(0.0, abs=1e-3)


def test_samples_are_pictures_and_a_seed_gives_the_same() -> None:
    task = gan()
    first, again, other = (task.samples(7, seed) for seed in (0, 0, 1))
    assert first.shape == (7, 8, 8, 1) and first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_a_seed_gives_the_same_backbone_and_saving_keeps_it(tmp_path) -> None:
    first, again = (gan().pretrain(IMAGES, budget="2steps", seed=3) for _ in range(2))
    features = first.predict(IMAGES, verbose=0)
    np.testing.assert_array_equal(again.predict(IMAGES, verbose=0), features)
    at.save_backbone(first, tmp_path / "backbone", {})
    np.testing.assert_array_equal(at.load(tmp_path / "backbone").predict(IMAGES, verbose=0), features)


def test_pictures_and_samples_pass_the_same_augmentation() -> None:
    seen = []

    def note(images, seed):
        seen.append(images.shape[0])
        return images

    task = gan(augment=note)
    images, _ = given = batch(task)
    np.testing.assert_array_equal(images, np.round(images))  # as they are: nothing on the way
    task.batch_loss(given, training=True)
    assert seen == [64]  # 32 pictures and 32 samples


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"penalty": -1.0}, "penalty"), ({"batch_size": 1}, "batch_size"), ({"latent": 0}, "latent")],
)
def test_settings_out_of_range_are_refused(settings, message) -> None:
    encoder = at.conv_backbone((8, 8, 1), stages=(8,))
    with pytest.raises(ValueError, match=message):
        at.Gan(encoder, **settings)
    with pytest.raises(ValueError, match="pool the maps"):
        at.Gan(at.reuse(gan().encoder, upto="block1"))
    anything = at.keras.Sequential([at.keras.Input((None, None, 1)), at.keras.layers.GlobalAveragePooling2D()])
    with pytest.raises(ValueError, match="pictures of one size"):
        at.Gan(anything)
