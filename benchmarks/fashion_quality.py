"""Choose the settings of recipes/fashion_transfer.py, on other pairs and without a test image.

    auxtask bench fashion_quality --data-root DIR                 # both networks, three pairs: hours
    auxtask bench fashion_quality network=conv pairs=coat,pullover --data-root DIR

For each pair, Model A learns the other eight classes. Of the pair's own training images half are held out, and stand
in for test images: those of Fashion-MNIST are not looked at. Every setting of an arm is an arm of its own here, named
after it; what is best in the mean over pairs and seeds is written into the recipe. Rows carry network and pair as
`variant`. Sandal and shirt, the recipe's own pair, are never a pair here; the three that are, are among the 45 of
`pair=all`, of which other images are tested there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

import auxtask as at

PAIRS = ("coat,pullover", "sneaker,ankle-boot", "t-shirt,dress")
MAKERS: dict[str, Any] = {"conv": at.conv_backbone, "dense": at.dense_backbone}
SHIFTS = {"conv": at.Shifts(2), "dense": at.Shifts(1)}
A_EPOCHS = {"conv": 6, "dense": 10}
A_RATES = {"conv": 3e-3, "dense": 1e-3}
STRENGTHS = (0.003, 0.01, 0.03, 0.1, 1.0)
SCRATCH_RATES = (1e-3, 3e-3, 1e-2)
TUNE_RATES = ((1e-3, 1e-4), (3e-3, 3e-4), (3e-3, 1e-3))  # of the head, of all
FROZEN, THAWED, BATCHES = 4, 16, (10, 20)


@dataclass(frozen=True)
class Config:
    """What can be set, as key=value."""

    network: tuple[str, ...] = at.option(("conv", "dense"), "which networks", choices=("conv", "dense"))
    pairs: str = at.option(";".join(PAIRS), "pairs that stand in for the target, as a,b;c,d")
    a_epochs: int = at.option(0, "epochs of Model A; 0: as in the recipe")
    labels: tuple[int, ...] = at.option((20, 200), "labelled images in all")
    seeds: int = at.option(10, "draws of the labelled images for arms that are not trained; a third for those that are")
    quick: bool = at.option(False, "digits, one pair and few epochs: to see that everything runs")


def main(config: Config, run: at.Run) -> None:
    """Search each network's settings on each pair, and print the means over pairs."""
    data = check(config, run)
    run.keep_to("pictures", data.fingerprint(in_order=True))
    pairs = [("3", "5")] if config.quick else [tuple(pair.split(",")) for pair in config.pairs.split(";")]
    for network in config.network:
        for pair in pairs:
            with run.stage(f"{network}, {' against '.join(pair)}"):
                search(config, run, data, network, pair)
    for key in dict.fromkeys((row["variant"].split("-")[0], row["budget"], row["arm"]) for row in run.rows):
        own = [
            row["mean"] for row in run.rows
            if (row["variant"].split("-")[0], row["budget"], row["arm"]) == key and row["metric"] == "accuracy"
        ]  # fmt: skip
        run.print(f"{key[0]:6} {key[1]:5} {key[2]:28} {100 * float(np.mean(own)):.2f} % over {len(own)} pairs")


def check(config: Config, run: at.Run) -> at.ImageData:
    """Read the images, and refuse pairs that are not there or are the recipe's own."""
    if config.quick:
        return at.ImageData.digits(seed=run.seed)
    data = at.ImageData.fashion_mnist(run.data_root)
    most = 2 * pool_size(data.train.counts)
    if config.seeds < 1 or not config.labels or not 4 <= min(config.labels) <= max(config.labels) <= most:
        raise ValueError(f"labels={config.labels}, seeds={config.seeds}: 4 to {most} labels, one seed or more")
    for pair in config.pairs.split(";"):
        names = data.only(pair.split(",")).names
        if len(names) != 2 or set(names) == {"sandal", "shirt"}:
            raise ValueError(f"pairs={pair}: must be two classes, and not the recipe's own, sandal and shirt")
    return data


