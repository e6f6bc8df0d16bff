"""The siamese task on small synthetic identities."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from auxtask.evaluation.verification import verification
from auxtask.framework import keras, tf
from auxtask.losses.margin_softmax import MarginSoftmax
from auxtask.losses.pair_logistic import PairLogistic
from auxtask.losses.supervised_contrastive import SupervisedContrastive
from auxtask.losses.weighted_sum import WeightedSum
from auxtask.tasks.same_identity import SameIdentity
from auxtask.training import budget

SETTINGS = {"people": 12, "singles": 4, "ema": 0.9, "validate_every": 4}


class Points:
    """Identities hidden in 4 of 24 coordinates, under noise in the other 20."""

    def __init__(self, num_people: int, seed: int, prefix: str, photos: int = 4) -> None:
        random = np.random.default_rng(seed)
        several = np.repeat(np.arange(1, num_people + 1), photos)
        self.labels = np.concatenate([[0], several])  # the first identity has one item only
        centres = random.normal(size=(num_people + 1, 4))
        items = random.normal(scale=1.0, size=(len(self.labels), 24))
        items[:, :4] = centres[self.labels] + random.normal(scale=0.2, size=(len(items), 4))
        self.items = items @ np.linalg.qr(np.random.default_rng(0).normal(size=(24, 24)))[0]
        self.items = self.items.astype(np.float32)
        self.people = tuple(f"{prefix}{i}" for i in range(num_people + 1))

    def load(self, indices):
        return tf.gather(self.items, indices)

    def fingerprint(self) -> str:
        return "f00d"


def make_encoder(seed: int = 0) -> keras.Model:
    layers = keras.layers
    dense = [
        layers.Dense(width, kernel_initializer=keras.initializers.GlorotUniform(seed=seed + i))
        for i, width in enumerate((32, 8))
    ]
    first = [layers.Input((24,)), dense[0], layers.BatchNormalization(), layers.ReLU()]
    return keras.Sequential([*first, layers.Dropout(0.1), dense[1]])


@pytest.fixture(scope="module")
def strangers():
    return Points(40, 1, "s")


@pytest.fixture(scope="module")
def others():
    return Points(25, 2, "o")


def auc(encoder, data) -> float:
    return verification(encoder.predict(data.items, verbose=0), data.labels).auc


@pytest.mark.parametrize("loss", [PairLogistic(), SupervisedContrastive()], ids=lambda x: x.name)
def test_it_learns_what_carries_over_to_people_never_seen(strangers, others, loss):
    encoder = make_encoder()
    before = auc(encoder, others)
    task = SameIdentity(encoder, loss)
    returned = task.pretrain(strangers, others, budget="120steps", learning_rate=1e-2, **SETTINGS)
    assert returned is encoder
    history = task.pretraining.history
    assert history[-1]["loss"] < 0.9 * history[0]["loss"]
    assert auc(encoder, others) > before + 0.1 and auc(encoder, others) > 0.7
    best = max(row["val_auc"] for row in history)
    assert auc(encoder, others) == pytest.approx(best, abs=1e-6)  # the best epoch is what is kept


def test_each_epoch_is_measured_on_unseen_people_and_the_record_is_complete(strangers, others):
    task = SameIdentity(make_encoder(), PairLogistic())
    task.pretrain(strangers, others, budget="30steps", seed=5, **SETTINGS)
    history, record = task.pretraining.history, task.pretraining.provenance
    assert [row["step"] for row in history] == [16, 30]  # 40 people: 4 batches a pass, 4 passes
    names = {"val_accuracy", "val_auc", "val_eer", "val_tar@far=0.01", "val_tar@far=0.001"}
    assert names | {"epoch", "step", "seconds", "loss"} <= set(history[0])
    assert record["chance"]["val_accuracy"] == 0.5
    assert record["data"]["people"] == list(strangers.people)
    assert record["data"]["fingerprint"] == "f00d" and record["settings"]["seed"] == 5
    assert record["loss"]["class_name"] == "PairLogistic"
    assert record["versions"]["tensorflow"] == tf.__version__
    assert json.loads(json.dumps(record)) == record


def test_the_loss_trains_its_own_weights_and_logs_its_parts(strangers):
    logistic, classes = PairLogistic(), MarginSoftmax(40, 8, seed=0)
    before = [np.copy(w) for w in logistic.get_weights() + classes.get_weights()]
    task = SameIdentity(make_encoder(), WeightedSum({logistic: 1.0, classes: 0.5}))
    task.pretrain(strangers, budget="12steps", **SETTINGS)
    after = logistic.get_weights() + classes.get_weights()
    assert all(np.abs(a - b).max() > 1e-6 for a, b in zip(after, before, strict=True))
    row = task.pretraining.history[0]
    assert row["loss"] == pytest.approx(row["pair_logistic"] + 0.5 * row["margin_softmax"], rel=1e-4)


def test_the_training_step_is_traced_once(strangers):
    traced = []

    class Counted(SameIdentity):
        def train_step(self, data):
            traced.append(1)
            return super().train_step(data)

    Counted(make_encoder(), PairLogistic()).pretrain(strangers, budget="6steps", **SETTINGS)
    assert len(traced) == 1


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(strangers):
    results = []
    for seed in (3, 3, 4):
        task = SameIdentity(make_encoder(), SupervisedContrastive())
        results.append(task.pretrain(strangers, budget="8steps", seed=seed, **SETTINGS))
    first, again, other = (np.concatenate([w.ravel() for w in r.get_weights()]) for r in results)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-4


@pytest.mark.parametrize(("budget", "steps"), [("7steps", 7), ("3epochs", 12), (2, 8)], ids=["steps", "epochs", "int"])
def test_the_rate_warms_up_and_has_decayed_when_the_budget_ends(strangers, budget, steps):
    rates = []
    record = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda *_: rates.append(float(task.optimizer.learning_rate))
    )
    task = SameIdentity(make_encoder(), PairLogistic())
    settings = {"learning_rate": 0.01, "warmup": 0.25, **SETTINGS}
    task.pretrain(strangers, budget=budget, callbacks=[record], **settings)
    assert len(rates) == steps
    assert rates[0] == 0 and 0.008 < max(rates) <= 0.01
    assert rates.index(max(rates)) == pytest.approx(steps / 4, abs=1)
    assert rates[-1] < 0.0015 and (np.diff(rates[rates.index(max(rates)) :]) < 0).all()


def test_a_budget_of_time_ends_with_the_decay_done(strangers, monkeypatch):
    rates = []
    # A clock of our own, on which each step takes a tenth of a second: a busy machine takes one step in four seconds.
    monkeypatch.setattr(budget, "time", SimpleNamespace(monotonic=lambda: len(rates) / 10))
    record = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda *_: rates.append(float(task.optimizer.learning_rate))
    )
    task = SameIdentity(make_encoder(), PairLogistic())
    task.pretrain(strangers, budget="4s", callbacks=[record], **SETTINGS)
    assert 40 <= len(rates) <= 41 and rates[-1] < 0.2 * max(rates)


def test_weight_decay_spares_batchnorm_and_biases(strangers):
    task = SameIdentity(make_encoder(), PairLogistic())
    task.pretrain(strangers, budget="1steps", **SETTINGS)
    decayed = {v.ref() for v in task.trainable_variables if task.optimizer._use_weight_decay(v)}
    assert decayed == {v.ref() for v in task.trainable_variables if v.shape.rank == 2}


def test_it_is_an_ordinary_keras_model(strangers, others, tmp_path):
    task = SameIdentity(make_encoder(), SupervisedContrastive())
    task.compile(keras.optimizers.Adam(1e-2))
    checkpoint = tmp_path / "task.weights.h5"
    history = task.fit(
        strangers.items,
        strangers.labels,
        batch_size=64,
        epochs=4,
        validation_data=(others.items, others.labels),
        callbacks=[keras.callbacks.ModelCheckpoint(checkpoint, save_weights_only=True)],
        verbose=0,
    ).history
    assert history["loss"][-1] < history["loss"][0] and len(history["val_loss"]) == 4
    other = SameIdentity(make_encoder(seed=9), SupervisedContrastive())
    other.load_weights(checkpoint)
    np.testing.assert_array_equal(other.embed(others.items), task.embed(others.items))
    np.testing.assert_allclose(np.linalg.norm(task.embed(others.items), axis=1), 1, rtol=1e-5)


def test_tensorboard_writes_the_curves(strangers, others, tmp_path):
    pytest.importorskip("tensorboard")
    task = SameIdentity(make_encoder(), PairLogistic())
    board = keras.callbacks.TensorBoard(tmp_path)
    task.pretrain(strangers, others, budget="4steps", callbacks=[board], **SETTINGS)
    assert list(tmp_path.rglob("events.out.tfevents*"))


def test_one_device_under_a_mirrored_strategy_is_the_same_training(strangers):
    def train(strategy):
        with strategy.scope():
            loss = WeightedSum([(1.0, PairLogistic()), (0.3, MarginSoftmax(40, 8, seed=0))])
            task = SameIdentity(make_encoder(), loss)
        task.pretrain(strangers, budget="6steps", **SETTINGS)
        return task.embed(strangers.items)

    plain = train(tf.distribute.get_strategy())
    mirrored = train(tf.distribute.MirroredStrategy(["/cpu:0"]))
    np.testing.assert_allclose(mirrored, plain, atol=1e-3)


def test_a_loss_that_is_not_finite_stops_and_leaves_good_weights(strangers, others):
    def broken(embeddings, labels):
        steps.assign_add(1.0)
        poison = tf.where(steps > 6, np.nan, 0.0)
        return logistic(embeddings, labels) + poison * tf.reduce_sum(embeddings)

    steps, logistic = tf.Variable(0.0), PairLogistic()
    task = SameIdentity(make_encoder(), broken)
    with pytest.raises(ValueError, match="step 7"):
        task.pretrain(strangers, others, budget="40steps", **SETTINGS)
    assert all(np.isfinite(w).all() for w in task.encoder.get_weights())


def test_a_person_on_both_sides_is_refused(strangers):
    both = Points(5, 3, "s")
    task = SameIdentity(make_encoder(), PairLogistic())
    with pytest.raises(ValueError, match=r"in both: s0, s1, s2 and 3 more"):
        task.pretrain(strangers, both)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": np.arange(161)}, "no positive pair"),
        ({"labels": np.zeros((161, 1), int)}, "labels must be"),
        ({"labels": np.full(161, -1)}, "labels must be"),
        ({"labels": np.zeros(161)}, "labels must be"),
        ({"budget": "soon"}, "budget"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"warmup": 1.0}, "warmup"),
        ({"ema": 1.0}, "decay"),
        ({"validate_every": 0}, "validate_every"),
        ({"weight_decay": -1.0}, "weight_decay"),
        ({"photos": 1}, "photos"),
    ],
)
def test_senseless_settings_are_refused(change, message):
    data = Points(40, 1, "s")
    data.labels = change.pop("labels", data.labels)
    task = SameIdentity(make_encoder(), PairLogistic())
    with pytest.raises(ValueError, match=message):
        task.pretrain(data, **{"budget": "2steps", **change})


def test_a_loss_must_be_callable():
    with pytest.raises(ValueError, match="loss must be callable"):
        SameIdentity(make_encoder(), "pair_logistic")
