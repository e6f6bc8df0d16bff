"""Models as people bring them: tied weights, dicts of inputs, vocabularies, wrappers, metrics that count on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import auxtask as at
from auxtask.framework import keras, tf

L = keras.layers
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(240, 4)).astype("float32")
Y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)


def net(outputs: int = 3, activation: str = "softmax") -> keras.Model:
    first = L.Dense(16, activation="relu", name="a")
    return keras.Sequential([keras.Input((4,)), first, L.Dense(outputs, activation=activation, name="cls")])


def two_sided(passed: list | dict) -> tuple[keras.Model, keras.Model]:
    """A model of two inputs, and one that calls it on `p` (for zeta) and `q` (for alpha)."""
    zeta, alpha = keras.Input((3,), name="zeta"), keras.Input((3,), name="alpha")
    mixed = L.Concatenate(name="cat")([L.Dense(4, name="dz")(zeta), L.Dense(4, name="da")(alpha)])
    inner = keras.Model([zeta, alpha], L.Dense(6, name="out")(L.Dense(5, name="mix")(mixed)), name="enc")
    p, q = keras.Input((3,), name="p"), keras.Input((3,), name="q")
    given = {"zeta": p, "alpha": q, "unused": p} if passed == "dict" else [p, q]
    return inner, keras.Model([p, q], L.Dense(2, activation="softmax", name="cls")(inner(given)))


@pytest.mark.parametrize("passed", ["dict", "list"])
def test_inputs_of_a_nested_model_keep_their_places_however_they_are_passed(passed: str) -> None:
    inner, outer = two_sided(passed)
    x = [RANDOM.normal(size=(2, 3)).astype("float32") for _ in range(2)]
    wanted = keras.Model(inner.inputs, inner.get_layer("mix").output)(x)
    np.testing.assert_array_equal(at.reuse(outer, upto="enc/mix")(x), wanted)
    np.testing.assert_array_equal(at.reuse(outer)(x), outer(x))


def test_a_part_of_a_model_called_in_inference_mode_stays_in_it() -> None:
    base = keras.Sequential(
        [keras.Input((4,)), L.Dense(8, name="d1"), L.BatchNormalization(name="bn"), L.Dropout(0.5, name="dr"),
         L.Dense(8, name="d2")], name="base",
    )  # fmt: skip
    given = keras.Input((4,))
    model = keras.Model(given, L.Dense(2, activation="softmax")(base(given, training=False)))
    for upto in ("base/dr", "base"):
        part = at.reuse(model, upto=upto)
        np.testing.assert_array_equal(part(X[:8], training=True), part(X[:8], training=False))


@keras.utils.register_keras_serializable("tests")
class TiedHead(L.Layer):
    """Scores words by the table that embedded them."""

    def __init__(self, table: L.Embedding, holds_the_layer: bool, **kwargs: object) -> None:
        super().__init__(**kwargs)
        if holds_the_layer:
            self.table = table
        else:
            self.kernel = table.embeddings
        self.read = lambda: table.embeddings

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax(tf.matmul(inputs, self.read(), transpose_b=True))


def tied(holds_the_layer: bool) -> keras.Model:
    table = L.Embedding(3, 8, name="emb")
    words = keras.Input((2,), dtype="int32")
    h = L.Dense(8, name="mid")(L.GlobalAveragePooling1D()(table(words)))
    model = keras.Model(words, TiedHead(table, holds_the_layer, name="tied")(h))
    at.set_groups(model, {"emb": ["emb"], "mid": ["mid"], "head": ["tied"]})
    return model


def test_freezing_a_layer_freezes_what_a_thawed_layer_shares_with_it() -> None:
    model = tied(holds_the_layer=True)
    at.freeze(model, "emb")
    assert [weight.name for weight in model.trainable_weights] == ["mid/kernel:0", "mid/bias:0"]


def test_the_ledger_finds_a_frozen_variable_that_another_layer_trained() -> None:
    words, labels = RANDOM.integers(0, 3, (32, 2)), RANDOM.integers(0, 3, 32)
    with pytest.raises(ValueError, match="emb.*moved|moved.*emb|changed.*emb|emb.*changed"):
        at.fine_tune(
            tied(holds_the_layer=False), (words, labels), plan=[at.Phase(1, 0.1, "emb")],
            loss="sparse_categorical_crossentropy",
        )  # fmt: skip


@pytest.mark.parametrize("kind", ["StringLookup", "TextVectorization"])
@pytest.mark.parametrize("init", ["copy", "random"])
def test_an_adapted_vocabulary_is_copied(kind: str, init: str) -> None:
    lookup = getattr(L, kind)(name="lookup", **({"output_sequence_length": 1} if kind == "TextVectorization" else {}))
    lookup.adapt(tf.constant([["good"], ["bad"], ["dull"]]))
    model = keras.Sequential([keras.Input((1,), dtype=tf.string), lookup, L.Embedding(20, 4, name="emb"), L.Flatten(),
                              L.Dense(2, activation="softmax", name="cls")])  # fmt: skip
    at.set_groups(model, {"words": ["lookup"], "emb": ["emb"], "head": ["cls"]})
    copy, x = at.reuse(model, init=init, seed=1), tf.constant([["good"], ["dull"], ["new"]])
    np.testing.assert_array_equal(copy.get_layer("lookup")(x), lookup(x))
    assert (np.asarray(copy(x)) == np.asarray(model(x))).all() == (init == "copy")
    at.freeze(copy, "emb")
    tuned = at.fine_tune(copy, (tf.repeat(x, 8, axis=0), np.repeat([0, 1, 1], 8)), plan=at.Plan.probe(1))
    assert "emb" in {row["group"] for row in tuned.ledger.rows}


def test_an_untrained_copy_keeps_the_bins_that_numbers_were_adapted_to() -> None:
    bins = L.Discretization(num_bins=4, epsilon=0.01, name="bins")
    bins.adapt(RANDOM.normal(size=(1000, 1)).astype("float32"))
    model = keras.Sequential([keras.Input((1,)), bins, L.Embedding(5, 4), L.Flatten(), L.Dense(2, name="cls")])
    x = np.linspace(-2, 2, 9)[:, None].astype("float32")
    np.testing.assert_array_equal(at.reuse(model, init="random").get_layer("bins")(x), bins(x))


def test_bins_have_groups_are_tuned_and_saved(tmp_path: Path) -> None:
    bins = L.Discretization(num_bins=4, epsilon=0.01, name="bins")
    bins.adapt(RANDOM.normal(size=(1000, 1)).astype("float32"))
    layers = [bins, L.Embedding(5, 4), L.Flatten(), L.Dense(2, activation="softmax", name="cls")]
    model = keras.Sequential([keras.Input((1,)), *layers])
    assert sum(group.num_parameters for group in at.layer_groups(model)) > 5 * 4 + 4 * 2 + 2
    x = np.linspace(-2, 2, 9)[:, None].astype("float32")
    at.fine_tune(model, (x, np.arange(9) % 2), plan=at.Plan.full(1, 0.1))
    at.save_backbone(model, tmp_path / "saved", kind="model")
    np.testing.assert_array_equal(at.load(tmp_path / "saved")(x), model(x))


class Prepared(L.Layer):
    """A layer of one's own that holds a preprocessing layer."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.scale, self.dense = L.Normalization(), L.Dense(3)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return self.dense(self.scale(inputs))


