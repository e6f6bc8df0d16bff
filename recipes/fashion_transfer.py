"""Model A to Model B: reuse what a network learned about eight classes to tell the other two apart.

Auxiliary task: Model A, which knows eight classes of Fashion-MNIST from all their images.
Target task: Model B, which tells the two classes left out apart, from 200 labelled images. Expect 100.0 % where a
network from scratch has 99.4 %, after an hour and a half of one core.

    auxtask run fashion_transfer --data-root DIR                          # sandal against shirt, 20 seeds
    auxtask run fashion_transfer labels=20,50,200,1000 --data-root DIR
    auxtask run fashion_transfer network=dense --data-root DIR            # the small dense net of most first lessons
    auxtask run fashion_transfer pair=all seeds=10 arms=scratch,probe_then_tune --data-root DIR
    auxtask run fashion_transfer                                          # without its files: scikit-learn's digits

Reuse can fail, and then it is said: over seeds, over pairs of classes, with a dense net. The run folder keeps
`model_a/` (each Model A as an .h5 file) and, of one pair, `backbone/` (the first of them without its head) and `model/`
(a Model B).
"""

from __future__ import annotations

import json
import shutil
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

import auxtask as at

ARMS = ("scratch", "random_frozen", "probe", "probe_then_tune", "full", "gradual")
SEARCHED = {frozenset(pair) for pair in (("coat", "pullover"), ("ankle-boot", "sneaker"), ("dress", "t-shirt"))}
COMPARED = ("scratch", "probe_then_tune")  # of both networks: the second one's gain over the first


@dataclass(frozen=True)
class Config:
    """What can be set, as key=value."""

    dataset: str = at.option(
        "auto",
        "the images; auto: Fashion-MNIST if its files are found, else digits; fashion_mnist: else downloaded",
        choices=("auto", "fashion_mnist", "digits"),
    )
    network: str = at.option("conv", "convolutional, or fully connected", choices=("conv", "dense"))
    pair: tuple[str, ...] = at.option((), "Model B's classes: negative,positive; or all; empty: sandal,shirt or 8,9")
    seeds: int = at.option(20, "draws of the labelled images, each with other start weights", at_least=1)
    labels: tuple[int, ...] = at.option(
        (), "labelled images in all, two of each class or more; empty: 200, of digits 20", at_least=4
    )
    arms: tuple[str, ...] = at.option(
        (), "restricts the arms; empty: all; of pair=all scratch,probe_then_tune", choices=(*ARMS, "chosen")
    )
    a_seeds: int = at.option(0, "seeds of Model A; 0: 3 (pair=all with conv: one short A per pair)", at_least=0)
    take_a: str = at.option("", "an earlier run: Models A of the same pair, seed and length are taken from it")
    beside: str = at.option("", "pair=all: an earlier run of it with the other network, for the closing sentence")
    quick: bool = at.option(False, "about a minute: to see that everything runs")

    def __post_init__(self) -> None:
        """Refuse what does not go together."""
        if self.a_seeds > draws_of(self):
            raise ValueError(f"a_seeds={self.a_seeds}: each Model A needs a draw of its own, of {draws_of(self)}")
        if self.pair == ("all",) and self.arms and ("scratch" not in self.arms or len(set(self.arms)) < 2):
            raise ValueError("pair=all gives verdicts on gains over scratch: arms= must name scratch and another")
        if self.beside and self.pair != ("all",):
            raise ValueError("beside= is for pair=all; for one pair the other network is run too")
        if self.beside and self.arms and not set(COMPARED) <= set(self.arms):
            raise ValueError(f"beside= compares gains of {COMPARED[1]} over {COMPARED[0]}: arms= must name both")


@dataclass(frozen=True)
class Settings:
    """What is used for a kind of image and network.

    Of Fashion-MNIST Model B's rates, batches and strength come from benchmarks/fashion_quality.py, on training images
    of other pairs, by the mean over 20 and 200 labels. What is kept of it, conv on one pair, two draws: scratch at 1e-2
    instead of 3e-3 is 0.6 points better with 200 labels and 0.7 worse with 20, and the strength is the largest tried.
    The rest, and everything of digits, are guesses.
    """

    make: Any  # the network
    a: tuple[int, int, float]  # Model A: epochs, images in a batch, peak rate
    scratch: float  # peak rate
    tune: tuple[float, float]  # rate of the head, rate of all
    strength: float  # of the probe: scikit-learn's C, on standardised features
    shifts: at.Shifts
    epochs: tuple[int, int] = (4, 16)  # of Model B: frozen, thawed; every arm that trains has as many in all
    batches: int = 10  # of 32 images in each epoch, however few labels
    chosen: str = "probe"  # the arm that carries the claim


