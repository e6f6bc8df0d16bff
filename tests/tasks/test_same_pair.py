"""Two towers with shared weights, from labelled pairs alone."""

from __future__ import annotations

import csv
import itertools

import numpy as np
import pytest
from PIL import Image

from auxtask.backbones.conv import residual_backbone
from auxtask.backbones.embedding import embed
from auxtask.data.face_pairs import FacePairs
from auxtask.framework import tf
from auxtask.tasks.same_pair import SamePair


def small_backbone(seed: int = 0):
    return residual_backbone(size=16, stages=(8, 16), embedding=16, dropout=0.0, seed=seed)


def write_pairs(folder, num_people: int, seed: int):
    """People are coarse colour patterns; a CSV lists pairs of their noisy photos."""
    random = np.random.default_rng(seed)
    patterns = random.uniform(0, 255, (num_people, 3, 3, 3))
    rows = []
    for person, pattern in enumerate(patterns):
        for photo in range(3):
            image = pattern.repeat(6, 0).repeat(6, 1) * random.uniform(0.7, 1.3)
            image = np.clip(image + random.normal(0, 40, image.shape), 0, 255).astype(np.uint8)
            Image.fromarray(image).save(folder / f"{person}_{photo}.png")
        for one, other in itertools.combinations(range(3), 2):
            rows.append([f"{person}_{one}.png", f"{person}_{other}.png", 1])
    # Strangers come in blocks of six people, so that the pair graph falls apart.
    for person, photo, step in itertools.product(range(num_people), range(3), (1, 2)):
        block = person // 6 * 6
        stranger = block + (person - block + step) % 6
        if stranger < num_people:
            rows.append([f"{person}_{photo}.png", f"{stranger}_{(photo + 1) % 3}.png", 0])
    table = folder / "pairs.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([["left", "right", "same"], *rows])
    return FacePairs.from_csv(table, size=18)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("pairs"), 48, seed=0)


def test_it_learns_and_is_validated_on_pairs_of_unseen_people(pairs):
    encoder = small_backbone()
    task = SamePair(encoder)
    _, held_out = pairs.split(0.25, seed=0)
    before = task.scores(held_out)
    returned = task.pretrain(
        pairs, 0.25, budget="60steps", learning_rate=5e-3, ema=0.9, batch_size=32, validate_every=3
    )
    assert returned is encoder
    history, record = task.pretraining.history, task.pretraining.provenance
    assert history[-1]["loss"] < history[0]["loss"]

    def gap(scores):
        return scores[held_out.same].mean() - scores[~held_out.same].mean()

    assert history[-1]["val_auc"] > 0.7 and gap(task.scores(held_out)) > gap(before)
    assert record["validation"]["num_pairs"] == len(held_out)
    assert not set(record["data"]["photos"]) & set(record["validation"]["photos"])


def test_both_towers_are_one_encoder_and_the_answer_is_symmetric(pairs):
    task = SamePair(small_backbone(), scale=6.0, offset=-1.0)
    left, right = tf.random.stateless_uniform((2, 4, 16, 16, 3), (0, 1), 0, 255)
    forth, back = task((left, right)), task((right, left))
    np.testing.assert_allclose(forth, back, atol=1e-5)
    a, b = (task.encoder(photos).numpy() for photos in (left, right))
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    np.testing.assert_allclose(forth[:, 0], 6 * cosine - 1, atol=1e-4)
    assert {v.ref() for v in task.trainable_variables} == {
        v.ref() for v in task.encoder.trainable_variables + task.odds.trainable_variables
    }


def test_scores_are_cosines_of_the_pair_in_order(pairs):
    task = SamePair(small_backbone())
    some = pairs.subset([5, 0, 200])
    left, right = (embed(task.encoder, pairs.images(r)) for r in (some.left_rows, some.right_rows))
    np.testing.assert_allclose(task.scores(some), (left * right).sum(1), atol=1e-5)


def test_batches_balance_the_answers_and_give_each_tower_its_own_augmentation(pairs):
    def augment(photos, seed):
        return tf.cast(photos, tf.float32) * 0 + tf.cast(seed[0], tf.float32)

    task = SamePair(small_backbone(), augment)
    task.batch_size = 50
    batches = task.batches(pairs, seed=1)
    (left, right), same, weights = next(iter(batches))
    assert left.shape == (50, 18, 18, 3) and float(left[0, 0, 0, 0]) != float(right[0, 0, 0, 0])
    share = pairs.same.mean()
    expected = np.where(same.numpy() == 1, 0.5 / share, 0.5 / (1 - share))
    np.testing.assert_allclose(weights, expected, rtol=1e-5)
    again = next(iter(task.batches(pairs, seed=1)))
    np.testing.assert_array_equal(again[0][0], left)


def test_a_photo_on_both_sides_is_refused(pairs):
    task = SamePair(small_backbone())
    with pytest.raises(ValueError, match="photos are on both sides"):
        task.pretrain(pairs, pairs.subset(np.arange(0, len(pairs), 2)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 1}, "batch_size"),
        ({"validation": 1.5}, "fraction"),
        ({"budget": "0steps"}, "budget"),
        ({"learning_rate": -1.0}, "learning_rate"),
    ],
)
def test_senseless_settings_are_refused(pairs, settings, message):
    with pytest.raises(ValueError, match=message):
        SamePair(small_backbone()).pretrain(pairs, **{"budget": "1steps", **settings})
