"""The two kinds of arms of image recipes do what they say, checked against scikit-learn and plain calls."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from auxtask.backbones.conv import residual_backbone
from auxtask.data.augmentation import Augmentation
from auxtask.evaluation.arms import Outcome
from auxtask.evaluation.examples import Examples
from auxtask.evaluation.network_arms import linear_arm, network_arm
from auxtask.evaluation.probes import logistic_head
from auxtask.framework import keras
from auxtask.transfer.fine_tuning import FineTuning
from auxtask.transfer.plans import Plan

RANDOM = np.random.default_rng(0)
LABELS = np.arange(30) % 3
# Three colours: what there is to learn is learned in seconds.
NOISE = RANDOM.normal(60, 30, (30, 16, 16, 3))
IMAGES = np.clip(NOISE + 150 * np.eye(3)[LABELS][:, None, None], 0, 255).astype("uint8")
TRAIN = Examples(np.arange(12), LABELS[:12], ("red", "green", "blue"))
TEST = np.arange(12, 30)


@pytest.fixture(scope="module")
def backbone():
    return residual_backbone(size=16, stages=(4, 8), embedding=8, dropout=0.0, seed=0)


def test_the_linear_arm_is_scikit_learns_regression_on_the_items_rows() -> None:
    features = RANDOM.normal(size=(30, 5))
    outcome = linear_arm(lambda: features, logistic_head)(TRAIN, TEST, 0)
    fitted = LogisticRegression(C=10.0, max_iter=2000).fit(features[:12], LABELS[:12])
    assert isinstance(outcome, Outcome)
    assert (outcome.scores.argmax(1) == fitted.predict(features[TEST])).all()
    assert outcome.metrics["train_rank1"] == fitted.score(features[:12], LABELS[:12])


def test_features_are_made_once_and_only_when_the_arm_is_run() -> None:
    calls = []
    arm = linear_arm(lambda: calls.append(1) or RANDOM.normal(size=(30, 5)), logistic_head)
    assert calls == []
    arm(TRAIN, TEST, 0)
    arm(TRAIN, TEST, 1)
    assert calls == [1]


def test_an_epoch_is_so_many_batches_whatever_the_number_of_labels(backbone) -> None:
    told: list[FineTuning] = []
    plan = Plan.scratch(2, 1e-2)
    arm = network_arm(
        backbone, IMAGES, plan, "random", epoch_batches=7, batch_size=4,
        on_tuned=told.append,
    )  # fmt: skip
    for train in (TRAIN, Examples(np.arange(3), LABELS[:3], TRAIN.names)):
        arm(train, TEST, 0)
        assert told[-1].model.optimizer.iterations.numpy() == 2 * 7
        assert len(told[-1].history) == 2


def test_a_trained_network_learns_and_its_source_stays_as_it_was(backbone) -> None:
    before = [weight.numpy() for weight in backbone.weights]
    augment = Augmentation(size=16, crop_scale=(0.9, 1.0), saturation=0, grey=0, erase=0)
    plan = Plan.scratch(4, 1e-2)
    arm = network_arm(backbone, IMAGES, plan, "random", augment, epoch_batches=10, batch_size=8, crop=0.9, mirror=True)
    outcome = arm(TRAIN, TEST, 0)
    assert isinstance(outcome, Outcome)
    assert (outcome.scores.argmax(1) == LABELS[TEST]).mean() > 0.8
    assert outcome.metrics["train_rank1"] > 0.8
    for weight, value in zip(backbone.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)


def test_images_instead_of_item_numbers_are_refused(backbone) -> None:
    images = Examples(IMAGES[:6], LABELS[:6], TRAIN.names)
    for arm in (network_arm(backbone, IMAGES, Plan.probe(1)), linear_arm(lambda: np.eye(6), logistic_head)):
        with pytest.raises(ValueError, match=r"items of the examples are uint8 \(6, .*item numbers, int \[n\]"):
            arm(images, TEST, 0)


def test_the_same_seed_gives_the_same_scores(backbone) -> None:
    arm = network_arm(backbone, IMAGES, Plan.probe(1, 1e-2), epoch_batches=3)
    first, again, other = (arm(TRAIN, TEST, seed) for seed in (0, 0, 1))
    np.testing.assert_allclose(first.scores, again.scores, atol=1e-6)
    assert not np.allclose(first.scores, other.scores, atol=1e-6)


def test_a_started_head_predicts_as_the_head_on_the_frozen_features_before_it_is_tuned(backbone) -> None:
    plan = Plan.full(1, 1e-9)
    arm = network_arm(backbone, IMAGES, plan, "copy", epoch_batches=1, mirror=True, start=logistic_head)
    outcome = arm(TRAIN, TEST, 0)
    assert isinstance(outcome, Outcome)
    views = [backbone.predict(x.astype("float32"), verbose=0) for x in (IMAGES, IMAGES[:, :, ::-1])]
    features = np.mean(views, axis=0)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    fitted = LogisticRegression(C=10.0, max_iter=2000).fit(unit[:12], LABELS[:12])
    length = np.linalg.norm(features[:12], axis=1).mean()
    expected = np.mean([fitted.predict_proba(view[TEST] / length) for view in views], axis=0)
    np.testing.assert_allclose(outcome.scores, expected, atol=1e-3)


def test_one_sigmoid_output_tells_two_classes_apart_as_plain_keras_does(backbone) -> None:
    two = Examples(np.arange(12)[LABELS[:12] < 2], LABELS[:12][LABELS[:12] < 2], ("red", "green"))
    kept: list[FineTuning] = []
    arm = network_arm(
        backbone, IMAGES, Plan.probe(2, 1e-2), epoch_batches=10, mirror=False, sigmoid=True,
        on_tuned=kept.append,
    )  # fmt: skip
    scores = arm(two, TEST, 0).scores
    second = kept[0].model.predict(IMAGES[TEST].astype("float32"), verbose=0)
    assert second.shape == (len(TEST), 1)
    np.testing.assert_allclose(scores, np.concatenate([1 - second, second], axis=1), atol=1e-5)
    with pytest.raises(ValueError, match="two classes apart, not 3"):
        arm(TRAIN, TEST, 0)


def test_callbacks_watch_every_training(backbone) -> None:
    class Count(keras.callbacks.Callback):
        epochs = 0

        def on_epoch_end(self, epoch, logs=None) -> None:
            self.epochs += 1

    count = Count()
    arm = network_arm(backbone, IMAGES, Plan.probe(2, 1e-2), epoch_batches=2, callbacks=[count])
    for seed in (0, 1):
        arm(TRAIN, TEST, seed)
    assert count.epochs == 4


def test_images_that_leave_every_unit_at_0_do_not_stop_the_run() -> None:
    inputs = keras.Input((16, 16, 3))
    by_colour = keras.layers.Dense(2, "relu", name="by_colour")
    backbone = keras.Model(inputs, by_colour(keras.layers.GlobalAveragePooling2D()(inputs)))
    by_colour.set_weights([np.array([[-1, -1], [1, 0], [0, 1]]), np.zeros(2)])  # how much greener, and bluer, than red
    assert not backbone.predict(IMAGES[LABELS == 0].astype("float32"), verbose=0).any()
    arm = network_arm(backbone, IMAGES, Plan.full(1, 1e-9), epoch_batches=1, start=logistic_head)
    outcome = arm(TRAIN, TEST, 0)
    assert isinstance(outcome, Outcome) and (outcome.scores.argmax(1) == LABELS[TEST]).all()