SETTINGS = {
    "fashion_mnist": {
        "conv": Settings(at.conv_backbone, (6, 128, 3e-3), 3e-3, (3e-3, 1e-3), 1.0, at.Shifts(2), batches=20),
        "dense": Settings(at.dense_backbone, (10, 128, 1e-3), 1e-3, (3e-3, 3e-4), 1.0, at.Shifts(1), batches=20),
    },
    "digits": {
        "conv": Settings(
            partial(at.conv_backbone, stages=(16, 32, 64)), (30, 32, 3e-3), 3e-3, (3e-3, 3e-4), 0.1,
            at.Shifts(1, flip=False),
        ),
        "dense": Settings(at.dense_backbone, (30, 32, 1e-3), 1e-3, (3e-3, 3e-4), 0.1, at.Shifts(0, flip=False)),
    },
}  # fmt: skip
SHORT = 2  # epochs of a short Model A
Gains = dict[tuple[str, ...], tuple[float, float]]  # by pair: what probe_then_tune gained over scratch, and reached


@dataclass(frozen=True, eq=False)
class Task:
    """Model B's task, and what Model A may know: no image of either class."""

    pair: tuple[str, ...]
    network: str
    quick: bool
    a: at.ImageData
    images: np.ndarray  # those that labels are drawn from, then those tested on: items are positions here
    pool: at.Examples
    test: at.Examples

    @property
    def name(self) -> str:
        """The pair as one word."""
        return "+".join(self.pair)

    @property
    def settings(self) -> Settings:
        """What is used for these images and this network."""
        usual = SETTINGS[self.a.name][self.network]
        return replace(usual, epochs=(1, 1), a=(1, *usual.a[1:])) if self.quick else usual


def main(config: Config, run: at.Run) -> None:
    """Data, then one pair with everything that can be shown of it, or all pairs."""
    with run.stage("data"):
        data = check(config, run)
        run.keep_to("pictures", data.fingerprint(in_order=True))
    pairs, budgets = pairs_of(config, data), budgets_of(config, data)
    searched = "other pairs" if not {*map(frozenset, pairs)} & SEARCHED else "three pairs, these among them"
    run.note(
        f"Model B's rates, batches and penalty come from a search on training images of {searched}, with no test image "
        "(benchmarks/fashion_quality.py; kept is conv on coat and pullover); Model A's settings are guesses"
        if data.name == "fashion_mnist"
        else f"settings for {data.name} are guesses: no search has chosen them"
    )
    task = partial(make_task, config, data, largest=max(budgets), seed=run.seed)
    if len(pairs) == 1:
        one_pair(config, run, task(pairs[0]), budgets)
    else:
        all_pairs(config, run, pairs, task, budgets)


def check(config: Config, run: at.Run) -> at.ImageData:
    """Read the images, and refuse settings that do not fit them (also `auxtask validate`)."""
    data = at.ImageData.small(config.dataset, run.data_root, run.seed)
    for text in data.notes:
        run.note(text)
    pairs, budgets = pairs_of(config, data), budgets_of(config, data)
    if dropped := sorted(set(config.labels) - set(budgets)):
        run.note(f"labels={','.join(map(str, dropped))} left out: {data.name} have too few images")
    if config.take_a:
        check_taken(config, run, data)
    if config.beside:
        gains_beside(config, pairs, max(budgets), run.seed)
    return data


def check_taken(config: Config, run: at.Run, data: at.ImageData) -> None:
    """Refuse take_a= where there is nothing to take, or where A learned from images that are tested here."""
    if not (Path(config.take_a) / "model_a").is_dir():
        raise FileNotFoundError(f"take_a={config.take_a}: no Models A there (expected its folder model_a)")
    if data.name == "digits":
        seed = json.loads((Path(config.take_a) / "environment.json").read_text())["seed"]
        if seed != run.seed:
            raise ValueError(f"take_a={config.take_a}: digits are split by --seed, there {seed}, here {run.seed}")


