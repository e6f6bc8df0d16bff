"""Classify texts with 20 to 1,000 labels, by way of a language model.

Auxiliary task: guess hidden words, or tell which spans come from the same document, on text without labels.
Target task: your classes. Expect 93 % of drawn reviews with 20 labels, where TF-IDF has 56 %, after a quarter of an
hour of one core; of IMDB, adapted, 76 % where it has 62 %, after three hours of two.

    auxtask run text_classification                                             # drawn reviews: no data needed
    auxtask run text_classification dataset=imdb --data-root DIR                # a reused model, as it is
    auxtask run text_classification dataset=imdb source=adapt --data-root DIR   # adapted to the unlabelled reviews
    auxtask run text_classification dataset=csv path=MINE.csv text=review label=stars

The run folder keeps `backbone/` (the language model, where one was trained, with its tokenizer in `tokenizer/`; after
masked words also `language_model/`, which plain transformers load) and `model/`, which labels texts:
`at.load("RUN/model").predict(["a text"])`.
"""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass
from functools import partial
from inspect import unwrap
from itertools import islice
from typing import Any, Literal

import numpy as np

import auxtask as at

NETWORKS = ("scratch", "probe_then_tune", "same_label")  # arms that take a minute each
ARMS = ("tfidf", "probe", "self_training", "mixture", "random_frozen", "probe_last_layer", *NETWORKS)
OWN = ("csv", "jsonl", "file", "hub")  # datasets that the user brings
STRENGTHS = (0.001, 0.01, 0.1)  # of every probe: scikit-learn's C
OF_WORDS, OF_GUESSES = 10.0, 0.03  # C of TF-IDF in a mixture; of the probe that learns from its own guesses
# Shares of the texts without labels that are guessed, round by round: slowly where the labels tell much, fast where
# first guesses are so bad that the surest of them mislead.
ROUNDS = {"slow": (0.2, 0.4, 0.6, 0.8, 1.0), "fast": (0.5, 1.0)}
OFTEN = 3  # texts in which a word stands that counts among guesses: of thousands of texts, most stand in one
MOST_DOCUMENTS = 1_000_000  # of which spans are taken: each costs 100 bytes
FEWEST_GUESSED = 50  # texts without labels that are worth guessing
USUAL = (20, 100, 200, 1000)  # labels in all
FEWEST = 3  # labels of a class: cross-validation holds one out, and chooses once more within the rest


