"""The generator gives pictures of any size, from 0 to 255."""

import numpy as np
import pytest

from auxtask.backbones.image_generator import image_generator


@pytest.mark.parametrize("shape", [(8, 8, 1), (7, 10, 3), (1, 1, 2)])
def test_pictures_have_the_shape_and_range_asked_for(shape) -> None:
    latent = np.random.default_rng(0).normal(size=(5, 6)).astype("float32")
    made = image_generator(shape, latent=6, filters=4, seed=0)(latent).numpy()
    assert made.shape == (5, *shape) and made.dtype == np.float32
    assert made.min() >= 0 and made.max() <= 255 and made.std(axis=0).max() > 0


def test_a_seed_gives_the_same_weights_whatever_ran_before() -> None:
    first, again, other = (image_generator((8, 8, 1), 4, 4, seed).get_weights() for seed in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


def test_numbers_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="latent=0"):
        image_generator((8, 8, 1), latent=0)
