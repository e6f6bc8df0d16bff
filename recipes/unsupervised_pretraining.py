"""Learn from pictures without labels, then classify with a few hundred labels: seven ways, one table.

Auxiliary task: `method=`, of pictures alone: give them back, tell them from made-up ones, say how far they were
turned, find the other view of the same one.
Target task: their classes, with 100 to 1,000 labels. Expect little of a few minutes: 77.2 % of Fashion-MNIST with 200
labels after four minutes for each method, where pixels have 74.5 % and a network from scratch 75.2 %.

    auxtask run unsupervised_pretraining --data-root DIR                                # Fashion-MNIST by SimCLR
    auxtask run unsupervised_pretraining method=all equal=epochs --data-root DIR        # the table of all methods
    auxtask run unsupervised_pretraining method=gan,rotation equal=seconds length=5min
    auxtask run unsupervised_pretraining dataset=folder path=DIR                        # yours; DIR/unlabelled/ is free
    auxtask run unsupervised_pretraining                                                # without data: digits

Where methods are compared, each has its learning rate searched alike: three, a quarter as long each, judged by labels
that are held out (search=1 leaves that out). The method to claim is picked by labels of training pictures that are held
out, its arm by the labels at hand. The run folder keeps `pretrained/METHOD/` of each, and `backbone/`: that of the
method picked.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

import auxtask as at


@dataclass(frozen=True)
class Kind:
    """What is used for a kind of picture: guesses but where a comment says what was tried."""

    stages: tuple[int, ...]  # filters of the encoder's stages
    crops: at.Crops  # of the two methods with views
    shifts: at.Shifts  # of all others, and where labels train a network
    length: dict[str, str]  # of pretraining, by equal=
    tune: tuple[int, int]  # epochs, and batches of 32 in each, wherever labels train a network
    tune_rate: float = 5e-4  # of a reused network, at its peak
    faster: float = 1.0  # by which the rates of METHODS are multiplied


DIGITS = Kind(
    (16, 32, 64), at.Crops((0.5, 1.0), flip=False), at.Shifts(1, flip=False),
    {"epochs": "100epochs", "seconds": "30s"}, (12, 25),
)  # fmt: skip
# Scratch on 4,000 other training pictures, with 200 and 1,000 labels: filters from 16 and 24 epochs 74.6 and 84.7 %,
# from 24 and 16 epochs 76.9 and 84.1, from 32 and 12 epochs 76.2 and 83.3, in about the same time (one draw each).
# Its rate at 1e-3, 3e-3, 9e-3 and 2e-2: 76.0, 76.5, 77.0 and 76.4 with 200, 81.6, 83.3, 82.8 and 81.7 with 1,000 (two).
# Of rates, every method's search chose three times the one in METHODS, by training pictures that are held out. Of
# those, SimCLR's network tuned with 1,000 labels tells 83.7 % at 5e-4 and 85.3 % at 1.5e-3, in the mean of two draws.
FASHION = Kind(
    (24, 48, 96), at.Crops(), at.Shifts(2), {"epochs": "12epochs", "seconds": "10min"}, (16, 50), 1.5e-3, 3.0
)
PHOTOS = Kind((32, 64, 128), at.Crops(), at.Shifts(4), {"epochs": "12epochs", "seconds": "15min"}, (12, 50))
KINDS = {"digits": DIGITS, "fashion_mnist": FASHION}


NOISE = 0.3  # of autoencoders


# A method is a task, what it is given, and the learning rate in the middle of its search (times `faster`). All have one
# encoder but RBMs, whose layers are dense and sigmoid by definition.
def encoder(shape: tuple[int, int, int], kind: Kind, seed: int) -> at.Model:
    """Make the network that all methods train."""
    return at.conv_backbone(shape, kind.stages, dropout=0.0, seed=seed)


def make_task(name: str, shape: tuple[int, int, int], kind: Kind, seed: int) -> Any:
    """Make a method's task, round a new network."""
    if name == "rbm":
        return at.StackedRbms(at.rbm_backbone(shape, (500, 250), seed=seed))
    task, given, _ = METHODS[name]
    how = {"noise": NOISE} if given == "noise" else {"augment": getattr(kind, given)}
    return getattr(at, task)(encoder(shape, kind, seed), seed=seed, **how)