@dataclass(frozen=True)
class Config:
    """What can be set, as key=value."""

    dataset: str = at.option(
        "drawn",
        "where the texts come from",
        choices=("drawn", "imdb", "ag_news", "sst2", "csv", "jsonl", "file", "hub"),
        advice="Others on the hub: dataset=hub path=OWNER/NAME; your own file: dataset=csv path=FILE",
    )
    path: str = at.option("", "that file (parquet too); of hub its name there", only={"dataset": OWN})
    subset: str = at.option(
        "", "which data set, where the name stands for several, as sst2 of nyu-mll/glue", only={"dataset": ("hub",)}
    )
    text: str = at.option("text", "the column of texts")
    label: str = at.option("label", "the column of labels")
    unlabelled: str = at.option(
        "", "texts to pretrain on, in the column text= too: file, folder or hub name; empty: its own"
    )
    source: str = at.option(
        "",
        "the language model; empty: pretrain on drawn texts, else reuse; scratch: none, the network stays untrained",
        choices=("", "scratch", "pretrain", "reuse", "adapt"),
    )
    model: str = at.option("minilm", "what to reuse: minilm, a folder, or a name on the hub")
    task: str = at.option(
        "",
        "how to pretrain (empty: masked) or adapt (same_document)",
        choices=("", "masked", "same_document", "replaced"),
    )
    pretraining: str = at.option(
        "",
        "its length, as 20min or 2000steps; empty: 600steps of same document, else 20min (1500steps on drawn texts)",
    )
    labels: tuple[int, ...] = at.option(
        (), "labelled texts in all, balanced; empty: those of 20,100,200,1000 that the data allow", at_least=1
    )
    per_class: int = at.option(0, "instead of labels: so many of each class", at_least=0)
    draws: int = at.option(10, "how often labelled texts are drawn", at_least=1)
    trained_budgets: tuple[int, ...] = at.option(
        (),
        "where networks are trained, on the first 5 draws; empty: 20,200 of the labels (drawn texts: 20, on 3 draws); "
        "with per_class all, all draws",
    )
    test_size: int = at.option(1000, "texts of the fixed, balanced test subset", at_least=2)
    full_test: int = at.option(
        10_000, "frozen arms are scored on all test texts too, if there are at most so many (IMDB has 25,000: minutes)"
    )
    max_length: int = at.option(256, "tokens read of each text (see keep=); networks are trained on 128", at_least=8)
    keep: Literal["head", "head_tail"] = at.option(
        "head_tail", "of longer texts: their beginning, or a quarter from there and the rest from the end"
    )
    mixture: bool = at.option(
        True, "whether the mixture with TF-IDF may be chosen, and words learn from guesses (never on drawn texts)"
    )
    arms: tuple[str, ...] = at.option((), "restricts the arms; empty: all", choices=(*ARMS, "chosen"))
    quick: bool = at.option(False, "about a minute: to see that everything runs")

    def __post_init__(self) -> None:
        """Refuse what means nothing, or would be ignored."""
        if self.labels and self.per_class:
            raise ValueError("labels= counts labels in all, per_class= those of each class: give one of them")
        if self.unlabelled and self.dataset == "drawn":
            raise ValueError("unlabelled= does not fit drawn texts, which come with their own")
        source = source_of(self)
        if self.model != "minilm" and source in ("scratch", "pretrain"):
            raise ValueError(f"model= is what source=reuse or adapt starts from; source is {source}")
        for name, given in (("task", self.task), ("pretraining", self.pretraining)):
            if given and source in ("scratch", "reuse"):
                raise ValueError(f"{name}= is for source=pretrain or adapt, which train on texts; source is {source}")
        own_text = self.text == "text" or self.unlabelled
        if self.dataset not in OWN and not (own_text and self.label == "label"):
            raise ValueError(f"text= and label= name columns of your own data, not of {self.dataset}")
        self._check_arms(source)
        if self.pretraining:
            at.parse_budget(self.pretraining)

    def _check_arms(self, source: str) -> None:
        """Refuse arms that there will not be, and a choice among none that may be chosen."""
        possible = ("tfidf", "random_frozen", "scratch") if source == "scratch" else ARMS
        if absent := sorted(set(self.arms) - {*possible, "chosen"}):
            raise ValueError(f"arms={absent[0]}: with source=scratch there are {', '.join(possible)} and chosen")
        fit = claimable(self)
        if "chosen" in self.arms and len(self.arms) > 1 and not set(fit) & set(self.arms):
            raise ValueError(f"arms={','.join(self.arms)}: chosen needs one of {', '.join(fit)} to choose from")


@dataclass(frozen=True, eq=False)
class Target:
    """The target task: items are positions in `texts`."""

    texts: list[str]  # those that labels are drawn from, then those tested, then those without labels
    pool: at.Examples  # what labels are drawn from
    test: at.Examples  # a fixed, balanced subset of the test texts
    full_test: at.Examples | None  # all of them, where frozen arms are scored on these too
    without_labels: np.ndarray  # what self-training learns from
    budgets: tuple[int, ...]


