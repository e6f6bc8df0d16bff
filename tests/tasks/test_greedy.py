"""Layer by layer: each group is trained alone, on the codes of frozen ones, and the whole is one backbone."""

from pathlib import Path

import numpy as np
import pytest

from auxtask.backbones.saving import save_backbone
from auxtask.backbones.small_nets import conv_backbone, dense_backbone, rbm_backbone
from auxtask.data.image_data import ImageData
from auxtask.deployment.loading import load
from auxtask.framework import keras
from auxtask.tasks import frozen_codes
from auxtask.tasks.auxiliary_task import AuxiliaryTask
from auxtask.tasks.frozen_codes import FrozenCodes
from auxtask.tasks.greedy import GreedyTask, _Shares, layer_parts
from auxtask.tasks.stacked_autoencoders import StackedAutoencoders
from auxtask.tasks.stacked_rbms import StackedRbms
from auxtask.transfer.freezing import freeze, frozen_groups
from auxtask.transfer.groups import layer_groups

DIGITS = ImageData.digits().train.images[:120]
TASKS = {
    "autoencoders": lambda **more: StackedAutoencoders(
        dense_backbone((8, 8, 1), (20, 10), dropout=0.1, seed=0), batch_size=30, **more
    ),
    "convolutions": lambda **more: StackedAutoencoders(conv_backbone((8, 8, 1), (4, 6), seed=0), batch_size=30, **more),
    "rbms": lambda **more: StackedRbms(rbm_backbone((8, 8, 1), (20, 10), seed=0), batch_size=30, **more),
    "gaussian rbms": lambda **more: StackedRbms(
        rbm_backbone((8, 8, 1), (20, 10), "gaussian", seed=0), batch_size=30, **more
    ),
}