METHODS = {
    "autoencoder": ("Autoencoder", "noise", 1e-3),  # the same network, noise and decoders as of the stack
    "gan": ("Gan", "shifts", 5e-4),
    "stacked_autoencoders": ("StackedAutoencoders", "noise", 1e-3),
    "rbm": ("StackedRbms", "", 1e-2),
    "rotation": ("Rotation", "shifts", 1e-3),
    "simclr": ("SimClr", "crops", 2e-3),
    "barlow_twins": ("BarlowTwins", "crops", 2e-3),
}
LEAST_STEPS = 3  # one for each layer of the encoder
FACTORS = (1.0, 1 / 3, 3.0)  # of that rate, in the search; the first wins where labels cannot tell
FREE = 3000  # pictures without labels that self-training learns from
# All together weigh as much as so many times the labels. On other training pictures of Fashion-MNIST, by SimCLR's
# network with 200 labels: once 79.5 %, four times 78.7 %, in the mean of four draws.
GUESSES = 1.0
OF_A_METHOD = ("knn", "probe", "beside_pixels", "self_training", "probe_then_tune", "mixture")
STRENGTHS = (0.003, 0.03, 0.3)  # of probes on standardised features: scikit-learn's C
OF_A_FOLDER = {"dataset": ("folder",)}


@dataclass(frozen=True)
class Config:
    """What can be set, as key=value."""

    method: tuple[str, ...] = at.option(("simclr",), "one or more methods, or all", choices=("all", *METHODS))
    dataset: str = at.option(
        "auto",
        "pictures; auto: Fashion-MNIST if its files are found, else digits; fashion_mnist: else downloaded; lfw: faces",
        choices=("auto", "fashion_mnist", "digits", "lfw", "folder"),
    )
    path: str = at.option("", "a sub-folder per class, and perhaps unlabelled/", only=OF_A_FOLDER)
    size: int = at.option(64, "side of the pictures, in pixels", at_least=8, only=OF_A_FOLDER)
    mirror: bool = at.option(True, "whether mirror images show the same (letters do not)", only=OF_A_FOLDER)
    equal: str = at.option(
        "epochs", "methods get as many passes over the pictures, or as much time", choices=("epochs", "seconds")
    )
    length: str = at.option("", "of each pretraining, as 20epochs or 10min; empty: the dataset's own")
    search: int = at.option(
        0, "learning rates tried for each method; 0: 3 where methods are compared, else 1", choices=(0, 1, 3)
    )
    labels: tuple[int, ...] = at.option(
        (), "labelled pictures in all, balanced; empty: those of 100,200,1000 that the data allow", at_least=1
    )
    draws: int = at.option(5, "how often labels are drawn", at_least=1)
    quick: bool = at.option(False, "about a minute: to see that everything runs")

    def __post_init__(self) -> None:
        """Refuse what cannot be done."""
        if not self.method:
            raise ValueError(f"method= is empty: give one or more of {', '.join(METHODS)}, or all")
        self._check_length()
        if self.dataset == "folder" and not self.path:
            raise ValueError("dataset=folder needs path=DIR, with a sub-folder of pictures per class")

    def _check_length(self) -> None:
        """Refuse a length of pretraining that cannot be had, or that makes methods equal in something else."""
        spec = at.parse_budget(self.length) if self.length else None
        if spec is None:
            return
        if spec.kind == "tokens":
            raise ValueError(f"length={self.length}: pictures are no tokens; write 20epochs, 2000steps or 10min")
        if (spec.kind == "seconds") != (self.equal == "seconds"):
            as_said = "as 10min or 90s" if self.equal == "seconds" else "as 20epochs or 2000steps"
            raise ValueError(f"length={self.length} with equal={self.equal}: write it {as_said}, or set equal=")
        if spec.kind == "steps" and spec.amount < LEAST_STEPS:
            raise ValueError(f"length={self.length}: what is trained layer by layer needs {LEAST_STEPS} steps or more")