def main(config: Config, run: at.Run) -> None:
    """Data, language model, reuse, comparison, report, model."""
    with run.stage("data"):
        data = check(config, run)
        run.keep_to("texts", data.fingerprint(in_order=True) + data.unlabelled.fingerprint())
        tests = at.KnownTexts(list(data.test.texts))
        run.note(tests.report(data.train.texts).sentence("training texts", "test set", "they stay"))
        target = make_target(config, run, data, tests)
    with run.stage("language model"):
        backbone, tokenizer = language_model(config, run, data, tests)
        run.keep_to("weights", at.weights_fingerprint(backbone))  # of model= they may have changed
    with run.stage("features of every layer"):
        encoded = encode(config, run, target, backbone, tokenizer)
        layers = features("features", backbone, encoded, target, run)
        untrained = layers
        if source_of(config) != "scratch" and (not config.arms or "random_frozen" in config.arms):
            without_spare = encoded.take(np.arange(len(target.texts) - len(target.without_labels)))
            random = at.reuse(backbone, init="random", seed=run.seed)
            untrained = features("untrained features", random, without_spare, target, run)
    families = make_families(config, target, layers)
    networks = make_networks(config, backbone, encoded, layers, families)
    frozen = {name: at.scored_arm(family) for name, family in families.items()}
    frozen["random_frozen"] = at.probe_arm(untrained.rows, STRENGTHS)
    if source_of(config) != "scratch":
        frozen["probe_last_layer"] = at.probe_arm(layers.last, STRENGTHS)
    comparison = compare(config, run, target, frozen, families, networks, encoded)
    with run.stage("comparison"), run.progress("cells", unit="cells") as bar:
        results = comparison.run(bar.update)
    run.note("seconds of an arm leave out the features of all texts, and fits that the choice among arms made before")
    at.report_comparison(run, results)
    if not results.picks:
        return run.note("no model/ is kept: with chosen among arms= there is one")
    with run.stage("model"):
        most = max(results.picks)
        items = np.unique([comparison.drawn(most, draw) for draw in range(draws_of(config))])
        arm = Counter(results.picks[most]).most_common(1)[0][0]
        had = f"{len(items)} texts labelled in the draws of {most}, of {len(data.train)} to learn from"
        run.note(f"model/: {arm}, refitted on the {had}")
        parts = refitted(arm, config, families, networks, layers, backbone, target, items)
        at.TextClassifier(
            data.names, **parts, tokenizer=tokenizer, max_length=encoded.max_length, keep=encoded.keep
        ).save(run.folder / "model", {"arm": arm, "dataset": data.name, "num_labels": len(items)})


def compare(
    config: Config, run: at.Run, target: Target, frozen: dict[str, Any], families: dict[str, dict[Any, Any]],
    networks: dict[str, Any], encoded: at.EncodedTexts,
) -> at.Comparison:  # fmt: skip
    """Set up the grid of arms, budgets and draws; networks, which take a minute each, get a part of it."""
    some_budgets, may = trained_at(config, target.budgets), claimable(config)
    if trains_networks(config) and not some_budgets:
        run.note("networks are trained at none of these numbers of labels: trained_budgets= says where")
    return at.Comparison(
        {**frozen, **{name: at.text_network_arm(fit, encoded) for name, fit in networks.items()}},
        target.budgets, draws_of(config), target.test, pool=target.pool,
        budget_unit="per class" if config.per_class else "labels", per_class=bool(config.per_class),
        arm_draws=dict.fromkeys(networks, trained_draws(config)), arm_budgets=dict.fromkeys(networks, some_budgets),
        full_test=target.full_test, full_test_arms=list(frozen),
        baseline=("tfidf", "scratch"), metric="accuracy", run=run, seed=run.seed,
        only=tuple(arm for arm in config.arms if arm != "self_training" or arm in families) or None,
        chosen=at.chosen_arm(
            {name: family for name, family in families.items() if name in may},
            {name: at.network_classifier(one, encoded) for name, one in networks.items() if name in may},
            where_labels_cannot_tell(config, families),
        ),
    )  # fmt: skip


