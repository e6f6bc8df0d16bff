"""Model A to Model B: reuse what a network learned about eight classes to tell the other two apart.

Auxiliary task: Model A, which knows eight classes of Fashion-MNIST from all their images.
Target task: Model B, which tells the two classes left out apart, from 200 labelled images.

    auxtask run fashion_transfer --data-root DIR                          # sandal against shirt, 20 seeds
    auxtask run fashion_transfer labels=20,50,200,1000 --data-root DIR
    auxtask run fashion_transfer network=dense --data-root DIR            # the small dense net of most first lessons
    auxtask run fashion_transfer pair=all seeds=10 arms=scratch,probe_then_tune --data-root DIR
    auxtask run fashion_transfer                                          # without its files: scikit-learn's digits

Reuse can fail, and then it is said: over seeds, over pairs of classes, with a dense net. The run folder keeps
`model_a/` (each Model A as an .h5 file), `backbone/` (the first of them without its head) and `model/` (a Model B).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

import auxtask as at


@dataclass(frozen=True)
class Config:
    """What can be set, as key=value."""

    dataset: str = at.option(
        "auto",
        "the images; auto: Fashion-MNIST if its files are found, else digits",
        choices=("auto", "fashion_mnist", "digits"),
    )
    network: str = at.option("conv", "convolutional, or fully connected", choices=("conv", "dense"))
    pair: tuple[str, ...] = at.option((), "Model B's classes: negative,positive; or all; empty: sandal,shirt or 8,9")
    seeds: int = at.option(20, "draws of the labelled images, each with other start weights")
    labels: tuple[int, ...] = at.option((), "labelled images in all; empty: 200, of digits 20")
    arms: tuple[str, ...] = at.option((), "restricts the arms; empty: all; of pair=all scratch,probe_then_tune")
    a_seeds: int = at.option(0, "seeds of Model A; 0: 3 (pair=all with conv: one short A per pair)")
    beside: str = at.option("", "pair=all: an earlier run of it with the other network, for the closing sentence")
    quick: bool = at.option(False, "about a minute: to see that everything runs")


@dataclass(frozen=True)
class Settings:
    """What is used for a kind of image and network, chosen on other pairs (benchmarks/fashion_quality.py)."""

    network: dict[str, Any]
    a: tuple[int, int, float]  # Model A: epochs, images in a batch, peak rate
    scratch: float  # peak rate
    tune: tuple[float, float]  # rate of the head, rate of all
    strength: float  # of the probe: scikit-learn's C, on standardised features
    shifts: at.Shifts
    epochs: tuple[int, int] = (4, 16)  # of Model B: frozen, thawed; every arm that trains has as many in all
    batches: int = 10  # of 32 images in each epoch, however few labels
    short: int = 2  # epochs of a short Model A


MAKERS = {"conv": at.conv_backbone, "dense": at.dense_backbone}
FASHION = {
    "conv": Settings({"stages": (32, 64, 128)}, (6, 128, 3e-3), 3e-3, (3e-3, 3e-4), 0.03, at.Shifts(2)),
    "dense": Settings({}, (10, 128, 1e-3), 1e-3, (3e-3, 3e-4), 0.03, at.Shifts(1)),
}
DIGITS = {
    "conv": Settings({"stages": (16, 32, 64)}, (30, 32, 3e-3), 3e-3, (3e-3, 3e-4), 0.1, at.Shifts(1, flip=False)),
    "dense": Settings({}, (30, 32, 1e-3), 1e-3, (3e-3, 3e-4), 0.1, at.Shifts(0, flip=False)),
}
CHOSEN = "probe"  # the arm that carries the claim, fixed beforehand on other pairs


@dataclass(frozen=True)
class Task:
    """Model B's task, and what Model A may know: no image of either class."""

    pair: tuple[str, ...]
    a: at.ImageData
    images: np.ndarray  # those that labels are drawn from, then those tested on: items are positions here
    pool: at.Examples
    test: at.Examples

    @property
    def name(self) -> str:
        """The pair as one word."""
        return "+".join(self.pair)