@dataclass(frozen=True, eq=False)
class Target:
    """The target task: items are positions in `images`, and pictures that are tested come last."""

    images: np.ndarray
    pool: at.Examples  # what labels are drawn from
    held_out: at.Examples  # whose labels pick the method
    test: at.Examples
    without_labels: np.ndarray  # what self-training learns from
    budgets: tuple[int, ...]
    mirror: bool  # whether mirror images show the same class

    @property
    def num_seen(self) -> int:
        """Count the pictures, the first ones, by which features may be standardised."""
        return len(self.images) - len(self.test)


def main(config: Config, run: at.Run) -> None:
    """Data, pretraining by each method, the pick of a method, and the comparison of all arms."""
    with run.stage("data"):
        data = check(config, run)
        run.keep_to("pictures", data.fingerprint(in_order=True))
    kind = kind_of(config, data)
    target = make_target(config, run, data, kind)
    names = methods_of(config)
    tried = "; of such rates scratch had four tried, and SimCLR two, on training pictures" if kind is FASHION else ""
    run.note(f"what is done to pictures, lengths of pretraining and rates of fine-tuning are guesses{tried}")
    if "rbm" in names:
        run.note("rbm trains a dense net, 500 and 250 sigmoid units; the others one conv net, which scratch is too")
    if not searches(config, names):
        come = "are guesses too" if kind.faster == 1 else "come from an earlier search, by labels held out"
        run.note(f"learning rates of pretraining {come} (search=3 tries three)")
    if len(names) > 1 and config.length.endswith("steps"):
        run.note("methods have batches of different sizes: as many steps are not as many passes over the pictures")
    learned = pretrained_each(config, run, names, kind, data, target)
    names = tuple(learned)
    backbones = {name: backbone for name, (backbone, _) in learned.items()}
    with run.stage("features"):
        layers = {name: features(one, target) for name, one in backbones.items()}
        baseline = encoder(data.shape, kind, run.seed)  # also where a method's own network is another one
        untrained = features(baseline, target)
    probes = {name: at.log_probes(rows, STRENGTHS) for name, rows in layers.items()}
    with run.stage("pick of a method"):
        picked = pick(run, target, {name: at.scored_arm(probe) for name, probe in probes.items()})
    at.save_backbone(backbones[picked], run.folder / "backbone", learned[picked][1] | {"method": picked})
    families = make_families(target, names, picked, layers, probes)
    run.note(
        f"self_training goes on from beside_pixels with C={STRENGTHS[1]:g}; mixture averages that and probe_then_tune, "
        "and its seconds come on top of theirs"
    )
    networks = make_networks(config, kind, target, backbones, baseline)
    frozen = {name: at.scored_arm(family) for name, family in families.items()}
    frozen["random_frozen"] = at.probe_arm(untrained, STRENGTHS)
    with run.stage("comparison"), run.progress("cells", unit="cells") as bar:
        results = compare(config, run, target, names, picked, frozen, families, networks).run(bar.update)
    seconds = {
        f"{what}, s": {
            arm_name(names, name, arm): f"{spent[name]:.0f}" for name in names if name in spent for arm in OF_A_METHOD
        }
        for what in ("pretraining", "search") if (spent := seconds_of(run, what))
    }  # fmt: skip
    at.report_comparison(run, results, beside=seconds)
    if {"stacked_autoencoders", "autoencoder"} <= set(names):
        say_history(run, results, seconds_of(run, "pretraining"))


