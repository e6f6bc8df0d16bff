"""A restricted Boltzmann machine: energies and updates are those of the formulas, written here in NumPy."""

import itertools

import numpy as np
import pytest

from auxtask.backbones.small_nets import dense_backbone, rbm_backbone
from auxtask.data.image_data import ImageData
from auxtask.framework import keras, tf
from auxtask.tasks.rbm import Rbm

DIGITS = ImageData.digits().train.images[:120]
SEED = tf.constant([5, 6])


def tiny(visible: str = "bernoulli", num_visible: int = 5, num_hidden: int = 4, **settings) -> Rbm:
    inputs = keras.Input((num_visible,))
    outputs = keras.layers.Dense(num_hidden, "sigmoid", name="hidden1")(inputs)
    rbm = Rbm(keras.Model(inputs, outputs), visible, **settings)
    random = np.random.default_rng(0)
    for weight in rbm.weights:
        weight.assign(random.normal(size=weight.shape))
    return rbm


def parts(rbm: Rbm) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return tuple(w.numpy().astype(float) for w in (rbm.dense.kernel, rbm.dense.bias, rbm.visible_bias))


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def rows(visible: str, count: int = 7) -> np.ndarray:
    random = np.random.default_rng(1)
    return (random.normal(size=(count, 5)) if visible == "gaussian" else random.uniform(size=(count, 5))).astype("f4")


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
def test_free_energy_is_minus_the_log_of_the_sum_over_all_hidden_states(visible: str) -> None:
    rbm, v = tiny(visible), rows(visible)
    w, b, a = parts(rbm)
    energies = []
    for state in itertools.product([0, 1], repeat=4):
        h = np.array(state)
        of_visible = np.square(v - a).sum(1) / 2 if visible == "gaussian" else -v @ a
        energies.append(of_visible - (v @ w) @ h - b @ h)
    expected = -np.log(np.exp(-np.array(energies)).sum(0))
    np.testing.assert_allclose(rbm.free_energy(tf.constant(v)), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
def test_the_gradient_is_the_update_of_cd_1(visible: str) -> None:
    rbm, v0 = tiny(visible), rows(visible)
    w, b, a = parts(rbm)
    # The same random numbers as the machine draws for its hidden units; visible ones are at their means.
    h0 = sigmoid(v0 @ w + b)
    sampled = (tf.random.stateless_uniform(h0.shape, SEED).numpy() < h0).astype(float)
    mean = sampled @ w.T + a
    v1 = mean if visible == "gaussian" else sigmoid(mean)
    h1 = sigmoid(v1 @ w + b)
    update = {"kernel": v0.T @ h0 - v1.T @ h1, "bias": (h0 - h1).sum(0), "visible_bias": (v0 - v1).sum(0)}

    _, gradients = rbm.gradients((tf.constant(v0), SEED))
    found = {variable.name.split("/")[-1].removesuffix(":0"): g.numpy() for g, variable in gradients}
    assert found.keys() == update.keys()
    for name, expected in update.items():
        np.testing.assert_allclose(found[name], -expected / len(v0), rtol=1e-4, atol=1e-5)


def test_persistent_chains_go_on_where_they_were_and_validation_leaves_them_alone() -> None:
    rbm, v = tiny(batch_size=7, persistent=True), rows("bernoulli")
    rbm.prepare(v, None, seed=0)
    start = rbm._state.chains.numpy()
    rbm.batch_loss((tf.constant(v), SEED), training=False)
    np.testing.assert_array_equal(rbm._state.chains, start)
    for _ in range(2):
        expected = rbm.gibbs(tf.constant(rbm._state.chains.numpy()), SEED)
        rbm.batch_loss((tf.constant(v), SEED), training=True)
        np.testing.assert_array_equal(rbm._state.chains, expected)


def test_the_chain_visits_states_as_often_as_the_energy_says() -> None:
    rbm = tiny(num_visible=3, gibbs_steps=50)
    states = np.array(list(itertools.product([0, 1], repeat=3)), "f4")
    likely = np.exp(-rbm.free_energy(tf.constant(states)).numpy().astype(float))
    drawn = rbm.gibbs(tf.zeros((20_000, 3)), SEED).numpy()
    counts = np.bincount((drawn @ [4, 2, 1]).astype(int), minlength=8)
    np.testing.assert_allclose(counts / len(drawn), likely / likely.sum(), atol=0.015)


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
def test_training_on_digits_lowers_the_reconstruction_error_and_logs_the_gap(visible: str) -> None:
    encoder = rbm_backbone((8, 8, 1), (30,), visible, seed=0)
    rbm = Rbm(encoder, visible, batch_size=30)
    assert rbm.pretrain(DIGITS[:90], DIGITS[90:], "40steps", learning_rate=0.03, validate_every=7) is encoder
    assert rbm.pretraining is not None
    history = rbm.pretraining.history
    assert history[-1]["val_reconstruction_error"] < history[0]["val_reconstruction_error"]
    energies = [rbm.free_energy(rbm.visible(tf.cast(x, tf.float32))) for x in (DIGITS[90:], rbm._state.reference)]
    gap = float(tf.reduce_mean(energies[0]) - tf.reduce_mean(energies[1]))
    assert history[-1]["val_free_energy_gap"] == pytest.approx(gap, abs=1e-4)
    assert rbm.pretraining.provenance["visible"] == visible


def test_gaussian_units_are_standardised_and_the_encoder_knows_it() -> None:
    encoder = rbm_backbone((8, 8, 1), (30,), "gaussian", seed=0)
    rbm = Rbm(encoder, "gaussian")
    encoder.predict(DIGITS, verbose=0)
    rbm.prepare(DIGITS, None, seed=0)
    seen = rbm.visible(tf.cast(DIGITS, tf.float32)).numpy()
    assert abs(seen.mean()) < 1e-3 and seen.std() == pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose(encoder.predict(DIGITS, verbose=0), rbm.dense(seen), rtol=1e-4, atol=1e-5)


def test_the_same_seed_gives_the_same_machine_to_the_bit() -> None:
    def trained(seed: int) -> np.ndarray:
        rbm = Rbm(rbm_backbone((8, 8, 1), (10,), seed=0), batch_size=30)
        return rbm.pretrain(DIGITS, budget="3steps", seed=seed).get_weights()[0]

    first, again, other = trained(1), trained(1), trained(2)
    assert (first == again).all() and (first != other).any()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Rbm(dense_backbone((8, 8, 1), (10,), seed=0)), "one Dense layer with sigmoid"),
        (lambda: Rbm(rbm_backbone((8, 8, 1), (10, 5), seed=0)), "StackedRbms takes several"),
        (lambda: tiny("real"), "'bernoulli' or 'gaussian'"),
        (lambda: tiny(gibbs_steps=0), "gibbs_steps=0"),
        (lambda: tiny().prepare(rows("gaussian"), None, 0), "Bernoulli units are 0 to 1"),
    ],
)
def test_what_cannot_be_done_is_said(make, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()