def search(config: Config, run: at.Run, data: at.ImageData, network: str, pair: tuple[str, ...]) -> None:
    """Compare all settings on one pair; everything comes from training images."""
    backbone = pretrained(config, run, data.without(pair), network)
    b = data.only(pair).train
    pool, held_out = at.fixed_test_half(b.labels, seed=run.seed, max_pool=pool_size(b.counts))
    held_out = held_out[:: max(1, len(held_out) // 2000)]
    labelled, tested = (at.Examples(rows, b.labels[rows], pair, rows) for rows in (pool, held_out))
    budgets = [n for n in config.labels if n <= len(pool)]
    variant = f"{network}-{'+'.join(pair)}"
    shared: dict[str, Any] = {"pool": labelled, "budget_unit": "labels", "metric": "accuracy", "per_class": False}
    shared |= {"baseline": None, "seed": run.seed, "run": run, "variant": variant}
    seeds = 2 if config.quick else config.seeds
    run.add_rows(at.Comparison(probes(backbone, b.images, pool, network), budgets, seeds, tested, **shared).run().rows)
    trained = dict(list(trainings(backbone, b.images, network, config.quick))[: 2 if config.quick else None])
    few = max(1, seeds // 3)
    run.add_rows(at.Comparison(trained, budgets, few, tested, **shared).run().rows)


def pool_size(counts: np.ndarray) -> int:
    """Give how many of each class labels are drawn from; the others stand in for test images."""
    return min(2000, int(counts.min()) // 2)


def pretrained(config: Config, run: at.Run, a: at.ImageData, network: str) -> at.Model:
    """Train Model A on what is left, and give it without its head."""
    epochs, size = (2, 32) if config.quick else (config.a_epochs or A_EPOCHS[network], 128)
    backbone = MAKERS[network](a.shape, seed=run.seed)
    callbacks = run.callbacks(label=f"A-{network}", items_per_step=size, unit="images")
    model = at.learn_classes(backbone, a.train, epochs, A_RATES[network], SHIFTS[network], size, run.seed, callbacks)
    return at.reuse(model, drop_head=True)


def probes(backbone: at.Model, images: np.ndarray, pool: np.ndarray, network: str) -> dict[str, Any]:
    """Give logistic regression on the last depth's features, as the recipe has it, with each penalty."""
    last = at.layer_groups(backbone).names[-1]

    def features() -> np.ndarray:
        return at.standardised(at.image_features(backbone, images, [last], SHIFTS[network].flip)[last], pool)

    rows = cache(features)
    return {
        f"probe-C{strength:g}": at.linear_arm(rows, partial(at.logistic_head, strength=strength), "train_accuracy")
        for strength in STRENGTHS
    }


def trainings(backbone: at.Model, images: np.ndarray, network: str, quick: bool) -> Iterator[tuple[str, Any]]:
    """Give scratch and probe_then_tune with each length and rate."""
    frozen, thawed = (1, 1) if quick else (FROZEN, THAWED)
    for batches in BATCHES:
        arm = partial(
            at.network_arm, backbone, images, augment=SHIFTS[network], epoch_batches=batches, crop=1.0,
            mirror=SHIFTS[network].flip, sigmoid=True, train_metric="train_accuracy",
        )  # fmt: skip
        for rate in SCRATCH_RATES:
            cosine = at.keras.optimizers.schedules.CosineDecay(rate, (frozen + thawed) * batches)
            yield f"scratch-{batches}x{rate:g}", arm(plan=at.Plan.scratch(frozen + thawed, cosine), init="random")
        for head, low in TUNE_RATES:
            plan = at.Plan.probe_then_tune(frozen + thawed, head, low, probe_epochs=frozen)
            yield f"tune-{batches}x{head:g}-{low:g}", arm(plan=plan)


if __name__ == "__main__":
    at.run(main, Config)