def main(config: Config, run: at.Run) -> None:
    """Data, then one pair with everything that can be shown of it, or all pairs."""
    with run.stage("data"):
        data = check(config, run)
    pairs, budgets = pairs_of(config, data), budgets_of(config, data)
    tasks = (task_of(data, pair, max(budgets), run.seed) for pair in pairs)
    if len(pairs) == 1:
        one_pair(config, run, next(tasks), budgets)
    else:
        all_pairs(config, run, list(tasks), budgets)


def check(config: Config, run: at.Run) -> at.ImageData:
    """Read the images, and refuse settings that do not fit them (also `auxtask validate`)."""
    found = config.dataset == "fashion_mnist" or at.fashion_mnist_folder(run.data_root) is not None
    if config.dataset != "digits" and found:
        data = at.ImageData.fashion_mnist(run.data_root, download=config.dataset == "fashion_mnist")
    else:
        data = at.ImageData.digits(seed=run.seed)
        run.note("scikit-learn's digits, 8 x 8 pixels; for Fashion-MNIST name a data root with its files: --data-root")
    for name, value in (
        ("seeds", config.seeds),
        ("a_seeds", config.a_seeds + 1),
        *(("labels", n) for n in config.labels),
    ):
        if value < 1:
            raise ValueError(f"{name}={value - (name == 'a_seeds')}: must be a positive number")
    if any(n < 4 for n in config.labels):
        raise ValueError(f"labels={min(config.labels)}: two classes need at least 4 labelled images")
    dropped = sorted(set(config.labels) - set(budgets_of(config, data)))
    if dropped:
        run.note(f"labels={','.join(map(str, dropped))} dropped: {data.name} has fewer images of a class to learn from")
    pairs = pairs_of(config, data)
    if config.beside:
        gains_beside(config, ["+".join(pair) for pair in pairs])
    return data