def compare(
    config: Config, run: at.Run, target: Target, names: tuple[str, ...], picked: str, frozen: dict[str, Any],
    families: dict[str, dict[Any, Any]], networks: dict[str, Any],
) -> at.Comparison:  # fmt: skip
    """Set up the grid of arms, budgets and draws; one of the picked method's arms, or the pixels', is chosen."""
    *cheap, tuned, mixture = ours = ["pixels", "pca", *(arm_name(names, picked, arm) for arm in OF_A_METHOD)]
    # Trained once for both, and for the choice among arms.
    tune = at.remembered(at.arm_classifier(networks[tuned], target.pool.names, run.seed))
    beside = families[arm_name(names, picked, "beside_pixels")]["places", STRENGTHS[1]]
    trained = {tuned: tune, mixture: at.log_mixture(tune, beside)}
    networks = networks | {name: at.scored_arm({name: one}) for name, one in trained.items()}
    draws = min(config.draws, 2) if config.quick else config.draws
    return at.Comparison(
        frozen | networks, target.budgets, draws, target.test, pool=target.pool, budget_unit="labels",
        metric="accuracy", per_class=False, seed=run.seed, run=run,
        # Of many methods each trains its network for the first 2 draws only; the method picked, for all.
        arm_draws={name: min(draws, 2) for name in networks if name != "scratch" and name not in ours},
        chosen=at.chosen_arm({name: families[name] for name in cheap}, trained),
    )  # fmt: skip


def check(config: Config, run: at.Run) -> at.ImageData:
    """Read the pictures and say what is odd about them (also `auxtask validate`)."""
    if config.dataset == "folder":
        # Whatever --seed, as in image_classification.
        data = at.ImageData.from_folder(config.path, config.size, seed=0)
    elif config.dataset == "lfw":
        data = at.lfw_image_data(run.required_data_root("dataset=lfw", "faces/lfw"), seed=run.seed)
    else:
        data = at.ImageData.small(config.dataset, run.data_root, run.seed)
    for text in data.notes:
        run.note(text)
    budgets_of(config, data)
    return data


def kind_of(config: Config, data: at.ImageData) -> Kind:
    """Give what is used for these pictures, whatever a folder of them is called."""
    if config.dataset == "folder":
        flip = config.mirror
        return replace(PHOTOS, crops=replace(PHOTOS.crops, flip=flip), shifts=replace(PHOTOS.shifts, flip=flip))
    return KINDS.get(data.name, PHOTOS)