def test_an_untrained_copy_keeps_a_normalisation_at_any_depth() -> None:
    own = Prepared(name="prepared")
    own.scale.adapt(RANDOM.normal(100, 50, (1000, 4)).astype("float32"))
    model = keras.Sequential([keras.Input((4,)), own, L.Dense(2, name="cls")])
    untrained = at.reuse(model, init="random").get_layer("prepared")
    x = np.full((1, 4), 150.0, np.float32)
    np.testing.assert_array_equal(untrained.scale(x), own.scale(x))
    assert not np.array_equal(untrained.dense.kernel, own.dense.kernel)


def test_a_variable_that_a_layer_is_called_on_is_refused() -> None:
    table, words = L.Embedding(9, 4, name="emb"), keras.Input((2,), dtype="int32")
    h = L.GlobalAveragePooling1D()(table(words))
    model = keras.Model(words, tf.matmul(h, table.embeddings, transpose_b=True))
    for init in ("copy", "random"):
        with pytest.raises(ValueError, match="is called on the variable 'emb/embeddings:0', which a copy would share"):
            at.reuse(model, init=init)


def test_masks_go_through_frozen_wrappers_as_through_live_ones() -> None:
    words = keras.Input((3, 4), dtype="int32")
    h = L.TimeDistributed(L.LSTM(5), name="words")(L.Embedding(9, 4, mask_zero=True, name="emb")(words))
    model = keras.Model(words, L.Dense(2, name="cls")(L.LSTM(3, name="lines")(h)))
    x = RANDOM.integers(0, 3, (6, 3, 4))  # every third word is padding
    before = model(x).numpy()
    at.freeze(model)
    np.testing.assert_array_equal(model(x), before)
    at.unfreeze(model)
    np.testing.assert_array_equal(model(x), before)


class Positions(keras.Model):
    """A model that is a class, with a variable of its own."""

    def build(self, shape: object) -> None:
        self.table = self.add_weight("table", (4,))

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs + self.table