def draws_of(config: Config) -> int:
    """Give how often labelled images are drawn."""
    return min(config.seeds, 2) if config.quick else config.seeds


def pairs_of(config: Config, data: at.ImageData) -> list[tuple[str, ...]]:
    """Give the pairs of classes that Model B is for."""
    if config.pair == ("all",):
        pairs: list[tuple[str, ...]] = list(combinations(data.names, 2))
        return pairs[:: len(pairs) // 2] if config.quick else pairs
    pair = config.pair or (("sandal", "shirt") if data.name == "fashion_mnist" else ("8", "9"))
    if len(pair) != 2:
        raise ValueError(f"pair={','.join(pair)}: name two of {', '.join(data.names)}, or all")
    return [data.only(pair).names]  # refuses unknown classes


def budgets_of(config: Config, data: at.ImageData) -> tuple[int, ...]:
    """Give the numbers of labels, for which any two classes have images."""
    rarest = np.argsort(data.train.counts, kind="stable")[:2]
    usual = (200,) if data.name == "fashion_mnist" else (20,)
    return at.label_budgets(
        config.labels, usual, data.train.counts[rarest], [data.names[i] for i in rarest], least=2,
        drop=config.dataset == "auto" and data.name == "digits",
    )  # fmt: skip


def make_task(config: Config, data: at.ImageData, pair: tuple[str, ...], largest: int, seed: int) -> Task:
    """Leave the pair out for A, and set B's images up: labels are drawn from a fixed part of the training images."""
    b = data.only(pair)
    pool = b.train.take(b.train.balanced(min(max(5 * largest, 2000), b.train.most_balanced), seed))
    images, (labelled, tested) = at.laid_out(pool, b.test)
    return Task(pair, config.network, config.quick, data.without(pair), images, labelled, tested)


def models_a(config: Config, run: at.Run, task: Task, short: bool = False, variant: str | None = None) -> list[Path]:
    """Train each Model A once, or take it from this run folder (--resume) or another; give their .h5 files."""
    epochs = min(SHORT, task.settings.a[0]) if short else task.settings.a[0]
    count = config.a_seeds or min(draws_of(config), 1 if short else 3)
    names = [f"{task.network}-{task.name}-{epochs}epochs-seed{seed}.h5" for seed in range(run.seed, run.seed + count)]
    (run.folder / "model_a").mkdir(exist_ok=True)
    files = [run.folder / "model_a" / name for name in names]
    for seed, file in enumerate(files, run.seed):
        if file.exists():
            continue
        unfinished = file.with_suffix(".unfinished.h5")
        if config.take_a and (earlier := Path(config.take_a) / "model_a" / file.name).exists():
            shutil.copy(earlier, unfinished)
            run.note(f"{file.name} is taken from {config.take_a}")
        else:
            if config.take_a:
                run.note(f"{file.name} is not in {config.take_a}: trained here")
            train_a(run, task, epochs, seed, unfinished)
        unfinished.rename(file)
    if short:
        run.note(f"Model A ({task.network}) is short: {epochs} epochs, {count} of it for each pair")
    found = [at.model_accuracy(at.load(file), task.a.test.images, task.a.test.labels) for file in files]
    mean, low, high = at.t_interval(found)
    row = {"arm": f"model_a_{task.network}", "metric": "accuracy_on_a", "mean": mean, "low": low, "high": high}
    run.add_rows([row | {"values": found} | ({"variant": variant} if variant else {})])
    return files


def train_a(run: at.Run, task: Task, epochs: int, seed: int, file: Path) -> None:
    """Train Model A on the classes that are not Model B's, and save it as an .h5 file."""
    train, (_, size, rate) = task.a.train, task.settings.a
    backbone = task.settings.make(task.a.shape, seed=seed)
    callbacks = run.callbacks(label=file.name.split(".")[0], items_per_step=size, unit="images")
    model = at.learn_classes(backbone, train, epochs, rate, task.settings.shifts, size, seed, callbacks)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="You are saving your model as an HDF5")  # as the lecture does
        model.save(file, include_optimizer=False)