class Weights(keras.callbacks.Callback):
    """Notes the encoder's weights whenever a training begins and ends."""

    def __init__(self, encoder: keras.Model) -> None:
        super().__init__()
        self.encoder, self.begun, self.ended = encoder, [], []

    def now(self) -> dict[str, list[np.ndarray]]:
        return {
            group.name: [w for path in group.layers for w in self.encoder.get_layer(path).get_weights()]
            for group in layer_groups(self.encoder)
        }

    def on_train_begin(self, logs=None) -> None:
        self.begun.append((self.now(), frozen_groups(self.encoder)))

    def on_train_end(self, logs=None) -> None:
        self.ended.append(self.now())


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all((a == b).all() for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("kind", TASKS)
def test_parts_one_after_the_other_are_the_encoder_to_the_bit(kind: str) -> None:
    encoder = TASKS[kind]().encoder
    x = DIGITS.astype("float32")
    for part in layer_parts(encoder).values():
        x = part(x)
    np.testing.assert_array_equal(x, encoder(DIGITS.astype("float32")))


@pytest.mark.parametrize("kind", TASKS)
def test_each_layer_trains_while_those_below_stay_equal_to_the_bit(kind: str, tmp_path: Path) -> None:
    task: GreedyTask = TASKS[kind](tune=0.2)
    first, second = layer_groups(task.encoder).names
    watch = Weights(task.encoder)
    assert task.pretrain(DIGITS[:90], DIGITS[90:], "20steps", 1e-2, callbacks=[watch], seed=3) is task.encoder

    (_, frozen1), (before2, frozen2), (_, frozen3) = watch.begun
    after1, after2, after3 = watch.ended
    assert (frozen1, frozen2, frozen3) == ((), (first,), ())
    assert same(after1[first], after2[first]) and not same(before2[second], after2[second])
    assert not same(after2[first], after3[first])  # tuned as a whole
    assert [row["changed"] for row in task.ledger.rows if row["frozen"]] == [False]
    assert frozen_groups(task.encoder) == ()

    assert task.pretraining is not None
    assert [(row["phase"], row["epoch"], row["step"]) for row in task.pretraining.history] == [
        (first, 1, 8), (second, 2, 16), ("tune", 3, 20)
    ]  # fmt: skip
    assert all(np.isfinite(row["val_loss"]) for row in task.pretraining.history)
    assert task.pretraining.provenance["layers"] == [first, second]
    assert task.pretraining.provenance["settings"]["budget"] == "20steps"

    given_back = task.reconstruct(DIGITS[:5])
    assert given_back.dtype == np.uint8 and given_back.shape == DIGITS[:5].shape
    save_backbone(task.encoder, tmp_path / "backbone", task.pretraining.provenance)
    loaded = load(tmp_path / "backbone")
    np.testing.assert_array_equal(loaded.predict(DIGITS, verbose=0), task.encoder.predict(DIGITS, verbose=0))
    assert layer_groups(loaded).names == (first, second)


@pytest.mark.parametrize("kind", TASKS)
def test_codes_that_are_too_many_to_hold_are_made_batch_by_batch_and_teach_the_same(kind: str, monkeypatch) -> None:
    def trained(most_bytes: int) -> tuple[list[np.ndarray], list[type]]:
        monkeypatch.setattr(frozen_codes, "_MOST_BYTES", most_bytes)
        task, seen = TASKS[kind](), []

        def watch(part: AuxiliaryTask) -> None:
            batches = part.batches
            monkeypatch.setattr(part, "batches", lambda data, seed: seen.append(type(data)) or batches(data, seed))

        for part in task.layer_tasks.values():
            watch(part)
        task.pretrain(DIGITS[:90], DIGITS[90:], "8steps", 1e-3, seed=3)
        return task.encoder.get_weights(), seen

    (held, of_held), (streamed, of_streamed) = trained(2**20), trained(0)
    assert FrozenCodes not in of_held and FrozenCodes in of_streamed
    assert of_streamed[0] is np.ndarray and of_streamed[-1] is FrozenCodes  # the first layer learns from the pictures
    for one, other in zip(held, streamed, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_codes_know_what_they_would_take_before_they_are_made() -> None:
    below = conv_backbone((8, 8, 1), (4, 6), seed=0)
    codes = FrozenCodes(DIGITS, below)
    assert codes.num_bytes == codes[:].nbytes
    np.testing.assert_array_equal(codes[np.array([5, 2])], below.predict(DIGITS[[5, 2]], verbose=0))


def test_the_same_seed_gives_the_same_encoder_to_the_bit() -> None:
    def trained(seed: int) -> list[np.ndarray]:
        return TASKS["rbms"]().pretrain(DIGITS, budget="4steps", seed=seed).get_weights()

    first, again, other = trained(1), trained(1), trained(2)
    assert same(first, again) and not same(first, other)


def test_shares_of_a_budget_add_up_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = _Shares("100steps", [0.3, 0.3, 0.4])
    assert [steps.next() for _ in range(3)] == ["30steps", "30steps", "40steps"]
    thirds = _Shares("100steps", [1 / 3] * 3)
    assert sum(int(thirds.next().removesuffix("steps")) for _ in range(3)) == 100
    now = [0.0]
    monkeypatch.setattr("auxtask.tasks.greedy.time.monotonic", lambda: now[0])
    seconds = _Shares("60.0s", [0.5, 0.5])
    assert float(seconds.next()[:-1]) == pytest.approx(30)
    now[0] = 40.0  # the first took longer than it should
    assert float(seconds.next()[:-1]) == pytest.approx(20)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: TASKS["autoencoders"](tune=1.0), "tune"),
        (lambda: TASKS["rbms"](tune=-0.1), "tune"),
        (lambda: TASKS["rbms"]().pretrain(DIGITS, budget="1steps"), "too small for 2 trainings"),
        (lambda: StackedRbms(dense_backbone((8, 8, 1), (5,), seed=0)), "one Dense layer with sigmoid"),
        (lambda: StackedAutoencoders(freeze(dense_backbone((8, 8, 1), (5, 4), seed=0), 1)).pretrain(DIGITS), "frozen"),
    ],
)
def test_what_cannot_be_done_is_said(call, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()