def check(config: Config, run: at.Run) -> at.TextData:
    """Read the texts, refuse settings that do not fit them, and say what is odd (also `auxtask validate`)."""
    data = load_texts(config, run)
    if config.unlabelled:
        data = data.with_unlabelled(at.Corpus.open(config.unlabelled, config.text))
        if len(list(islice(data.unlabelled, 2))) < 2:  # also reads its first rows: is there such a column?
            raise ValueError(f"unlabelled={config.unlabelled}: fewer than two texts in it")
    budgets, _ = budgets_of(config, data)
    wanted = named_arms(config)
    if not trained_at(config, budgets) and wanted and wanted <= {*NETWORKS}:
        raise ValueError(
            f"arms={','.join(config.arms)}: networks are trained at none of {', '.join(map(str, budgets))} labels; "
            "say at which with trained_budgets="
        )
    everywhere = trained_at(config, budgets) == [*budgets] and trained_draws(config) == draws_of(config)
    needs_one = "chosen" in config.arms and wanted - {*NETWORKS} and wanted & {*claimable(config)} <= {*NETWORKS}
    if needs_one and not everywhere:
        raise ValueError(
            f"arms={','.join(config.arms)}: there is nothing to choose where no networks are trained; name one of "
            f"{', '.join(arm for arm in claimable(config) if arm not in NETWORKS)} too"
        )
    if config.test_size < len(data.names):
        raise ValueError(f"test_size={config.test_size}: fewer than the {len(data.names)} classes, and each is tested")
    if data.test.most_balanced < len(data.names):
        rarest = data.names[int(data.test.counts.argmin())]
        raise ValueError(f"{data.name}: no test text of the class {rarest}: every class must be tested")
    for text in data.notes:
        run.note(text)
    if config.dataset in OWN:
        each = [f"{name} {count}" for name, count in zip(data.names, data.train.counts, strict=True)]
        known = ", ".join(each[:10]) + (f" and {len(each) - 10} more classes" if len(each) > 10 else "")
        asked = f"{','.join(map(str, budgets))} of them {'per class' if config.per_class else 'in all'}"
        run.note(f"{len(data.train)} texts to learn from ({known}), labels of {asked}; {len(data.test)} to test on")
    if config.dataset == "drawn":
        run.note("for real texts: auxtask run text_classification dataset=csv path=FILE text=COLUMN label=COLUMN")
    return data


def load_texts(config: Config, run: at.Run) -> at.TextData:
    """Give labelled texts, split into training and test, and the unlabelled pool."""
    if config.dataset == "drawn":
        sizes = (400, 400, 1000) if config.quick else (4000, 2000, 20_000)
        return at.TextData.drawn(*sizes, seed=run.seed)
    if config.dataset in OWN:
        if not config.path:
            raise ValueError(f"dataset={config.dataset} needs path=")
        if config.dataset == "hub":
            hub = config.subset or None
            return at.TextData.from_dataset(config.path, config.text, config.label, hub, seed=run.seed)
        return at.TextData.from_file(config.path, config.text, config.label, seed=run.seed)
    root = run.required_data_root(f"dataset={config.dataset}", f"text/{config.dataset}")
    return getattr(at.TextData, config.dataset)(root)


def budgets_of(config: Config, data: at.TextData) -> tuple[tuple[int, ...], int]:
    """Give the budgets, and how many labels the largest of them is in all."""
    per_class = bool(config.per_class)
    budgets = at.label_budgets(
        (config.per_class,) if per_class else config.labels, USUAL, data.train.counts, data.names,
        per_class=per_class, least=FEWEST, option="per_class" if per_class else "labels",
    )  # fmt: skip
    return budgets, max(budgets) * (len(data.names) if per_class else 1)