def pairs_of(config: Config, data: at.ImageData) -> list[tuple[str, ...]]:
    """Give the pairs of classes that Model B is for."""
    if config.pair == ("all",):
        pairs = list(combinations(data.names, 2))
        return pairs[:: len(pairs) // 3][:3] if config.quick else pairs
    pair = config.pair or (("sandal", "shirt") if data.name == "fashion_mnist" else ("8", "9"))
    if len(pair) != 2:
        raise ValueError(f"pair={','.join(pair)}: name two of {', '.join(data.names)}, or all")
    return [data.only(pair).names]  # refuses unknown classes


def budgets_of(config: Config, data: at.ImageData) -> tuple[int, ...]:
    """Give the numbers of labels for which there are images."""
    most = 2 * int(data.train.counts.min())
    budgets = config.labels or ((200,) if data.name == "fashion_mnist" else (20,))
    fitting = tuple(n for n in budgets if n <= most)
    if not fitting:
        raise ValueError(f"labels={','.join(map(str, budgets))}: {data.name} has images for at most {most}")
    return fitting


def task_of(data: at.ImageData, pair: tuple[str, ...], largest: int, seed: int) -> Task:
    """Leave the pair out for A, and set B's images up: labels are drawn from a fixed part of the training images."""
    b = data.only(pair)
    pool = b.train.take(b.train.balanced(min(max(5 * largest, 2000), 2 * int(b.train.counts.min())), seed))
    images = np.concatenate([pool.images, b.test.images])
    parts = np.arange(len(pool)), len(pool) + np.arange(len(b.test))
    labelled, tested = (
        at.Examples(rows, part.labels, pair, index=rows) for rows, part in zip(parts, (pool, b.test), strict=True)
    )
    return Task(pair, data.without(pair), images, labelled, tested)


def settings_of(task: Task, network: str) -> Settings:
    """Give the settings for the kind of image and network."""
    return (FASHION if task.a.name == "fashion_mnist" else DIGITS)[network]


def models_a(config: Config, run: at.Run, task: Task, network: str, short: bool) -> list[Path]:
    """Train each Model A once, or take it from this run folder (--resume); give their .h5 files."""
    settings, files = settings_of(task, network), []
    epochs, size, rate = settings.a
    epochs = 1 if config.quick else min(epochs, settings.short) if short else epochs
    count = config.a_seeds or (1 if short else 2 if config.quick else 3)
    (run.folder / "model_a").mkdir(exist_ok=True)
    for seed in range(run.seed, run.seed + count):
        path = run.folder / "model_a" / f"{network}-{task.name}-seed{seed}.h5"
        files.append(path)
        if path.exists():
            continue
        train = task.a.train
        backbone = MAKERS[network](task.a.shape, **settings.network, seed=seed)
        model = at.reuse(backbone, head=len(train.names), seed=seed)
        cosine = at.keras.optimizers.schedules.CosineDecay(rate, epochs * math.ceil(len(train) / size))
        batches = at.as_dataset((train.images, train.labels), size, shuffle=True, seed=seed)
        at.fine_tune(
            model, at.augmented(batches, settings.shifts), plan=at.Plan.scratch(epochs, cosine), seed=seed,
            callbacks=run.callbacks(label=path.stem, items_per_step=size, unit="images"),
        )  # fmt: skip
        unfinished = path.with_suffix(".unfinished.h5")
        model.save(unfinished, include_optimizer=False)
        unfinished.rename(path)
    if short:
        run.note(f"Model A ({network}) is short: {epochs} epochs, {count} of it for each pair")
    return files


def accuracy(model: at.Model, images: np.ndarray, labels: np.ndarray) -> float:
    """Give the share of images that a model names rightly."""
    scores = model.predict(images, batch_size=500, verbose=0)
    given = scores.argmax(1) if scores.shape[1] > 1 else scores[:, 0] > 0.5
    return float((given == labels).mean())


def make_plans(settings: Settings, num_groups: int, quick: bool) -> dict[str, at.Plan]:
    """Give the plans of the arms that train, of as many epochs each."""
    frozen, thawed = (1, 1) if quick else settings.epochs
    epochs, (head, low) = frozen + thawed, settings.tune
    cosine = at.keras.optimizers.schedules.CosineDecay(settings.scratch, epochs * settings.batches)
    return {
        "scratch": at.Plan.scratch(epochs, cosine),
        "probe_then_tune": at.Plan.probe_then_tune(epochs, head, low, probe_epochs=frozen),
        "full": at.Plan.full(epochs, low),
        "gradual": at.Plan.gradual(epochs, head, low, num_groups),
    }


def network_arms(config: Config, task: Task, network: str, model_a: at.Model, **more: Any) -> dict[str, Any]:
    """Give the arms that train a network: a copy of A without its head (or the same untrained) and one sigmoid."""
    settings, backbone = settings_of(task, network), at.reuse(model_a, drop_head=True)
    plans = make_plans(settings, len(at.layer_groups(backbone)), config.quick)
    return {
        name: at.network_arm(
            backbone, task.images, plan, "random" if name == "scratch" else "copy", settings.shifts,
            settings.batches, 32, crop=1.0, mirror=settings.shifts.flip, sigmoid=True, train_metric="train_accuracy",
            **more,
        )
        for name, plan in plans.items()
    }  # fmt: skip


def make_arms(config: Config, run: at.Run, task: Task, network: str, files: list[Path], tuned: list[Any]) -> Any:
    """Give all arms; what is pretrained goes round over the Models A, draw by draw."""
    settings = settings_of(task, network)

    def features(backbone: at.Model) -> np.ndarray:
        last = at.layer_groups(backbone).names[-1:]
        rows = at.image_features(backbone, task.images, last, mirror=settings.shifts.flip)[last[0]]
        return at.standardised(rows, task.pool.items)  # by images without labels, none of them tested

    head = partial(at.logistic_head, strength=settings.strength)
    per_model = []
    for seed, model_a in enumerate(map(at.load, files)):
        backbone = at.reuse(model_a, drop_head=True)
        untrained = at.reuse(backbone, init="random", seed=seed)
        trained = network_arms(config, task, network, model_a, on_tuned=lambda train, result: tuned.append(result))
        frozen = {"random_frozen": untrained, "probe": backbone}
        linear = {k: at.linear_arm(partial(features, v), head, "train_accuracy") for k, v in frozen.items()}
        per_model.append({"scratch": trained.pop("scratch"), **linear, **trained})
    return {
        name: at.rotated_arm([arms[name] for arms in per_model], num_draws(config), run.seed) for name in per_model[0]
    }


def compare(
    config: Config, run: at.Run, task: Task, arms: dict[str, Any], budgets: Sequence[int],
    only: Sequence[str] = (), variant: str | None = None,
) -> at.Comparison:  # fmt: skip
    """Set up the grid of arms, budgets and seeds."""
    draws = num_draws(config)
    # The costliest arms carry no claim: they get a quarter of the seeds.
    fewer = dict.fromkeys(("full", "gradual"), max(min(draws, 2), draws // 4))
    claims = not only or {"chosen", CHOSEN} & set(only)
    return at.Comparison(
        arms, budgets, draws, task.test, pool=task.pool, budget_unit="labels", metric="accuracy", per_class=False,
        baseline="scratch", chosen=dict.fromkeys(budgets, CHOSEN) if claims else None, arm_draws=fewer,
        only=only or None, variant=variant, seed=run.seed, run=run,
    )  # fmt: skip


def num_draws(config: Config) -> int:
    """Count the seeds of every arm."""
    return min(config.seeds, 2) if config.quick else config.seeds


def one_pair(config: Config, run: at.Run, task: Task, budgets: Sequence[int]) -> None:
    """Show one pair of classes: the steps, the arms, the verdicts, why, how soon, and beside the other network."""
    network, tuned, budget = config.network, [], max(budgets)
    with run.stage("Model A"):
        files = models_a(config, run, task, network, short=False)
        rate_models_a(run, task, network, files)
    arms = make_arms(config, run, task, network, files, tuned)
    comparison = compare(config, run, task, arms, budgets, config.arms)
    with run.stage("the steps, one by one"):
        train = task.pool.take(comparison.drawn(budget, 0))
        take_the_steps(config, run, task, files[0], train)
        show_the_trap(run, task, files[0], train)
    with run.stage("comparison"), run.progress("cells", unit="cells") as bar:
        results = comparison.run(bar.update)
    at.report_comparison(run, results, tuned)
    run.figure("spread", at.plot_spread(results.rows, title=f"every seed of {task.name}"))
    give_verdicts(run, {arm: difference(results, arm, budget) for arm in results.arms}, f"{task.name}, {budget} labels")
    with run.stage("the other network"):
        other = "dense" if network == "conv" else "conv"
        beside = models_a(config, run, task, other, short=other == "conv")
        rate_models_a(run, task, other, beside)
        explain(config, run, task, {network: files[0], other: beside[0]}, comparison.drawn(budget, 0))
        pair_of_arms = ("scratch", "probe_then_tune")
        arms = make_arms(config, run, task, other, beside, [])
        foil = compare(config, run, task, arms, (budget,), pair_of_arms, other).run()
        run.add_rows(foil.rows)
    with run.stage("time saved"):
        save_time(config, run, task, network, files[0], comparison, budget)
    if set(pair_of_arms) <= set(results.arms):
        gains = {network: gain(results, budget), other: gain(foil, budget)}
        run.note(at.gap_sentence({name: gains[name] for name in ("conv", "dense")}, "seeds"))


def rate_models_a(run: at.Run, task: Task, network: str, files: Sequence[Path], variant: str | None = None) -> str:
    """Add the accuracy of each Model A on the test images of its own classes; give it as text."""
    found = [accuracy(at.load(path), task.a.test.images, task.a.test.labels) for path in files]
    mean, low, high = at.t_interval(found)
    row = {"arm": f"model_a_{network}", "metric": "accuracy_on_a", "mean": mean, "low": low, "high": high}
    run.add_rows([row | {"values": found} | ({"variant": variant} if variant else {})])
    return f"{100 * mean:.1f}"


def take_the_steps(config: Config, run: at.Run, task: Task, file: Path, train: at.Examples) -> None:
    """Make one Model B, step by step, and keep it."""
    model_a = at.load(file)  # 1. load Model A
    run.print(at.layer_groups(model_a))  # 2. choose layers: here all but the head
    model_b = at.reuse(model_a, drop_head=True, head=1, seed=run.seed)  # 3. copy them, put a new sigmoid head on
    at.freeze(model_b)  # 4. freeze what was copied
    run.print(at.layer_groups(model_b))
    plan = make_plans(settings_of(task, config.network), 1, config.quick)["probe_then_tune"]
    images, labels = task.images[train.items], train.labels.astype("float32")
    # 5. train the head; 6. thaw at a lower rate. A plan says both, and fine_tune proves what stayed frozen.
    tuned = at.fine_tune(model_b, (images, labels), plan=plan, seed=run.seed, callbacks=run.callbacks(label="Model B"))
    found = accuracy(model_b, task.images[task.test.items], task.test.labels)  # 7. evaluate
    run.figure("steps", at.plot_curves(tuned.history, "Model B: the head, then everything"))
    run.note(f"the steps once, {len(train)} labels, not augmented: {100 * found:.2f} % of {len(task.test)} test images")
    about = {"model_a": file.name, "pair": list(task.pair)}
    at.save_backbone(at.reuse(model_a, drop_head=True), run.folder / "backbone", about)
    at.save_backbone(model_b, run.folder / "model", about, kind="model")


def show_the_trap(run: at.Run, task: Task, file: Path, train: at.Examples) -> None:
    """Train B on A's own layers and on copies of them, by Keras alone, and see what that does to A."""
    rows = []
    for how in ("shared", "copied"):
        model_a = at.load(file)
        if how == "shared":
            model_b = at.keras.Sequential([*model_a.layers[:-1], at.keras.layers.Dense(1, "sigmoid")])
        else:
            model_b = at.reuse(model_a, drop_head=True, head=1, seed=run.seed)
        model_b.compile("adam", "binary_crossentropy")
        model_b.fit(task.images[train.items], train.labels, epochs=5, verbose=0)
        rows.append(accuracy(model_a, task.a.test.images, task.a.test.labels))
    before = accuracy(at.load(file), task.a.test.images, task.a.test.labels)
    names = ("before", "after B on its layers", "after B on copies")
    run.add_rows(
        [{"arm": f"A {n}", "metric": "accuracy_on_a", "mean": v} for n, v in zip(names, (before, *rows), strict=True)]
    )
    run.note(
        f"the shallow-copy trap: Sequential(model_a.layers[:-1]) shares its layers, so training B for 5 epochs took A "
        f"from {100 * before:.1f} to {100 * rows[0]:.1f} %; with at.reuse A stays at {100 * rows[1]:.1f} %"
    )


def difference(results: Any, arm: str, budget: int) -> np.ndarray | None:
    """Give, draw by draw and test image by test image, whether an arm was right minus whether scratch was."""
    if "scratch" not in results.arms or arm == "scratch":
        return None
    ours, theirs = (results.right(name, budget).astype(float) for name in (arm, "scratch"))
    return ours - theirs[: len(ours)] if len(ours) > 1 else None


def gain(results: Any, budget: int) -> list[float]:
    """Give what probe_then_tune gained over scratch in each draw."""
    return results.row("probe_then_tune", budget, "accuracy_minus_scratch")["values"]


def give_verdicts(run: at.Run, tables: dict[str, Any], title: str, more: Any = None) -> None:
    """Call each difference to scratch helped, no evidence or harmed."""
    tables = {name: table for name, table in tables.items() if table is not None}
    if not tables:
        run.note("no verdict: that takes scratch, another arm, and two seeds")
        return
    given = at.verdicts(tables)
    run.figure("verdicts", at.plot_verdicts(given, f"{title}: gain over scratch"))
    run.print(at.verdict_table(given, f"gain over scratch, {title}", more))
    run.note(
        f"verdicts {at.count_calls(given)}; seeds and test images both count as random, false discovery rate 5 %; "
        f"these seeds could have detected {100 * np.median([v.detectable for v in given]):.2f} points (median)"
    )


def explain(config: Config, run: at.Run, task: Task, files: dict[str, Path], drawn: np.ndarray) -> None:
    """Draw what first layers look at, and what each depth knows about A's classes and about B's."""
    weights, lines = {}, {}
    few = 10 if config.quick else 50  # of each of A's classes, to learn from and to judge by
    a = task.a.train.take(task.a.train.balanced(2 * few * len(task.a.names), run.seed))
    half = np.arange(few * len(a.names)), few * len(a.names) + np.arange(few * len(a.names))
    of_a = [at.Examples(rows, a.labels[rows], a.names) for rows in half]
    for network, file in files.items():
        backbone = at.reuse(at.load(file), drop_head=True)
        weights[network] = at.first_layer_weights(backbone)
        on_a, on_b = (at.image_features(backbone, x, mirror=False, grid=4) for x in (a.images, task.images))
        lines[f"{network}, A's classes (seen)"] = at.probe_by_depth(on_a, *of_a)
        lines[f"{network}, B's classes"] = at.probe_by_depth(on_b, task.pool.take(drawn), task.test)
    run.figure("first layers", at.plot_weights(weights))
    run.figure("depth", at.plot_depth(lines, f"what each depth knows: {task.name}"))


def save_time(
    config: Config, run: at.Run, task: Task, network: str, file: Path, comparison: at.Comparison, budget: int
) -> None:
    """Watch the arms that train on the test images, which chooses nothing: how soon are they as good as scratch?"""
    tested, curves = task.test, {}
    names = [name for name in ("scratch", "probe_then_tune", "full", "gradual") if name in comparison.arms]
    if "scratch" not in names:
        return
    for name in names:
        curves[name] = []
        for draw in range(1 if config.quick else min(3, comparison.draws)):

            def watched(name: str = name, draw: int = draw) -> dict[str, np.ndarray]:
                watch = at.LearningCurve(task.images[tested.items], tested.labels)
                arm = network_arms(config, task, network, at.load(file), callbacks=[watch])[name]
                arm(task.pool.take(comparison.drawn(budget, draw)), tested.items[:1], run.seed + draw)
                return {"accuracy": watch.curve().accuracy, "seconds": watch.curve().seconds}

            curves[name].append(at.Curve(**run.cell(f"curve-{name}-{budget}-draw{draw}", watched)))
    run.figure("time saved", at.plot_time_saved(curves, title=f"{task.name}, {budget} labels"))
    said = "; ".join(each.sentence() for each in at.time_to_reach(curves))
    run.note(f"until as good as scratch at its best, after Model A is there ({budget} labels): {said}")


def all_pairs(config: Config, run: at.Run, tasks: list[Task], budgets: Sequence[int]) -> None:
    """Compare the arms on every pair of classes, and say how many were helped and harmed."""
    only, budget, network = config.arms or ("scratch", "probe_then_tune"), max(budgets), config.network
    tables: dict[str, Any] = {}
    of_a, gains = {}, []
    for task in tasks:
        at.keras.backend.clear_session()
        with run.stage("Model A"):
            files = models_a(config, run, task, network, short=network == "conv")
            of_a[task.name] = rate_models_a(run, task, network, files, task.name)
        with run.stage("comparison"), run.progress(task.name, unit="cells") as bar:
            arms = make_arms(config, run, task, network, files, [])
            results = compare(config, run, task, arms, budgets, only, task.name).run(bar.update)
        run.add_rows(results.rows)
        last = next((arm for arm in ("probe_then_tune", *reversed(results.arms)) if arm in results.arms), "scratch")
        tables[task.name] = difference(results, last, budget)
        gains += [float(np.mean(gain(results, budget)))] if {"scratch", "probe_then_tune"} <= set(results.arms) else []
    title = f"{len(tasks)} pairs, {last}, {network}, {budget} labels"
    run.figure("spread", at.plot_spread(run.rows, title=f"{len(tasks)} pairs, {network}: a point is a pair"))
    give_verdicts(run, tables, title, {"A, %": of_a})
    run.note("settings were chosen on held-out training images of other pairs, never on any pair's test images")
    if gains and config.beside:
        both = {network: gains} | gains_beside(config, list(of_a))
        run.note(at.gap_sentence({name: both[name] for name in ("conv", "dense")}, "pairs"))


def gains_beside(config: Config, names: list[str]) -> dict[str, list[float]]:
    """Read what the other network gained on each pair, from the run that beside= names."""
    file = Path(config.beside) / "result.json"
    if not file.is_file():
        raise FileNotFoundError(f"beside={config.beside}: no run there (expected {file})")
    other = json.loads((file.parent / "config.json").read_text())
    rows = {
        row["variant"]: row["mean"] for row in json.loads(file.read_text())["rows"]
        if row["arm"] == "probe_then_tune" and row["metric"] == "accuracy_minus_scratch" and row.get("variant")
    }  # fmt: skip
    missing = [name for name in names if name not in rows]
    if missing:
        raise ValueError(f"beside={config.beside}: has no gain of probe_then_tune on {missing[0]}")
    return {other.get("network", ""): [rows[name] for name in names]}


if __name__ == "__main__":
    at.run(main, Config)
