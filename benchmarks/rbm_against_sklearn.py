"""How good and how fast restricted Boltzmann machines are: against scikit-learn's `BernoulliRBM`, on its digits.

    auxtask bench rbm_against_sklearn

Both learn 100 hidden units from the same pictures, pixels from 0 to 1, in as many passes. Each side has its own batches
(its default's size) and its own rate: the best of RATES on training digits that are held out, before a test digit is
looked at. Rows, from alternating rounds in one run, each with its own seed, so that a noisy machine slows both alike:

- `probe_accuracy`, by side, and `pixels`: logistic regression on the (standardised) features, over the test digits;
- `points_ratio`: auxtask's probe accuracy over scikit-learn's;
- `fit_ratio`: passes per second of `pretrain`, once traced, over those of `fit`;
- `whole_ratio`: the same with everything that happens before the first step.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

import auxtask as at

WARM_UP = 5  # steps that trace and fill buffers, not timed in fit_ratio
RATES = (0.03, 0.05, 0.1, 0.2, 0.3, 0.4)
SEARCH_SEED = 1000  # and those after it: none is a round's


@dataclass(frozen=True)
class Config:
    """What can be set, as key=value."""

    rounds: int = at.option(3, "how often each side is trained and timed, in turn", at_least=1)
    epochs: int = at.option(20, "passes over the digits", at_least=1)
    hidden: int = at.option(100, "hidden units", at_least=1)
    quick: bool = at.option(False, "one round of few passes: to see that everything runs")


def main(config: Config, run: at.Run) -> None:
    """Choose each side's rate, train the sides in turn, and give the ratios."""
    rounds, epochs = (1, 2) if config.quick else (config.rounds, config.epochs)
    digits, sides = at.ImageData.digits(), {"auxtask": ours, "sklearn": theirs}
    with run.stage("rates"):
        rates = {
            side: best_rate(run, side, partial(train, hidden=config.hidden, epochs=epochs), digits, rounds)
            for side, train in sides.items()
        }
    measured: dict[str, list[tuple[float, float, float]]] = {side: [] for side in sides}
    with run.stage("timing"), run.progress("rounds", total=rounds, unit="rounds") as bar:
        for number in range(rounds):
            for side, train in sides.items():
                measured[side].append(train(digits, rates[side], number, config.hidden, epochs))
            bar.update(number + 1, rounds, "")
    own, other = (np.array(measured[side]) for side in measured)
    run.add_rows([at.ratio_row("pixels", "probe_accuracy", np.array([probe(digits, flat)]))])
    for side, values in measured.items():
        run.add_rows([at.ratio_row(side, "probe_accuracy", np.array(values)[:, 0])])
    ratios = {name: own[:, i] / other[:, i] for i, name in enumerate(("points_ratio", "fit_ratio", "whole_ratio"))}
    for metric, values in ratios.items():
        run.add_rows([at.ratio_row("rbm", metric, values)])
        run.print(f"{metric}: {np.mean(values):.3f} (rounds: {', '.join(f'{v:.3f}' for v in values)})")
    for side, values in measured.items():
        accuracy, fitted, whole = np.median(values, axis=0)
        run.note(
            f"{side}: probe {100 * accuracy:.1f} %, {fitted:.1f} passes/s once traced, {whole:.1f} in all (medians)"
        )


def best_rate(
    run: at.Run, side: str, train: Callable[..., tuple[float, float, float]], digits: at.ImageData, repeats: int
) -> float:
    """Give the rate whose features are best on a quarter of the training digits, in the mean over seeds."""
    learned, held_out = at.fixed_test_half(digits.train.labels, seed=0, fraction=0.25)
    judged = replace(digits, train=digits.train.take(learned), test=digits.train.take(held_out))
    seeds = range(SEARCH_SEED, SEARCH_SEED + repeats)
    found = {rate: float(np.mean([train(judged, rate, seed)[0] for seed in seeds])) for rate in RATES}
    best = max(found, key=lambda rate: found[rate])
    listed = ", ".join(f"{rate:g} {100 * accuracy:.1f}" for rate, accuracy in found.items())
    run.note(f"{side}: rate {best:g}, by {len(held_out)} training digits held out ({listed} %)")
    return best


def ours(digits: at.ImageData, rate: float, seed: int, hidden: int, epochs: int) -> tuple[float, float, float]:
    """Probe accuracy, and passes per second without and with the start, of `Rbm`."""
    rbm = at.Rbm(at.rbm_backbone(digits.shape, (hidden,), seed=seed))
    clock, images = at.StepClock(WARM_UP), digits.train.images
    began = time.perf_counter()
    backbone = rbm.pretrain(
        images, budget=f"{epochs}epochs", learning_rate=rate, weight_decay=0.0, callbacks=[clock], seed=seed
    )  # fmt: skip
    whole = epochs / (time.perf_counter() - began)
    accuracy = probe(digits, lambda x: backbone.predict(x, batch_size=len(x), verbose=0))
    return accuracy, clock.steps_per_second / rbm.num_batches(images), whole


def theirs(digits: at.ImageData, rate: float, seed: int, hidden: int, epochs: int) -> tuple[float, float, float]:
    """Probe accuracy and passes per second (twice: nothing is traced) of scikit-learn's `BernoulliRBM`."""
    from sklearn.neural_network import BernoulliRBM

    rbm = BernoulliRBM(hidden, learning_rate=rate, n_iter=epochs, random_state=seed)
    began = time.perf_counter()
    rbm.fit(flat(digits.train.images))
    speed = epochs / (time.perf_counter() - began)
    return probe(digits, lambda x: rbm.transform(flat(x))), speed, speed


def flat(images: np.ndarray) -> np.ndarray:
    """Give pixels from 0 to 1 as rows."""
    return images.reshape(len(images), -1).astype(np.float32) / 255


def probe(digits: at.ImageData, features: Any) -> float:
    """Judge features by logistic regression: the share of test digits that are told right."""
    learned, judged = (np.asarray(features(part.images)) for part in (digits.train, digits.test))
    mean, deviation = learned.mean(0), learned.std(0) + 1e-6
    kernel, bias = at.logistic_head((learned - mean) / deviation, digits.train.labels, 0.1)
    scores = (judged - mean) / deviation @ kernel + bias
    return float((scores.argmax(1) == digits.test.labels).mean())


if __name__ == "__main__":
    at.run(main, Config)
