"""Each fault planted in a built-in task is found, and said in a sentence of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from auxtask.backbones.small_nets import dense_backbone
from auxtask.framework import keras, tf
from auxtask.tasks.checking import TaskProblem, check_task
from auxtask.tasks.image_task import ImageTask
from auxtask.tasks.masked_words import MaskedWords
from auxtask.tasks.rotation import Rotation
from auxtask.tasks.same_pair import SamePair
from auxtask.tasks.stacked_autoencoders import StackedAutoencoders
from tests.tasks.small_tasks import face_backbone, language, pairs, pictures, small_conv, text


class Turned(Rotation):
    """Rotation with all that a fault needs to be planted; only the loss is logged."""

    def batch_loss(self, batch: Any, training: bool) -> Any:
        return super().batch_loss(batch, training)["loss"]

    def __init__(self, encoder: Any) -> None:
        super().__init__(encoder, batch_size=16)
        self.log_means(["loss"])


class NothingReachesTheEncoder(Turned):
    def batch_loss(self, batch, training):
        odds = self.head(tf.stop_gradient(self.encoder(batch[0], training=training)))
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(batch[1], odds))


class ARegulariserAlone(NothingReachesTheEncoder):
    def __init__(self, encoder: Any) -> None:
        super().__init__(encoder)
        kernel = encoder.trainable_weights[0]
        encoder.add_loss(lambda: 1e-4 * tf.reduce_sum(kernel**2))


class AnswerInACorner(Turned):
    def batches(self, data, seed):
        return super().batches(data, seed).map(self.paint)

    def paint(self, pictures, turns):
        corner = np.zeros((1, 12, 12, 1), np.float32)
        corner[0, 0, 11] = 1
        painted = 60.0 * tf.cast(turns, tf.float32)[:, None, None, None]
        return pictures * (1 - corner) + painted * corner, turns


class NoInput(Turned):
    def batch_loss(self, batch, training):
        return super().batch_loss((tf.zeros_like(batch[0]), batch[1]), training)


class OtherBatches(Turned):
    def batches(self, data, seed):
        return super().batches(data, int(np.random.default_rng().integers(2**31)))


class OtherLoss(Turned):
    def batch_loss(self, batch, training):
        return super().batch_loss(batch, training) * (1 + np.random.default_rng().uniform())


class OwnGenerator(Turned):
    """NumPy again, but neither its global generator nor where the loss is only judged."""

    def batch_loss(self, batch, training):
        self.random = getattr(self, "random", None) or np.random.default_rng()
        return super().batch_loss(batch, training) * (1 + self.random.uniform() if training else 1)


class Shapeless(Turned):
    @property
    def kept(self):
        class Plain(keras.Model):
            def __init__(self, inner):
                super().__init__()
                self.inner = inner

        return Plain(self.encoder)


class LastBatchIsSmaller(Turned):
    def batches(self, data, seed):
        pictures = tf.data.Dataset.from_tensor_slices(data.astype("float32")).batch(16).repeat()
        return pictures.map(lambda batch: (tf.tile(batch, (4, 1, 1, 1)), tf.repeat(np.arange(4), tf.shape(batch)[0])))

    def num_batches(self, data):
        return 3


class Ends(Turned):
    def batches(self, data, seed):
        return super().batches(data, seed).take(2)


class Empty(Turned):
    def batches(self, data, seed):
        return super().batches(data, seed).take(0)


class NoLoss(Turned):
    def batch_loss(self, batch, training):
        return {"cost": super().batch_loss(batch, training)}


class NotFinite(Turned):
    def batch_loss(self, batch, training):
        return tf.math.log(super().batch_loss(batch, training) * 0.0)


class OnePerExample(Turned):
    def batch_loss(self, batch, training):
        odds = self.head(self.encoder(batch[0], training=training))
        return tf.nn.sparse_softmax_cross_entropy_with_logits(batch[1], odds)


class NoNumber(Turned):
    def num_batches(self, data):
        return len(data) / 16


class AGenerator(Turned):
    def batches(self, data, seed):
        yield from super().batches(data, seed)


class LossInWords(Turned):
    def batch_loss(self, batch, training):
        return {"loss": super().batch_loss(batch, training), "said": "good"}


class DrawsWithNumPy(Turned):
    def batch_loss(self, batch, training):
        weights = np.random.rand(len(batch[1]))
        odds = self.head(self.encoder(batch[0], training=training))
        return tf.reduce_mean(weights * tf.nn.sparse_softmax_cross_entropy_with_logits(batch[1], odds))


class MakesNumPyArrays(Turned):
    def batch_loss(self, batch, training):
        return super().batch_loss(batch, training) * float(np.mean(batch[0]) > 0)


class MakesALayerInEachStep(Turned):
    def batch_loss(self, batch, training):
        odds = keras.layers.Dense(4, kernel_initializer="zeros")(self.encoder(batch[0], training=training))
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(batch[1], odds))


FAULTS = {
    NothingReachesTheEncoder: "training leaves the part that is kept unchanged",
    ARegulariserAlone: "the loss does not reach the part that is kept: only a regulariser moves it",
    AnswerInACorner: r"the target batch\[1\] leaks into the input: batch\[0\]\[:, 0, 11, 0\] tells it",
    NoInput: "the loss ignores its input",
    OtherBatches: "other batches under the same seed",
    OwnGenerator: "other numbers under the same seed",
    OtherLoss: "another loss for the same batch under the same seed",
    Shapeless: "the part that is kept has no layer groups",
    LastBatchIsSmaller: r"shapes change between batches: batch\[0\] is float32 \(64, 12, 12, 1\) at first and float32 "
    r"\(32, 12, 12, 1\) in batch 3",
    Ends: "batches ends after 2",
    Empty: "batches gives no batch at all",
    NoLoss: "batch_loss gives no 'loss': it has 'cost'",
    NotFinite: "'loss' that is not finite",
    OnePerExample: r"'loss' in shape \(64,\)",
    NoNumber: "num_batches gives 2.5",
    AGenerator: "batches gives a generator: it must be a tf.data.Dataset",
    LossInWords: "'said' that is a str: it must be a number",
    DrawsWithNumPy: "draws with NumPy's or Python's random",
    MakesNumPyArrays: "not compiled, as in training: .*symbolic",
    MakesALayerInEachStep: "not compiled, as in training: .*singleton",
}


def test_without_a_fault_nothing_is_said() -> None:
    assert check_task(Turned(small_conv()), pictures()) is None


def test_nan_may_mark_a_missing_target() -> None:
    class SomeAreUnknown(Turned):
        def batches(self, data, seed):
            return super().batches(data, seed).map(lambda x, y: (x, tf.where(y == 0, np.nan, tf.cast(y, tf.float32))))

        def batch_loss(self, batch, training):
            known = tf.where(tf.math.is_nan(batch[1]), 0.0, batch[1])
            return super().batch_loss((batch[0], tf.cast(known, tf.int64)), training)

    assert check_task(SomeAreUnknown(small_conv()), pictures()) is None


def test_a_head_may_wait_for_its_first_input() -> None:
    class TwoLayers(Turned):
        def __init__(self, encoder):
            super().__init__(encoder)
            self.head = keras.Sequential([keras.layers.Dense(8, "relu"), keras.layers.Dense(4)])

        def num_batches(self, data):
            return np.int64(super().num_batches(data))

    task = TwoLayers(small_conv())
    before = task.encoder.get_weights()
    assert check_task(task, pictures()) is None
    assert all((new == old).all() for new, old in zip(task.encoder.get_weights(), before, strict=True))
    task.pretrain(pictures(), budget="2steps")


def test_a_task_without_a_method_is_refused_when_it_is_made() -> None:
    class NoBatchLoss(ImageTask):
        pass

    with pytest.raises(ValueError, match="NoBatchLoss has no batch_loss"):
        NoBatchLoss(small_conv())


def test_a_loss_that_is_not_returned_is_said_in_training_too() -> None:
    class Forgot(Turned):
        def batch_loss(self, batch, training):
            super().batch_loss(batch, training)

    with pytest.raises(ValueError, match="Forgot.batch_loss gives None: it must return the loss"):
        check_task(Forgot(small_conv()), pictures())
    with pytest.raises(ValueError, match="gives None"):
        Forgot(small_conv()).pretrain(pictures(), budget="1steps")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_planted_fault_has_its_sentence(fault) -> None:
    task = fault(small_conv())
    before = task.encoder.get_weights()
    with pytest.raises(TaskProblem, match=FAULTS[fault]) as found:
        check_task(task, pictures())
    assert len(found.value.sentences) == 1
    assert all((new == old).all() for new, old in zip(task.encoder.get_weights(), before, strict=True))
    assert task.optimizer is None


def test_hidden_words_that_are_shown_leak() -> None:
    class Shown(MaskedWords):
        def batches(self, data, seed):
            return super().batches(data, seed).map(self.show)

        def show(self, inputs, targets, weights):
            ids = inputs["input_ids"]
            places = inputs["masked_positions"][:, None]
            flat = tf.tensor_scatter_nd_update(tf.reshape(ids, (-1,)), places, targets)
            return {**inputs, "input_ids": tf.reshape(flat, tf.shape(ids))}, targets, weights

    tokenizer, cache = text()
    with pytest.raises(TaskProblem, match=r"leaks into the input: batch\[0\]\['input_ids'\] at the positions"):
        check_task(Shown(language(), tokenizer, length=16, batch_size=8), cache)


def test_an_answer_painted_on_one_photo_of_a_pair_leaks() -> None:
    class Painted(SamePair):
        def batches(self, data, seed):
            return super().batches(data, seed).map(self.paint)

        def paint(self, photos, same, weight):
            left, right = photos
            return (left, tf.concat([right[:, :-1], right[:, -1:] * 0 + same[:, None, None, None]], 1)), same, weight

    task = Painted(face_backbone())
    task.batch_size = 32
    with pytest.raises(TaskProblem, match=r"the target batch\[1\] leaks into the input: batch\[0\]\[1\]"):
        check_task(task, pairs())


def test_what_is_no_task_is_refused() -> None:
    with pytest.raises(ValueError, match="not an AuxiliaryTask"):
        check_task(small_conv(), pictures())


def test_a_stack_whose_layers_learn_nothing_is_told_by_layer() -> None:
    class Deaf(StackedAutoencoders):
        def __init__(self, encoder: Any) -> None:
            super().__init__(encoder, batch_size=16)
            for name, part in self.layer_tasks.items():
                part.batch_loss = self.deaf(part) if name == "hidden2" else part.batch_loss

        @staticmethod
        def deaf(part: Any) -> Any:
            return lambda batch, training: {"loss": tf.reduce_sum(part.kept.trainable_weights[0]) * 0.0 + 1.0}

    with pytest.raises(TaskProblem, match="layer hidden2: training leaves the part that is kept unchanged"):
        check_task(Deaf(dense_backbone((12, 12, 1), (12, 6), seed=0)), pictures())
