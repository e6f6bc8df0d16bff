"""The arms of text recipes that train a network: from scratch, tuned from a probe, or taught by pairs first.

What is left of each is the same: pooled features and one linear layer on them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import log_softmax

from auxtask.backbones.pooling import pooled
from auxtask.backbones.text_features import embed_texts, traced
from auxtask.data.text_batches import EncodedTexts, training_batches
from auxtask.evaluation.arms import Arm, Outcome
from auxtask.evaluation.examples import Examples
from auxtask.evaluation.layer_features import StandardisedLayers
from auxtask.evaluation.probes import logistic_head
from auxtask.evaluation.text_arms import Classifier, best_classifier, scored_arm
from auxtask.framework import keras
from auxtask.transfer.cloning import reuse
from auxtask.transfer.fine_tuning import FineTuning, fine_tune
from auxtask.transfer.groups import layer_groups
from auxtask.transfer.heads import add_head
from auxtask.transfer.plans import Phase, Plan

__all__ = [
    "LinearNetwork",
    "TextTraining",
    "network_classifier",
    "pair_fit",
    "scratch_fit",
    "text_network_arm",
    "tune_fit",
]

HEAD_STRENGTH = 1.0  # scikit-learn's C, on features of variance 1


@dataclass(frozen=True, eq=False)
class LinearNetwork:
    """A trained classifier of texts: `features @ kernel + bias`, then a softmax.

    Attributes
    ----------
    network : keras.Model
        From `input_ids` and `attention_mask` to pooled features [n, d].
    kernel, bias : float32 [d, c], float32 [c]
    """

    network: keras.Model
    kernel: np.ndarray
    bias: np.ndarray

    @cached_property
    def _run(self) -> Callable[..., Any]:
        return traced(self.network)

    def log_probabilities(self, texts: EncodedTexts) -> np.ndarray:
        """Give the log-probability of each class: float64 [n, c]."""
        logits = embed_texts(self.network, texts, run=self._run) @ self.kernel + self.bias
        return np.asarray(log_softmax(logits.astype(np.float64), axis=1))


@dataclass(frozen=True)
class TextTraining:
    """How a network is trained on few labelled texts: AdamW, linear warm-up over a tenth, cosine decay, clipping.

    Parameters
    ----------
    steps : int
        The same whatever the number of labels, so that few labels do not mean few steps.
    learning_rate : float
        The highest.
    batch_size : int
    max_length : int
        Of longer texts, so many tokens (as `EncodedTexts` cuts) are trained on; they are judged at full length.
    layer_decay : float
        See `Phase`.
    weight_decay, clip : float
        Of AdamW; largest global norm of the gradients.
    """

    steps: int = 100
    learning_rate: float = 5e-5
    batch_size: int = 16
    max_length: int = 128
    layer_decay: float = 1.0
    weight_decay: float = 0.01
    clip: float = 1.0

    def run(self, model: keras.Model, texts: EncodedTexts, name: str, frozen_upto: str | None, seed: int) -> FineTuning:
        """Train a classifier, in place, on texts with labels; `frozen_upto` as in `Phase`."""
        warmup = max(1, self.steps // 10)
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, max(1, self.steps - warmup), warmup_target=self.learning_rate, warmup_steps=warmup
        )
        phase = Phase(1, rate, frozen_upto, self.layer_decay, name=name)
        optimizer = keras.optimizers.AdamW(weight_decay=self.weight_decay, global_clipnorm=self.clip)
        # repeat() before take(): every pass is shuffled anew, and the steps may hold many passes or a part of one.
        batches = training_batches(texts, self.batch_size, seed=seed).repeat().take(self.steps)
        return fine_tune(model, batches, plan=Plan(name, (phase,)), optimizer=optimizer, seed=seed)


Fit = Callable[[np.ndarray, np.ndarray, int], LinearNetwork]
"""(items to learn from, their labels, seed) -> LinearNetwork."""


def scratch_fit(
    backbone: keras.Model,
    texts: EncodedTexts,
    training: TextTraining,
) -> Fit:
    """Train the backbone's architecture from random weights: the baseline.

    Parameters
    ----------
    backbone : keras.Model
        From `language_model`; stays as it is.
    texts : EncodedTexts
        By item number.
    training : TextTraining
    """

    def fit(items: np.ndarray, labels: np.ndarray, seed: int) -> LinearNetwork:
        model = add_head(pooled(reuse(backbone, init="random", seed=seed)), int(labels.max()) + 1)
        return _trained(model, texts.take(items, labels, _cut(training, texts)), training, "scratch", seed)

    return fit


def tune_fit(
    backbone: keras.Model,
    texts: EncodedTexts,
    layers: StandardisedLayers,
    probes: Mapping[tuple[str, float], Classifier],
    training: TextTraining,
) -> Fit:
    """Reuse the layers up to the one that the labels choose, put the probe on them as the head, and tune all gently.

    The head starts as the logistic regression on frozen features, so that its first gradients do not wreck them (Kumar
    et al., "Fine-tuning can distort pretrained features", 2022). The embeddings stay frozen: few texts name few words.

    Parameters
    ----------
    backbone, texts, training
        As `scratch_fit`.
    layers : StandardisedLayers
        Features of the backbone.
    probes : mapping of (layer, C) to Classifier
        Of `log_probes`; cross-validation on the labels to learn from picks one.
    """

    def fit(items: np.ndarray, labels: np.ndarray, seed: int) -> LinearNetwork:
        layer, strength = best_classifier(probes, items, labels)
        model = add_head(pooled(reuse(backbone, upto=layer)), int(labels.max()) + 1)
        model.layers[-1].set_weights(layers.head(layer, items, labels, strength))
        few = texts.take(items, labels, _cut(training, texts))
        return _trained(model, few, training, "tune", seed, layer_groups(model).names[0])

    return fit


def pair_fit(
    backbone: keras.Model,
    texts: EncodedTexts,
    probes: Mapping[tuple[str, float], Classifier],
    teach: Callable[[keras.Model, EncodedTexts, int], Any],
    max_length: int = 128,
) -> Fit:
    """Teach a copy by "same label or not?", then fit a logistic head on its features.

    Source of the idea: Tunstall et al., "Efficient few-shot learning without prompts" (SetFit, 2022).

    Parameters
    ----------
    backbone, texts, probes
        As `tune_fit`; the copy ends in the layer that the labels choose.
    teach : callable (copy, labelled texts, seed)
        Trains the copy, in place (`SameDocument(copy).pretrain(texts, ...)`).
    max_length : int
        Of longer texts, so many tokens (as `EncodedTexts` cuts) are taught.
    """

    def fit(items: np.ndarray, labels: np.ndarray, seed: int) -> LinearNetwork:
        layer, _ = best_classifier(probes, items, labels)
        copy = reuse(backbone, upto=layer)
        teach(copy, texts.take(items, labels, min(max_length, texts.max_length)), seed)
        network = pooled(copy)
        features = embed_texts(network, texts.take(items))
        # One scale for all: a column that few texts hardly move would else be blown up.
        mean, scale = features.mean(0), features.std() + 1e-6
        kernel, bias = logistic_head((features - mean) / scale, labels, HEAD_STRENGTH)
        return LinearNetwork(network, kernel / scale, bias - (mean / scale) @ kernel)

    return fit


def network_classifier(fit: Fit, texts: EncodedTexts, seed: int = 0) -> Classifier:
    """Make a `Classifier` of it, for `chosen_arm` to weigh."""

    def classify(train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
        return fit(train, labels, seed).log_probabilities(texts.take(test))

    return classify


def text_network_arm(fit: Fit, texts: EncodedTexts, train_metric: str = "train_accuracy") -> Arm:
    """Make an arm of it: train on the labelled texts of a draw, score the test texts."""

    def arm(train: Examples, test: np.ndarray, seed: int) -> Outcome | np.ndarray:
        return scored_arm({"": network_classifier(fit, texts, seed)}, train_metric)(train, test, seed)

    return arm


def _trained(
    model: keras.Model,
    few: EncodedTexts,
    training: TextTraining,
    name: str,
    seed: int,
    frozen_upto: str | None = None,
) -> LinearNetwork:
    """Train features and head together, and take them apart again."""
    training.run(model, few, name, frozen_upto, seed)
    head = model.layers[-1]
    return LinearNetwork(keras.Model(model._nested_inputs, head.input), *head.get_weights())


def _cut(training: TextTraining, texts: EncodedTexts) -> int:
    return min(training.max_length, texts.max_length)