def make_plans(settings: Settings, num_groups: int) -> dict[str, at.Plan]:
    """Give the plans of the arms that train, of as many epochs each."""
    frozen, thawed = settings.epochs
    epochs, (head, low) = frozen + thawed, settings.tune
    cosine = at.keras.optimizers.schedules.CosineDecay(settings.scratch, epochs * settings.batches)
    return {
        "scratch": at.Plan.scratch(epochs, cosine),
        "probe_then_tune": at.Plan.probe_then_tune(epochs, head, low, probe_epochs=frozen),
        "full": at.Plan.full(epochs, low),
        "gradual": at.Plan.gradual(epochs, head, low, num_groups),
    }


def network_arms(task: Task, file: Path, **more: Any) -> dict[str, Any]:
    """Give the arms that train a network: a copy of A without its head (or the same untrained) and one sigmoid."""
    settings, backbone = task.settings, at.reuse(at.load(file), drop_head=True)
    return {
        name: at.network_arm(
            backbone, task.images, plan, "random" if name == "scratch" else "copy", settings.shifts, settings.batches,
            mirror=settings.shifts.flip, sigmoid=True, train_metric="train_accuracy", **more,
        )
        for name, plan in make_plans(settings, len(at.layer_groups(backbone))).items()
    }  # fmt: skip


def linear_arms(task: Task, file: Path, seed: int, mirror: bool = True) -> dict[str, Any]:
    """Give the arms that fit logistic regression to frozen features, averaged over each image and its mirror image.

    Where mirror images show something else (digits), or if they are not wanted, of each image alone.
    """
    backbone = at.reuse(at.load(file), drop_head=True)
    untrained = at.reuse(backbone, init="random", seed=seed)
    head = partial(at.logistic_head, strength=task.settings.strength)

    def features(model: at.Model) -> np.ndarray:
        last = at.layer_groups(model).names[-1]
        rows = at.image_features(model, task.images, [last], mirror and task.settings.shifts.flip)[last]
        return at.standardised(rows, task.pool.items)  # by images without labels, none of them tested

    return {
        name: at.linear_arm(partial(features, model), head, "train_accuracy")
        for name, model in (("random_frozen", untrained), ("probe", backbone))
    }