def pool_size(config: Config, data: at.TextData, largest: int) -> int:
    """Give how many training texts labels are drawn from, in equal numbers."""
    most = data.train.most_balanced
    size = min(max(5 * largest, 500), most)
    # Of the user's own texts self-training learns from those that are left: some of each class.
    spares_some = config.dataset in OWN and not config.unlabelled
    classes = len(data.names)
    half = -(-max(largest, most // 2) // classes) * classes  # as many of each, or a draw of them all would lack one
    return min(size, half) if spares_some else size


def make_target(config: Config, run: at.Run, data: at.TextData, tests: at.KnownTexts) -> Target:
    """Fix the test subset before anything is drawn, and lay the texts out."""
    budgets, largest = budgets_of(config, data)
    drawn_from = data.train.balanced(pool_size(config, data, largest), run.seed)
    pool = data.train.take(drawn_from)
    size = min(config.test_size, max(200, len(data.names))) if config.quick else config.test_size
    wanted = min(size, data.test.most_balanced)
    run.note(f"tested on {wanted} of {len(data.test)} test texts, as many of each class")
    subset = data.test.balanced(wanted, run.seed)
    every = len(data.test) <= (min(config.full_test, 1000) if config.quick else config.full_test)
    judged_on = np.arange(len(data.test)) if every else subset
    tested = data.test.take(judged_on)
    spare = unlabelled_texts(config, run, data, tests, list(pool.texts))
    if not spare and "self_training" in config.arms and set(config.arms) <= {"self_training", "chosen"}:
        raise ValueError("arms=self_training: there are too few texts without labels for it; name another arm too")
    rows = np.arange(len(pool) + len(tested) + len(spare))
    own, judged, without_labels = np.split(rows, [len(pool), len(pool) + len(tested)])
    # By their place among the training texts, which the test texts follow.
    labelled = at.Examples(own, pool.labels, data.names, index=drawn_from)
    full = at.Examples(judged, tested.labels, data.names, index=len(data.train) + judged_on)
    return Target(
        [*pool.texts, *tested.texts, *spare], labelled, full.take(subset) if every else full,
        full if every else None, without_labels, budgets,
    )  # fmt: skip


def draws_of(config: Config) -> int:
    """Give how often labelled texts are drawn."""
    return min(config.draws, 2) if config.quick else config.draws


def trained_draws(config: Config) -> int:
    """Give for how many of the draws networks are trained: each takes a minute."""
    if config.quick or config.per_class:
        return 1 if config.quick else draws_of(config)
    return min(draws_of(config), 3 if config.dataset == "drawn" else 5)  # drawn texts are for a first look


def named_arms(config: Config) -> set[str]:
    """Give the arms that arms= restricts the comparison to; none: all are compared."""
    return set(config.arms) - {"chosen"}


def trains_networks(config: Config) -> bool:
    """Tell whether any arm trains a network."""
    return not named_arms(config) or bool({*NETWORKS} & named_arms(config))


def trained_at(config: Config, budgets: tuple[int, ...]) -> list[int]:
    """Give the budgets at which networks are trained."""
    unknown = sorted(set(config.trained_budgets) - set(budgets))
    if unknown:
        raise ValueError(
            f"trained_budgets={unknown[0]} is none of the numbers of labels: {', '.join(map(str, budgets))}"
        )
    few = (20,) if config.dataset == "drawn" else (20, 200)
    usual = budgets[:1] if config.quick else budgets if config.per_class else few
    return [budget for budget in budgets if budget in (config.trained_budgets or usual)]


def unlabelled_texts(
    config: Config, run: at.Run, data: at.TextData, tests: at.KnownTexts, pool: list[str]
) -> list[str]:
    """Draw texts without labels for the arm `self_training`: none that is tested, or that labels may be drawn from."""
    if source_of(config) == "scratch" or (named_arms(config) and "self_training" not in config.arms):
        return []
    wanted = 200 if config.quick else 2000
    kept = at.Corpus.of(data.unlabelled.sample(wanted + len(pool), run.seed))
    for known, where in ((tests, "test set"), (pool, "pool that labels are drawn from")):
        kept, report = at.drop_duplicates(kept, known)
        run.note(report.sentence("texts for self-training", where, "left out"))
    texts = np.random.default_rng(run.seed).permutation(np.array(list(kept), object))[:wanted]
    if len(texts) < FEWEST_GUESSED:
        run.note(f"no arm self_training: only {len(texts)} texts without labels are left, too few to learn from")
        return []
    return list(texts)


def source_of(config: Config) -> str:
    """Give where the language model comes from."""
    return config.source or ("pretrain" if config.dataset == "drawn" else "reuse")


def kind_of(config: Config) -> str:
    """Give the task that is learned on text without labels."""
    return config.task or ("same_document" if source_of(config) == "adapt" else "masked")


def language_model(config: Config, run: at.Run, data: at.TextData, tests: at.KnownTexts) -> tuple[at.Model, Any]:
    """Pretrain a language model here, or reuse one as it is or adapted to the unlabelled texts."""
    if source_of(config) == "reuse":
        return reused(config)
    # With --resume, what was trained is taken from the run folder.
    judged = run.cell("language_model", lambda: trained(config, run, data, tests))
    report_words(run, kind_of(config), {name: [float(value) for value in values] for name, values in judged.items()})
    tokenizer = at.TextTokenizer.load(run.folder / "tokenizer")
    return untrained(config, run, tokenizer) if source_of(config) == "scratch" else at.load(run.folder), tokenizer


def untrained(config: Config, run: at.Run, tokenizer: Any) -> at.Model:
    """Make a network for texts with random weights."""
    return at.language_backbone("tiny" if config.dataset == "drawn" else "mini", tokenizer.vocab_size, seed=run.seed)


def reused(config: Config) -> tuple[at.Model, Any]:
    """Give a checkpoint and its tokenizer."""
    backbone, tokenizer = at.language_model(config.model), at.TextTokenizer.load(at.checkpoint_folder(config.model))
    at.check_tokenizer(tokenizer, backbone, config.model)
    return backbone, tokenizer


def trained(config: Config, run: at.Run, data: at.TextData, tests: at.KnownTexts) -> dict[str, list[float]]:
    """Train a language model (with source=scratch its tokenizer alone), and save both; give what held-out text said."""
    source = source_of(config)
    everything = data.unlabelled
    if config.dataset == "imdb" and source == "pretrain" and not config.unlabelled:
        everything = at.Corpus.joined(at.Corpus.wikipedia(str(run.data_root)), everything)
    corpus, report = at.drop_duplicates(everything, tests)
    run.note(report.sentence("unlabelled texts", "test set", "left out"))
    if everything.num_empty:
        run.note(f"{everything.name}: {everything.num_empty} empty texts left out")
    # Of few texts a larger part is held out, or hidden words could not be judged; same_document needs none.
    share = min(0.5, max(0.02, 100 / max(1, report.num_texts)))
    held_in, held_out = corpus.split(share, seed=run.seed)
    if kind_of(config) == "same_document":
        held_in = corpus
    if source == "adapt":
        backbone, tokenizer = reused(config)
    else:
        tokenizer = at.TextTokenizer.train(held_in, vocab_size=4000 if config.dataset == "drawn" else 16_000)
        backbone = untrained(config, run, tokenizer)
    tokenizer.save(run.folder / "tokenizer")
    return {} if source == "scratch" else pretrain(config, run, backbone, tokenizer, held_in, held_out)


def pretrain(
    config: Config, run: at.Run, backbone: at.Model, tokenizer: Any, held_in: Any, held_out: Any
) -> dict[str, list[float]]:
    """Learn from text without labels, save what comes of it, and give how words of held-out text were told."""
    seen = at.TokenCache.write(run.folder / "tokens" / "train", held_in, tokenizer)
    adapting = source_of(config) == "adapt"
    if not adapting:  # what words mean is counted first, or minutes of pretraining would not come to it
        at.set_word_vectors(backbone, at.cooccurrence_vectors(seen, tokenizer, backbone.output_shape[-1]))
    kind = kind_of(config)
    # On 2 cores some 1, 20 to 40 and 20 minutes.
    usual = "1500steps" if config.dataset == "drawn" else "600steps" if kind == "same_document" else "20min"
    length = config.pretraining or ("30steps" if config.quick else usual)
    callbacks = run.callbacks(label=kind)
    if kind == "same_document":
        task: Any = at.SameDocument(backbone)
        spans, rate = at.DocumentSpans(seen, tokenizer, max_documents=MOST_DOCUMENTS), 1.5e-4 if adapting else 1e-3
        found = spans.num_documents + spans.num_short
        if spans.num_pairs < found:
            run.note(
                f"{spans.num_pairs} of {found} unlabelled texts are long enough for two spans: the others are left out"
            )
        task.pretrain(spans, budget=length, learning_rate=rate, callbacks=callbacks, seed=run.seed)
    else:
        unseen = at.TokenCache.write(run.folder / "tokens" / "held_out", held_out, tokenizer)
        tokens = min(64 if config.dataset == "drawn" else 128, at.longest_text(backbone))
        if kind == "masked":  # a checkpoint may still have the head that guessed words
            hide, head_of = at.Masking(at_texts=config.dataset == "drawn"), config.model if adapting else None
            task = at.MaskedWords(backbone, tokenizer, hide, length=tokens, checkpoint=head_of)
        else:
            task = at.ReplacedWords(backbone, tokenizer, length=tokens)
        task.measure(unseen)  # held-out text too short to judge by is refused now, not after minutes
        rate = 5e-5 if adapting else 1e-3
        backbone = task.pretrain(seen, unseen, length, learning_rate=rate, callbacks=callbacks, seed=run.seed)
    run.figure("pretraining", at.plot_curves(task.pretraining.history, kind))
    at.save_backbone(backbone, run.folder / "backbone", task.pretraining.provenance, {})
    if kind == "same_document":
        return {}
    judged = [row for row in task.pretraining.history if any(name.startswith("val_") for name in row)]
    if kind == "masked":
        keep_masked_words(run, task)
        chance = at.unigram_baseline(seen, unseen, tokenizer)
        by_frequency = at.MaskedAccuracy(chance.loss, chance.accuracy).metrics()
    else:  # the more frequent answer is that a word is the original
        by_frequency = {"detection_accuracy": judged[-1]["val_majority"], "detection_auc": 0.5}
    return {name: [*(row[f"val_{name}"] for row in judged), value] for name, value in by_frequency.items()}


def keep_masked_words(run: at.Run, task: Any) -> None:
    """Save what guesses hidden words, and show what it guesses."""
    shutil.rmtree(run.folder / "language_model", ignore_errors=True)  # of a run that was killed just here
    task.save_for_transformers(run.folder / "language_model")
    for one in task.pretraining.provenance["examples"]:
        before, after = (
            ", ".join(f"{word} {100 * chance:.0f} %" for word, chance in one[when].items())
            for when in ("before", "after")
        )
        run.print(f"{one['text']}: {one['answer']}; guessed before: {before}; after: {after}")


def report_words(run: at.Run, kind: str, judged: dict[str, list[float]]) -> None:
    """Say how hidden or replaced words of held-out text were told along the way; the last value is by frequency."""
    for name, (*along, by_frequency) in judged.items():
        shares = [round(100 * (i + 1) / len(along)) for i in range(len(along))]
        metric = f"held_out_{name}"
        run.add_rows(
            [
                {"arm": f"{kind}_words", "budget": share, "budget_unit": "% of pretraining", "metric": metric,
                 "mean": value}
                for share, value in zip(shares, along, strict=True)
            ]
        )  # fmt: skip
        run.add_rows([{"arm": "by_frequency", "metric": metric, "mean": by_frequency}])
        found = ", ".join(f"{value:.3g} at {share} %" for share, value in zip(shares, along, strict=True))
        run.note(
            f"{kind} words of held-out text, {name}: {found} of the pretraining; by frequency alone {by_frequency:.3g}"
        )


def encode(config: Config, run: at.Run, target: Target, backbone: at.Model, tokenizer: Any) -> at.EncodedTexts:
    """Turn all texts into tokens, and say how much of them is read."""
    longest = min(config.max_length, at.longest_text(backbone))
    encoded = at.EncodedTexts(target.texts, tokenizer, longest, keep=config.keep)
    for text in encoded.notes:
        run.note(text)
    cut = at.TextTraining().max_length
    if trains_networks(config) and encoded.lengths.max() > cut:
        run.note(f"networks are trained on {cut} tokens of a text, and judged on {encoded.max_length}")
    return encoded


def features(
    name: str, backbone: at.Model, encoded: at.EncodedTexts, target: Target, run: at.Run
) -> at.StandardisedLayers:
    """Give each layer's pooled features, standardised by the pool's texts (no test text, no label)."""
    with run.progress("texts", unit="texts") as bar:
        rows = run.cell(name, lambda: at.text_features(backbone, encoded, progress=bar.update))  # minutes, for --resume
    return at.StandardisedLayers(rows, len(target.pool))


def make_families(config: Config, target: Target, layers: at.StandardisedLayers) -> dict[str, dict[Any, Any]]:
    """Give the frozen classifiers among which cross-validation on the labels at hand chooses, by arm."""
    without_labels = target.without_labels
    terms = at.TermCounts(target.texts, learnable=np.concatenate([target.pool.items, without_labels]))
    tfidf = {c: at.remembered(at.log_tfidf(terms, c)) for c in (1.0, 10.0, 100.0)}
    if source_of(config) == "scratch":
        return {"tfidf": tfidf}
    probe = at.log_probes(layers.rows | layers.side_by_side, STRENGTHS)
    families: dict[str, dict[Any, Any]] = {
        "tfidf": tfidf,
        "probe": probe,
        "mixture": {k: at.log_mixture(one, tfidf[OF_WORDS]) for k, one in probe.items()},
    }
    if len(without_labels):
        views = [at.log_probe(layers.side_by_side[at.UPPER_LAYERS], OF_GUESSES)]
        if may_mix(config):
            views.append(at.log_tfidf(terms, OF_WORDS, OFTEN))
        families["self_training"] = {
            pace: at.remembered(at.SelfTraining(views, without_labels, shares)) for pace, shares in ROUNDS.items()
        }
    return families


def may_mix(config: Config) -> bool:
    """Tell whether words may have a say in what is chosen (drawn texts were made of such words)."""
    return config.mixture and config.dataset != "drawn"


def make_networks(
    config: Config, backbone: at.Model, encoded: at.EncodedTexts, layers: at.StandardisedLayers,
    families: dict[str, dict[Any, Any]],
) -> dict[str, Any]:  # fmt: skip
    """Give the arms that train, from scratch or from the layers that the labels choose."""
    # By what a step takes: of the tiny network 20 ms, of MiniLM a second; what is pretrained here is small.
    own = source_of(config) in ("scratch", "pretrain")  # a small network, which takes a higher rate
    steps = 10 if config.quick else 200 if own or config.dataset == "drawn" else 40
    batch_size = 16 if config.dataset == "drawn" else 8
    scratch = at.TextTraining(2 * steps, 1e-3 if own else 2e-4, batch_size)
    networks = {"scratch": at.scratch_fit(backbone, encoded, scratch)}
    if source_of(config) == "scratch":
        return networks
    tune = at.TextTraining(steps, 2e-4 if own else 5e-5, batch_size, layer_decay=0.9)
    teach = partial(at.teach_labels, steps=steps, learning_rate=2e-4 if own else 3e-5, batch_size=batch_size)
    probes = {key: probe for key, probe in families["probe"].items() if key[0] in layers.rows}  # one layer each
    networks["probe_then_tune"] = at.tune_fit(backbone, encoded, layers, probes, tune)
    networks["same_label"] = at.pair_fit(backbone, encoded, probes, teach)
    return networks


def claimable(config: Config) -> list[str]:
    """Name the arms that may be chosen: scratch where little else is there, the mixture where words may have a say."""
    if source_of(config) == "scratch":
        return ["tfidf", "scratch"]
    never = {"random_frozen", "probe_last_layer", "scratch", *(() if may_mix(config) else ("mixture",))}
    return [arm for arm in ARMS if arm not in never]


def where_labels_cannot_tell(config: Config, families: dict[str, dict[Any, Any]]) -> str:
    """Name the arm to choose then: what was best on training texts of IMDB and AG News, with 20 to 200 labels."""
    if "self_training" in families:
        return "self_training"
    return "mixture" if may_mix(config) else "probe"


def refitted(
    arm: str, config: Config, families: dict[str, dict[Any, Any]], networks: dict[str, Any],
    layers: at.StandardisedLayers, backbone: at.Model, target: Target, items: np.ndarray,
) -> dict[str, Any]:  # fmt: skip
    """Fit an arm once more on labelled items, for use on texts to come: a network, words, or both."""
    texts, labels = target.texts, target.pool.labels[items]
    if arm in networks:
        return {"network": networks[arm](items, labels, 0)}
    best = at.best_classifier(families[arm], items, labels)
    if arm == "tfidf":
        return {"words": at.TfidfWords.fit([texts[i] for i in items], labels, best)}
    weights, rare = None, 1
    layer, strength = (at.UPPER_LAYERS, OF_GUESSES) if arm == "self_training" else best
    if arm == "self_training":
        (items, labels, weights), rare = unwrap(families[arm][best]).learned(items, labels), OFTEN
    one = at.pooled_upper_layers(backbone) if layer == at.UPPER_LAYERS else at.pooled(at.reuse(backbone, upto=layer))
    parts: dict[str, Any] = {"network": at.LinearNetwork(one, *layers.head(layer, items, labels, strength, weights))}
    if arm == "mixture" or (arm == "self_training" and may_mix(config)):
        parts["words"] = at.TfidfWords.fit([texts[i] for i in items], labels, OF_WORDS, weights, rare)
    return parts


if __name__ == "__main__":
    at.run(main, Config)
