"""Endless batches of pictures: every picture once per pass, the same under the same seed, views side by side."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from auxtask.data.image_batches import augmented, image_batches, row_batches
from auxtask.data.shifts import Shifts
from auxtask.framework import tf

# Picture i has the value i everywhere, but for a bright corner.
IMAGES = np.repeat(np.arange(12, dtype=np.uint8), 25).reshape(12, 5, 5, 1).copy()
IMAGES[:, 0, 0] = 200


def taken(number: int, **settings) -> list[np.ndarray]:
    return [np.asarray(batch) for batch in islice(image_batches(IMAGES, **settings), number)]


def numbers(batches: list[np.ndarray]) -> list[int]:
    return [int(picture[4, 4, 0]) for batch in batches for picture in batch]


def test_a_pass_meets_every_picture_once_and_the_next_in_another_order() -> None:
    batches = taken(6, batch_size=4)
    assert all(batch.shape == (4, 5, 5, 1) and batch.dtype == np.float32 for batch in batches)
    first, second = numbers(batches[:3]), numbers(batches[3:])
    assert sorted(first) == sorted(second) == list(range(12)) and first != second
    assert (batches[0][:, 0, 0] == 200).all()  # 0 to 255, untouched


def test_the_same_seed_gives_the_same_batches_and_another_seed_others() -> None:
    settings = {"batch_size": 5, "augment": Shifts(2)}
    one, same, other = (taken(5, seed=seed, **settings) for seed in (3, 3, 4))
    assert all((a == b).all() for a, b in zip(one, same, strict=True))
    assert any((a != b).any() for a, b in zip(one, other, strict=True))


def test_all_batches_have_the_size_of_the_pictures_if_there_are_fewer() -> None:
    assert [batch.shape[0] for batch in taken(3, batch_size=100)] == [12, 12, 12]


def test_views_show_the_same_pictures_each_drawn_anew() -> None:
    def number_and_seed(images, seed):
        return tf.cast(images[:, 4:, 4:], tf.float32) + 100.0 * tf.cast(seed[0] % 7919, tf.float32)

    batches = list(islice(image_batches(IMAGES, 4, augment=number_and_seed, views=2), 3))
    for left, right in batches:
        assert left.shape == right.shape == (4, 1, 1, 1)
        gap = left - right
        assert float(tf.reduce_max(gap) - tf.reduce_min(gap)) == 0 and float(gap[0, 0, 0, 0]) != 0


@pytest.mark.parametrize(
    ("images", "settings", "message"),
    [
        (IMAGES.astype(np.float32), {}, "must be uint8"),
        (IMAGES[0], {}, "must be uint8"),
        (IMAGES[:0], {}, "n > 0"),
        (IMAGES, {"batch_size": 0}, "batch_size=0"),
        (IMAGES, {"views": 0}, "views=0"),
    ],
)
def test_bad_input(images, settings, message) -> None:
    with pytest.raises(ValueError, match=message):
        image_batches(images, **settings)


@pytest.mark.parametrize("make", [image_batches, row_batches])
def test_neither_an_earlier_iteration_nor_the_global_seed_changes_batches(make) -> None:
    tf.random.set_seed(1)
    batches = make(IMAGES, batch_size=5, seed=3)
    first, again = ([one.numpy() for one in islice(batches, 9)] for _ in range(2))
    tf.random.set_seed(2)
    elsewhere = [one.numpy() for one in islice(make(IMAGES, batch_size=5, seed=3), 9)]
    for one, other, third in zip(first, again, elsewhere, strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(one, third)


def changed_on_the_way(seed: int) -> list[np.ndarray]:
    pictures = np.random.default_rng(0).integers(0, 256, (40, 6, 5, 2), np.uint8)
    batches = tf.data.Dataset.from_tensor_slices((pictures, np.arange(40))).batch(4)
    made = augmented(batches, Shifts(), seed)
    assert made.element_spec[0].shape.as_list() == [None, 6, 5, 2]
    passes = [list(made.as_numpy_iterator()) for _ in range(2)]
    for one in passes:
        assert np.concatenate([labels for _, labels in one]).tolist() == list(range(40))
    return [np.concatenate([images for images, _ in one]) for one in passes]


def test_pictures_are_changed_anew_in_every_pass_and_alike_under_the_same_seed() -> None:
    (first, second), again, other = changed_on_the_way(0), changed_on_the_way(0), changed_on_the_way(1)
    assert (first != second).any()
    np.testing.assert_array_equal(first, again[0])
    np.testing.assert_array_equal(second, again[1])
    assert (first != other[0]).any()


def test_how_many_threads_change_pictures_makes_no_difference() -> None:
    """A generator shared between threads gives its numbers to whichever batch comes first."""
    batches = tf.data.Dataset.from_tensor_slices((np.zeros((400, 8, 8, 1), np.uint8), np.zeros(400))).batch(2)

    def slow_and_random(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return tf.random.stateless_uniform(tf.shape(images), seed)

    made = []
    for threads in (1, 8):
        options = tf.data.Options()
        options.threading.private_threadpool_size = threads
        every = augmented(batches, slow_and_random).with_options(options)
        made.append(np.concatenate([images for images, _ in every.as_numpy_iterator()]))
    np.testing.assert_array_equal(*made)