def test_thawing_the_top_leaves_the_variables_of_a_model_below_frozen() -> None:
    layers = [Positions(name="positions"), L.Dense(4, name="mid"), L.Dense(3, name="top"), L.Dense(2, name="cls")]
    model = keras.Sequential([keras.Input((4,)), *layers])
    at.set_groups(model, {"low": ["positions"], "mid": ["mid"], "top": ["top"], "head": ["cls"]})
    at.unfreeze(at.freeze(model), last=1)
    assert [weight.name.split("/")[0] for weight in model.trainable_weights] == ["top", "top", "cls", "cls"]


class Shift(tf.Module):
    """No layer, but with a variable."""

    def __init__(self) -> None:
        super().__init__()
        self.by = tf.Variable(tf.ones(4), name="by")


class HoldsAModule(L.Layer):
    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.shift = Shift()

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs * self.shift.by


def test_the_variables_of_a_module_inside_a_layer_train_freeze_and_are_in_the_ledger() -> None:
    layers = [HoldsAModule(name="low"), L.Dense(3, name="cls", activation="softmax")]
    model = keras.Sequential([keras.Input((4,)), *layers])
    at.set_groups(model, {"low": ["low"], "head": ["cls"]})
    data = RANDOM.normal(size=(32, 4)).astype("float32"), RANDOM.integers(0, 3, 32)
    plan = [at.Phase(1, 0.1, "low", name="frozen"), at.Phase(1, 0.1, name="thawed")]
    tuned = at.fine_tune(model, data, plan=plan)
    rows = {row["phase"]: row for row in tuned.ledger.rows if row["group"] == "low"}
    assert [rows[phase]["changed"] for phase in ("frozen", "thawed")] == [False, True]
    assert not np.array_equal(model.get_layer("low").shift.by, np.ones(4))


def test_of_several_tags_each_is_right_or_wrong() -> None:
    x, tags = RANDOM.normal(size=(40, 4)).astype("float32"), RANDOM.integers(0, 2, (40, 5))
    model = keras.Sequential([keras.Input((4,)), L.Dense(8), L.Dense(5, activation="sigmoid", name="cls")])
    tuned = at.fine_tune(model, (x, tags), (x, tags), plan=at.Plan.full(1, 1e-3))
    right = (model(x).numpy() > 0.5) == tags
    assert tuned.history[-1]["val_accuracy"] == pytest.approx(right.mean())


def test_averages_leave_out_a_table_of_words() -> None:
    lookup = L.StringLookup(name="lookup")
    lookup.adapt(tf.constant([["good"], ["bad"]]))
    layers = [lookup, L.Embedding(5, 4), L.Flatten(), L.Dense(2, activation="softmax", name="cls")]
    model = keras.Sequential([keras.Input((1,), dtype=tf.string), *layers])
    before = model.get_layer("cls").get_weights()[0]
    words = tf.constant([["good"], ["bad"]] * 4)
    at.fine_tune(model, (words, np.array([0, 1] * 4)), plan=at.Plan.full(2, 0.1), callbacks=[at.WeightAverage()])
    assert not np.array_equal(model.get_layer("cls").get_weights()[0], before)