def held_out_size(data: at.ImageData) -> int:
    """Give how many labelled pictures are held out to pick the method: a fifth, of each class one, at most 1,000."""
    return min(1000, max(len(data.names), data.train.most_balanced // 5))


def budgets_of(config: Config, data: at.ImageData) -> tuple[int, ...]:
    """Give the numbers of labels, two of each class or more."""
    left = data.train.counts - -(-held_out_size(data) // len(data.names))  # of each class, beside those held out
    budgets = at.label_budgets(config.labels, (100, 200, 1000), left, data.names, least=2)
    return budgets[:1] if config.quick else budgets


def make_target(config: Config, run: at.Run, data: at.ImageData, kind: Kind) -> Target:
    """Lay pictures out: those that labels are drawn from, those whose labels pick the method, those tested."""
    budgets, few = budgets_of(config, data), held_out_size(data)
    # A fixed part of a large training set is enough to draw from; all of it is pretrained on.
    size = min(data.train.most_balanced, few + max(3 * max(budgets), 2000))
    held, own = np.split(data.train.balanced(size, run.seed), [few])
    # Those without labels come as they are: drawn as evenly, class by class, they would tell what nobody knows.
    everything = np.concatenate([data.train.images, data.unlabelled])
    free = np.sort(np.random.default_rng(run.seed).permutation(len(everything))[: 300 if config.quick else FREE])
    more = np.setdiff1d(free, [*own, *held])
    unknown = [at.LabelledImages(everything[more], np.zeros(len(more), int), data.names)] if len(more) else []
    parts = [data.train.take(own), data.train.take(held), *unknown, data.test]
    images, (pool, held_out, *_, test) = at.laid_out(*parts)
    position = {row: place for place, row in enumerate([*own, *held, *more])}
    without_labels = np.array([position[row] for row in free])
    return Target(images, pool, held_out, test, without_labels, budgets, kind.shifts.flip)


def middle_rate(name: str, kind: Kind) -> float:
    """Give the learning rate of a method in the middle of its search, which is used where none is made."""
    return float(METHODS[name][2] * kind.faster)


def methods_of(config: Config) -> tuple[str, ...]:
    """Name the methods to be run."""
    return tuple(METHODS) if "all" in config.method else config.method


def searches(config: Config, names: tuple[str, ...]) -> bool:
    """Tell whether learning rates are searched: where methods are compared, unless the run is to be quick."""
    return config.search == 3 or (config.search == 0 and len(names) > 1 and not config.quick)


def pretrained_each(
    config: Config, run: at.Run, names: tuple[str, ...], kind: Kind, data: at.ImageData, target: Target
) -> dict[str, tuple[at.Model, dict[str, Any]]]:
    """Pretrain by each method, but for those that diverge: the others still have something to say."""
    learned = {}
    for name in names:
        try:
            learned[name] = pretrained(config, run, name, kind, data, target)
        except at.Diverged as error:
            run.note(f"{name} is left out: {error}")
            if not learned and name == names[-1]:
                raise
    return learned


def pretrained(
    config: Config, run: at.Run, name: str, kind: Kind, data: at.ImageData, target: Target
) -> tuple[at.Model, dict[str, Any]]:
    """Learn from all training pictures without labels, or take what an interrupted run has learned (--resume).

    Gives the backbone and its record, which says among other things what pictures it has seen.
    """
    folder, rate = run.folder / "pretrained" / name, middle_rate(name, kind)
    length = config.length or ("20steps" if config.quick else kind.length[config.equal])
    if searches(config, methods_of(config)):
        with run.stage(f"search: {name}"):
            rate = searched_rate(run, name, kind, data, target, length)

    def train() -> dict[str, Any]:
        task = make_task(name, data.shape, kind, run.seed)
        backbone, seconds = learn(run, task, data, length, rate, name)
        show(run, name, task, data.test.images[:12])
        at.save_backbone(backbone, folder, task.pretraining.provenance)
        return {"seconds": np.array(seconds), "provenance": np.array(json.dumps(task.pretraining.provenance))}

    with run.stage(f"pretraining: {name}"):
        kept = run.cell(f"pretraining-{name}", train)
    run.add_rows([{"arm": name, "metric": "seconds_pretraining", "mean": float(kept["seconds"])}])
    return at.load(folder), json.loads(str(kept["provenance"]))


def learn(run: at.Run, task: Any, data: at.ImageData, length: str, rate: float, label: str) -> tuple[at.Model, float]:
    """Pretrain on all training pictures, without their labels; give the backbone, and the seconds that took."""
    everything = np.concatenate([data.train.images, data.unlabelled])
    # A few pictures are watched only, drawn since folders are read class by class; of a hundred, none can be spared.
    order = np.random.default_rng(run.seed).permutation(len(everything))
    few = min(500, len(everything) // 20) if len(everything) >= 200 else 0
    seen, watched = everything[order[few:]], everything[order[:few]] if few else None
    began = time.perf_counter()
    backbone = task.pretrain(
        seen, watched, budget=length, learning_rate=rate, callbacks=run.callbacks(label=label), seed=run.seed
    )
    return backbone, time.perf_counter() - began


def searched_rate(run: at.Run, name: str, kind: Kind, data: at.ImageData, target: Target, length: str) -> float:
    """Give the rate at which a quarter of the pretraining is best on the labels held out: no test picture is used."""
    middle, spec = middle_rate(name, kind), at.parse_budget(length)
    least = LEAST_STEPS if spec.kind == "steps" else 1
    part = spec.amount / 4 if spec.kind == "seconds" else max(least, round(spec.amount / 4))

    def tried(rate: float) -> dict[str, Any]:
        task, began = make_task(name, data.shape, kind, run.seed), time.perf_counter()
        try:
            backbone, seconds = learn(run, task, data, f"{part}{spec.kind}", rate, f"{name}, rate {rate:g}")
        except at.Diverged as error:
            run.note(f"{name}, rate {rate:g}: {error}")
            return {"accuracy": np.array(0.0), "seconds": np.array(time.perf_counter() - began)}
        rows = features(backbone, target, target.num_seen)["all"]
        _, means = by_held_out(run, target, {name: at.scored_arm({0: at.log_probe(rows, STRENGTHS[1])})})
        return {"accuracy": np.array(means[name]), "seconds": np.array(seconds)}

    found = {
        rate: run.cell(f"search-{name}-rate{rate:g}", partial(tried, rate)) for rate in (middle * f for f in FACTORS)
    }
    accuracy = {rate: float(each["accuracy"]) for rate, each in found.items()}
    if not any(accuracy.values()):
        raise at.Diverged(f"the training diverged at every rate that was tried ({', '.join(f'{r:g}' for r in found)})")
    best = max(accuracy, key=lambda rate: accuracy[rate])
    run.add_rows([
        {"arm": name, "metric": "seconds_search", "mean": float(sum(each["seconds"] for each in found.values()))}
    ])  # fmt: skip
    said = ", ".join(f"{rate:.2g} {100 * each:.1f}" for rate, each in accuracy.items())
    run.note(f"{name}: rate {best:.2g}, by labels held out ({said} % after {part:g} {spec.kind} each)")
    return best


def show(run: at.Run, name: str, task: Any, images: np.ndarray) -> None:
    """Draw the training's curves, and what the task makes of pictures, where it makes any."""
    run.figure(f"{name} curves", at.plot_curves(task.pretraining.history, name))
    if hasattr(task, "samples"):
        run.figure(f"{name} samples", at.plot_samples({"pictures": images, "made up": task.samples(48, run.seed)}))
    if hasattr(task, "reconstruct"):
        run.figure(f"{name} back", at.plot_samples({"pictures": images, "given back": task.reconstruct(images)}))
    for text in getattr(task, "warnings", ()):
        run.note(f"{name}: {text}")


def features(backbone: at.Model, target: Target, num: int | None = None) -> dict[str, np.ndarray]:
    """Give tables of features among which the labels choose: the last depth, all depths, and all with their places.

    Of all pictures, or of the first `num`.
    """
    pooled, placed = (
        at.image_features(backbone, target.images[:num], mirror=target.mirror, grid=grid) for grid in (1, 2)
    )
    tables = {
        "last": list(pooled.values())[-1],
        "all": np.concatenate(list(pooled.values()), axis=1),
        "places": np.concatenate(list(placed.values()), axis=1),
    }
    return at.StandardisedLayers(tables, target.num_seen).rows  # by pictures that are not tested


def make_families(
    target: Target, names: tuple[str, ...], picked: str, layers: dict[str, dict[str, np.ndarray]],
    probes: dict[str, dict[Any, Any]],
) -> dict[str, dict[Any, Any]]:  # fmt: skip
    """Give frozen classifiers among which the labels at hand choose, by arm."""
    pixels = at.fit_images(target.images, min(target.images.shape[1], 32), target.images.shape[3])
    pixels = pixels.reshape(len(pixels), -1) / 255.0
    families = pixel_families(target, pixels)
    for name, rows in layers.items():
        families[arm_name(names, name, "knn")] = {
            k: at.remembered(at.log_neighbours(rows["last"], k)) for k in (1, 5, 20)
        }
        families[arm_name(names, name, "probe")] = probes[name]
    # Pretraining loses some of what tells classes apart: the pixels beside its features have that still.
    standardised = at.standardised(pixels, np.arange(target.num_seen)).astype(np.float32)
    beside = at.side_by_side([layers[picked]["places"], standardised])
    families[arm_name(names, picked, "beside_pixels")] = at.log_probes({"places": beside}, STRENGTHS)
    # Of those without labels, the ones that are labelled or judged are left out draw by draw.
    teacher = at.SelfTraining([at.log_probe(beside, STRENGTHS[1])], target.without_labels, weight=GUESSES)
    families[arm_name(names, picked, "self_training")] = {"self_training": teacher}
    return families


def pixel_families(target: Target, pixels: np.ndarray) -> dict[str, dict[Any, Any]]:
    """Give the baselines without a network: probes of the pixels, and of their principal components."""
    components = at.principal_components(pixels, target.num_seen, 50)
    return {
        "pixels": at.log_probes({"pixels": pixels}, (0.01, 0.1, 1.0)),
        "pca": at.log_probes({"pca": components}, STRENGTHS),
    }


def pick(run: at.Run, target: Target, arms: dict[str, Any]) -> str:
    """Name the method whose probe is best on the labels held out, in the mean over budgets: no test label is used."""
    results, means = by_held_out(run, target, arms)
    picked = max(means, key=lambda name: means[name])
    run.add_rows(results.rows)
    said = ", ".join(f"{name} {100 * mean:.1f}" for name, mean in means.items())
    run.note(f"picked: {picked}, by the labels of {len(target.held_out)} training pictures held out ({said} %)")
    return picked


def by_held_out(run: at.Run, target: Target, arms: dict[str, Any]) -> tuple[Any, dict[str, float]]:
    """Judge arms by the labels held out: all results, and each arm's mean over budgets."""
    results = at.Comparison(
        arms, target.budgets, 2, target.held_out, pool=target.pool, budget_unit="labels", metric="accuracy",
        per_class=False, baseline=None, variant="held_out", seed=run.seed,
    ).run()  # fmt: skip
    return results, {name: float(np.mean([results.row(name, n)["mean"] for n in target.budgets])) for name in arms}


def seconds_of(run: at.Run, what: str) -> dict[str, float]:
    """Give how long each method's pretraining, or its search, took; of a search that was left out, nothing."""
    return {row["arm"]: row["mean"] for row in run.rows if row["metric"] == f"seconds_{what}"}


def say_history(run: at.Run, results: Any, seconds: dict[str, float]) -> None:
    """Compare layer-wise training with the same autoencoder trained at once: quality and time."""
    said = []
    for name in ("stacked_autoencoders", "autoencoder"):
        found = (f"{100 * results.row(f'{name}.probe', n)['mean']:.1f}" for n in results.budgets)
        said.append(f"{'/'.join(found)} % after {seconds[name]:.0f} s")
    labels = "/".join(map(str, results.budgets))
    run.finding(f"Greedy layer by layer: probe at {labels} labels {said[0]}; the same autoencoder at once: {said[1]}.")


def arm_name(names: tuple[str, ...], method: str, arm: str) -> str:
    """Give what an arm is called: of one method as it is, of several with the method's name."""
    return arm if len(names) == 1 else f"{method}.{arm}"


def make_networks(
    config: Config, kind: Kind, target: Target, backbones: dict[str, at.Model], baseline: at.Model
) -> dict[str, Any]:
    """Give the arms that train a network: the same augmentation, and as many epochs."""
    epochs, batches = (2, 5) if config.quick else kind.tune
    network = partial(
        at.network_arm, images=target.images, augment=kind.shifts, epoch_batches=batches,
        mirror=target.mirror, train_metric="train_accuracy",
    )  # fmt: skip
    cosine = partial(at.keras.optimizers.schedules.CosineDecay, decay_steps=epochs * batches)
    names = tuple(backbones)
    return {"scratch": network(baseline, plan=at.Plan.scratch(epochs, cosine(3e-3)), init="random")} | {
        arm_name(names, name, "probe_then_tune"): network(
            one, plan=at.Plan.full(epochs, cosine(kind.tune_rate)), start=at.logistic_head
        )
        for name, one in backbones.items()
    }


if __name__ == "__main__":
    at.run(main, Config)