def compare(
    config: Config, run: at.Run, task: Task, files: list[Path], budgets: Sequence[int],
    only: Sequence[str] = (), variant: str | None = None,
) -> at.Comparison:  # fmt: skip
    """Set up the grid of arms, budgets and seeds; what is pretrained goes round over the Models A, draw by draw."""
    draws = draws_of(config)
    kept = None if variant else partial(at.keep_thawing, run)  # no other network, nor one pair of many, is drawn
    every = [
        linear_arms(task, file, seed) | network_arms(task, file, on_tuned=kept)
        for seed, file in enumerate(files, run.seed)
    ]
    arms = {name: at.rotated_arm([one[name] for one in every], draws, run.seed) for name in ARMS}
    chosen = task.settings.chosen
    return at.Comparison(
        arms, budgets, draws, task.test, pool=task.pool, budget_unit="labels", metric="accuracy", per_class=False,
        chosen=dict.fromkeys(budgets, chosen) if not only or {"chosen", chosen} & set(only) else None,
        # The costliest arms carry no claim: they get a quarter of the seeds.
        arm_draws=dict.fromkeys(("full", "gradual"), max(min(draws, 2), draws // 4)),
        only=only or None, variant=variant, pretrainings=len(files), seed=run.seed, run=run,
    )  # fmt: skip


def one_pair(config: Config, run: at.Run, task: Task, budgets: Sequence[int]) -> None:
    """Show one pair of classes: the steps, the arms, the verdicts, why, how soon, and the other network beside."""
    budget = max(budgets)
    with run.stage("Model A"):
        files = models_a(config, run, task)
    comparison = compare(config, run, task, files, budgets, config.arms)
    run.note(
        f"features of probes are standardised by {len(task.pool)} training images, both classes in equal numbers; "
        "of their labels only those drawn are used otherwise"
    )
    drawn = task.pool.take(comparison.drawn(budget, 0))
    with run.stage("the steps, one by one"):
        take_the_steps(run, task, files[0], drawn)
        show_the_trap(run, task, files[0], drawn)
    with run.stage("comparison"), run.progress("cells", unit="cells") as bar:
        results = comparison.run(bar.update)
    at.report_comparison(run, results)
    run.figure("spread", at.plot_spread(results.rows, title=f"every seed of {task.name}"))
    if "scratch" in results.arms:
        against = [arm for arm in results.arms if arm != "scratch"]
        tables = {arm: at.paired_right(results, arm, budget) for arm in against}
        title = f"gain over scratch, {task.name}, {budget} labels"
        at.report_verdicts(run, tables, title, pretrainings=len(files))
    with run.stage("time saved"):
        show_time_saved(run, task, files, comparison, results, budget)
    with run.stage("the other network"):
        other = replace(task, network="dense" if task.network == "conv" else "conv")
        beside = models_a(config, run, other)
        explain(run, {task: files[0], other: beside[0]}, drawn)
        if not set(COMPARED) <= set(results.arms):
            return
        foil = compare(config, run, other, beside, (budget,), COMPARED, other.network).run()
        run.add_rows(foil.rows)
        run.save_predictions(foil.predictions)
    found = {task.network: results, other.network: foil}
    found = {name: found[name] for name in ("conv", "dense")}
    gains = {name: at.paired_right(one, COMPARED[1], budget) for name, one in found.items()}
    reached = {name: one.row(COMPARED[1], budget, "accuracy")["mean"] for name, one in found.items()}
    run.finding(at.gap_over_seeds(gains, reached, len(files)))


def take_the_steps(run: at.Run, task: Task, file: Path, train: at.Examples) -> None:
    """Make one Model B, step by step, and keep it."""
    model_a = at.load(file)  # 1. load Model A
    run.print(at.layer_groups(model_a))  # 2. choose layers: here all but the head
    model_b = at.reuse(model_a, drop_head=True, head=1, seed=run.seed)  # 3. copy them, put a new sigmoid head on
    run.print(at.layer_groups(model_b))
    (head, low), (frozen, thawed) = task.settings.tune, task.settings.epochs
    plan = [
        at.Phase(frozen, head, frozen_upto="backbone", name="head"),  # 4. freeze what was copied, 5. train the head
        at.Phase(thawed, low, name="all"),  # 6. thaw at a lower rate
    ]
    images, labels = task.images[train.items], train.labels.astype("float32")
    tuned = at.fine_tune(model_b, (images, labels), plan=plan, seed=run.seed, callbacks=run.callbacks(label="Model B"))
    run.print(tuned.ledger)  # what was frozen did not move
    found = at.model_accuracy(model_b, task.images[task.test.items], task.test.labels)  # 7. evaluate
    run.figure("steps", at.plot_curves(tuned.history, "Model B: the head, then everything"))
    run.note(f"the steps once, {len(train)} labels, not augmented: {100 * found:.2f} % of {len(task.test)} test images")
    seen = at.pictures_record(task.a.train.images)
    about = {"model_a": file.name, "pair": list(task.pair), "data": seen}
    at.save_backbone(at.reuse(model_a, drop_head=True), run.folder / "backbone", about)
    at.save_backbone(model_b, run.folder / "model", about, kind="model")


def show_the_trap(run: at.Run, task: Task, file: Path, train: at.Examples) -> None:
    """Train B on A's own layers, then on copies of them, by Keras alone, and see what that does to A."""
    found = {"before": at.model_accuracy(at.load(file), task.a.test.images, task.a.test.labels)}
    for how in ("shared", "copied"):
        model_a = at.load(file)
        if how == "shared":
            start = at.keras.initializers.GlorotUniform(seed=run.seed)
            head = at.keras.layers.Dense(1, "sigmoid", kernel_initializer=start)
            model_b = at.keras.Sequential([*model_a.layers[:-1], head])
        else:
            model_b = at.reuse(model_a, drop_head=True, head=1, seed=run.seed)
        model_b.compile("adam", "binary_crossentropy")
        model_b.fit(task.images[train.items], train.labels, epochs=5, verbose=0)
        found[how] = at.model_accuracy(model_a, task.a.test.images, task.a.test.labels)
    run.add_rows([{"arm": f"A, {how}", "metric": "accuracy_on_a", "mean": value} for how, value in found.items()])
    run.note(
        f"the shallow-copy trap: Sequential(model_a.layers[:-1]) shares its layers, so 5 epochs of training B took A "
        f"from {100 * found['before']:.1f} to {100 * found['shared']:.1f} %; with at.reuse A stays at "
        f"{100 * found['copied']:.1f} %"
    )


def explain(run: at.Run, files: dict[Task, Path], drawn: at.Examples) -> None:
    """Draw what first layers look at, and what each depth knows about A's classes and about B's."""
    weights, lines = {}, {}
    for task, file in files.items():
        few = 10 if task.quick else 50  # of each of A's classes, to learn from, and as many to judge by
        a = task.a.train.take(task.a.train.balanced(2 * few * len(task.a.names), run.seed))
        learned, judged = (at.Examples(rows, a.labels[rows], a.names) for rows in np.split(np.arange(len(a)), 2))
        backbone = at.reuse(at.load(file), drop_head=True)
        weights[task.network] = at.first_layer_weights(backbone)
        on_a, on_b = (at.image_features(backbone, x, mirror=False, grid=4) for x in (a.images, task.images))
        lines[f"{task.network}, A's classes (seen)"] = at.probe_by_depth(on_a, learned, judged)
        lines[f"{task.network}, B's classes"] = at.probe_by_depth(on_b, drawn, task.test)
    run.figure("first layers", at.plot_weights(weights))
    run.figure("depth", at.plot_depth(lines, "what each depth knows"))
    for label, by_group in lines.items():
        knows = ", ".join(f"{group} {100 * value:.1f}" for group, value in by_group.items())
        run.note(f"probe accuracy by depth, {label}: {knows} %")


def show_time_saved(
    run: at.Run, task: Task, files: list[Path], comparison: at.Comparison, results: Any, budget: int
) -> None:
    """Watch the arms on test images, which chooses nothing: how soon are they as good as scratch?"""
    if "scratch" not in comparison.arms:
        return
    few = task.test.take(np.arange(min(1000, len(task.test))))
    curves: dict[str, list[at.Curve]] = {}
    for name in comparison.arms:
        for draw in range(1 if task.quick else min(2, comparison.draws)):

            def watched(name: str = name, draw: int = draw) -> dict[str, Any]:
                file, seed = files[draw % len(files)], run.seed + draw
                watch = at.LearningCurve(task.images[few.items], few.labels)
                # The watch judges images alone, without their mirror images: so do probes, or they would seem sooner.
                arms = linear_arms(task, file, seed, mirror=False) | network_arms(task, file, callbacks=[watch])
                began = time.perf_counter()
                found = arms[name](task.pool.take(comparison.drawn(budget, draw)), few.items, seed)
                if len(watch.curve().accuracy):
                    return vars(watch.curve())
                right, seconds = found.scores.argmax(1) == few.labels, time.perf_counter() - began
                return {"accuracy": [right.mean()], "seconds": [seconds], "first": 0}  # features of all images too

            kept = run.cell(f"watched-{name}-{budget}-draw{draw}", watched)
            curves.setdefault(name, []).append(at.Curve(kept["accuracy"], kept["seconds"], int(kept["first"])))
    run.figure("time saved", at.plot_time_saved(curves, title=f"{task.name}, {budget} labels"))
    said = "; ".join(each.sentence() for each in at.time_to_reach(curves))
    run.note(
        f"until as good as scratch at its best, once there is a Model A ({budget} labels; a probe's seconds count the "
        f"features of all images): {said}"
    )
    # Features are made in a network's first draw and then used again: the mean would hardly count them.
    seconds = {
        arm: max(each for n in results.budgets for each in results.row(arm, n, "seconds")["values"])
        for arm in results.arms
    }
    said = ", ".join(f"{arm} {most:.1f}" for arm, most in seconds.items())
    run.note(f"seconds from images to scores, of each arm's slowest draw (which makes features, or traces): {said}")


def all_pairs(
    config: Config, run: at.Run, pairs: list[tuple[str, ...]], make: Callable[[tuple[str, ...]], Task],
    budgets: Sequence[int],
) -> None:  # fmt: skip
    """Compare the arms on every pair of classes, one after the other, and say how many were helped and harmed."""
    only, budget = config.arms or COMPARED, max(budgets)
    judged = next((arm for arm in ("probe_then_tune", *only) if arm in only and arm != "scratch"), "")
    if len(only) > 2:
        run.note(f"verdicts on pairs are on the gain of {judged} alone; the other arms' gains are rows of the result")
    beside = gains_beside(config, pairs, budget, run.seed) if config.beside else {}  # now: in some hours it may be gone
    tables: dict[str, np.ndarray] = {}
    gains: Gains = {}
    predictions: dict[str, Any] = {}
    for task in map(make, pairs):
        at.keras.backend.clear_session()  # or Keras keeps something of every network
        with run.stage("Model A"):
            files = models_a(config, run, task, task.network == "conv", task.name)
        with run.stage("comparison"), run.progress(task.name, unit="cells") as bar:
            results = compare(config, run, task, files, budgets, only, task.name).run(bar.update)
        run.add_rows(results.rows)
        predictions |= results.predictions
        for text in results.notes:
            run.note(text)
        if "scratch" in results.arms and judged:
            tables[task.name] = at.paired_right(results, judged, budget)
            gains[task.pair] = float(tables[task.name].mean()), results.row(judged, budget, "accuracy")["mean"]
    run.save_predictions(predictions)
    network = config.network
    run.figure("spread", at.plot_spread(run.rows, title=f"{len(pairs)} pairs, {network}: a point is a pair"))
    of_a = {row["variant"]: f"{100 * row['mean']:.1f}" for row in run.rows if row["metric"] == "accuracy_on_a"}
    a = f", short Models A: {len(files)} per pair" if network == "conv" else ""
    title = f"gain of {judged} over scratch, {network}, {budget} labels, {len(pairs)} pairs{a}"
    at.report_verdicts(run, tables, title, {"A, %": of_a}, len(files))
    if beside:
        found = {network: gains} | beside
        found = {name: found[name] for name in ("conv", "dense")}
        by_pair = {name: {pair: gain for pair, (gain, _) in own.items()} for name, own in found.items()}
        means = {name: float(np.mean([level for _, level in own.values()])) for name, own in found.items()}
        run.finding(at.gap_over_pairs(by_pair, means))
        run.note("of that comparison: conv nets had short Models A (each run's notes say how many), dense nets longer")


def gains_beside(config: Config, pairs: Sequence[tuple[str, ...]], budget: int, seed: int) -> dict[str, Gains]:
    """Read what the other network gained on each pair, and reached, from the run that beside= names."""
    folder = Path(config.beside)
    if not (folder / "result.json").is_file():
        raise FileNotFoundError(f"beside={config.beside}: no run there (expected its result.json)")
    there = json.loads((folder / "config.json").read_text())
    network = there.get("network")
    there["--seed"] = json.loads((folder / "environment.json").read_text()).get("seed")
    for name, value in (("seeds", config.seeds), ("quick", config.quick), ("--seed", seed)):
        if there.get(name) != value:
            raise ValueError(f"beside={config.beside}: has {name}={there.get(name)}, here it is {value}")
    if network not in ("conv", "dense") or network == config.network:
        raise ValueError(f"beside={config.beside}: must be a run of the other network, not of {network}")
    rows = {
        (row["metric"], row.get("variant")): row["mean"]
        for row in json.loads((folder / "result.json").read_text())["rows"]
        if (row["arm"], row["budget"]) == ("probe_then_tune", budget)
    }
    names = ["+".join(pair) for pair in pairs]
    missing = [name for name in names if ("accuracy_minus_scratch", name) not in rows]
    if missing:
        raise ValueError(f"beside={config.beside}: has no gain of probe_then_tune on {missing[0]} with {budget} labels")
    of_pairs = [tuple(rows[m, name] for m in ("accuracy_minus_scratch", "accuracy")) for name in names]
    return {network: dict(zip(pairs, of_pairs, strict=True))}


if __name__ == "__main__":
    at.run(main, Config)