@keras.utils.register_keras_serializable("tests")
class GivesLiveLayer(L.Layer):
    def __init__(self, dense: L.Dense, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.dense = dense

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return self.dense(inputs)

    def get_config(self) -> dict:
        return super().get_config() | {"dense": self.dense}


def test_a_config_that_hands_a_live_layer_on_is_refused() -> None:
    model = keras.Sequential([keras.Input((4,)), GivesLiveLayer(L.Dense(3), name="enc"), L.Dense(2, name="cls")])
    with pytest.raises(ValueError, match="'enc' .* live layer"):
        at.reuse(model)


@pytest.mark.parametrize("outputs", [1, 3])
def test_evaluate_after_fine_tuning_counts_its_own_examples_only(outputs: int) -> None:
    model = net(outputs, "sigmoid" if outputs == 1 else "softmax")
    labels = Y > 0 if outputs == 1 else Y
    at.fine_tune(model, (X, labels), validation_data=(X, labels), plan=at.Plan.full(15, 1e-2))
    others = RANDOM.integers(0, max(outputs, 2), 240)
    scores = model.predict(X, verbose=0)
    right = (scores.argmax(1) if outputs > 1 else scores[:, 0] > 0.5) == others
    assert model.evaluate(X, others, verbose=0)[1] == pytest.approx(right.mean(), abs=1e-6)


def test_a_metric_object_starts_anew_in_every_training() -> None:
    metric = keras.metrics.SparseCategoricalAccuracy("accuracy")
    for _ in range(2):
        model = net()
        model.set_weights(at.reuse(model, init="random", seed=1).get_weights())
        history = at.fine_tune(model, (X, Y), plan=at.Plan.full(1, 1e-9), metrics=[metric]).history
        wanted = (model.predict(X, verbose=0).argmax(1) == Y).mean()
        assert history[0]["accuracy"] == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize(
    ("outputs", "labels", "said"),
    [
        (1, 2 * (Y > 0) - 1, "labels run from -1 to 1; a head with binary_crossentropy takes numbers from 0 to 1"),
        (1, Y, "labels run from 0 to 2"),
        (3, Y + 1, "labels run from 1 to 3; the head takes whole numbers below 3, from 0 on"),
        (3, Y - 1, "labels run from -1 to 1"),
        (3, Y / 2, "not all of them whole"),
        (3, np.eye(4)[Y], "labels are rows of 4 numbers; the head has 3 outputs"),
        (3, np.array(["a", "b", "c"])[Y], "labels are text; give their numbers"),
    ],
)
def test_labels_that_do_not_fit_the_head_are_refused_before_training(outputs: int, labels: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        at.fine_tune(net(outputs, "sigmoid" if outputs == 1 else "softmax"), (X, labels))


def test_so_are_those_of_a_table_and_those_for_a_loss_that_is_named() -> None:
    with pytest.raises(ValueError, match="labels run from 1 to 3"):
        at.fine_tune(net(3, "softmax"), (X, pd.Series(Y + 1)))
    with pytest.raises(ValueError, match="labels run from 0 to 2"):
        at.fine_tune(net(1, "sigmoid"), (X, Y), loss="binary_crossentropy")


def test_of_another_loss_nothing_is_known() -> None:
    tuned = at.fine_tune(net(1, "sigmoid"), (X, 2 * (Y > 0) - 1), plan="full", loss="mse", metrics=[])
    assert np.isfinite(tuned.history[-1]["loss"])


def test_whole_numbers_of_numpy_are_whole_numbers() -> None:
    backbone = at.reuse(net(), drop_head=True, head=Y.max() + 1)
    tuned = at.fine_tune(backbone, (X, Y), plan=[at.Phase(np.int64(1), np.float32(1e-3))], callbacks=None)
    assert backbone.output_shape == (None, 3) and len(tuned.history) == 1


def test_averages_of_weights_go_on_after_fine_tuning() -> None:
    model = net()
    at.fine_tune(model, (X, Y), plan=at.Plan.full(1), optimizer=keras.optimizers.Adam(use_ema=True))
    averages = model.optimizer._model_variables_moving_average
    before = [average.numpy() for average in averages]
    model.fit(X, Y, verbose=0)
    assert before and any((average.numpy() != old).any() for average, old in zip(averages, before, strict=True))


class Fixed(L.Layer):
    """A random projection that never trains, and one that does."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.fixed, self.free = L.Dense(4, trainable=False), L.Dense(4)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return self.free(self.fixed(inputs))


class Start(keras.initializers.Initializer):
    def __call__(self, shape: object, dtype: object = None, **kwargs: object) -> tf.Tensor:
        return tf.ones(shape, dtype or tf.float32)

    def get_config(self) -> dict:
        return {}


class Started(L.Layer):
    """Has an initialiser of its own class, live in its config."""

    def __init__(self, initializer: Start, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.initializer = initializer

    def build(self, shape: object) -> None:
        self.kernel = self.add_weight("kernel", (4, 4), initializer=self.initializer)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs @ self.kernel

    def get_config(self) -> dict:
        return super().get_config() | {"initializer": self.initializer}


class Words(L.Layer):
    """No lookup of Keras, but with a vocabulary."""

    def get_vocabulary(self) -> list[str]:
        return ["a"]

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return 2.0 * inputs


@pytest.mark.parametrize("init", ["copy", "random"])
def test_layers_of_ones_own_are_copied_as_they_are(init: str) -> None:
    layers = [Fixed(name="fixed"), Started(Start(), name="started"), Words(name="words"), L.Dense(2, name="cls")]
    model = keras.Sequential([keras.Input((4,)), *layers])
    assert len(at.reuse(model, init=init).trainable_weights) == len(model.trainable_weights) == 5


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5")
def test_a_checkpoint_in_hdf5_can_be_kept_while_tuning(tmp_path: Path) -> None:
    model, file = net(), tmp_path / "kept.h5"
    at.fine_tune(model, (X, Y), plan=at.Plan.full(1), callbacks=[keras.callbacks.ModelCheckpoint(str(file))])
    np.testing.assert_array_equal(at.load(file)(X), model(X))


def test_a_model_made_for_several_devices_is_tuned_there() -> None:
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        model = net()
    assert len(at.fine_tune(model, (X, Y), plan=at.Plan.full(1)).history) == 1
