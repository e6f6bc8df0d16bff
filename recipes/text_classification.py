"""Classify texts with 20 to 1,000 labels, by way of a language model.

Auxiliary task: guess hidden words, or tell which spans come from the same document, on text without labels.
Target task: your classes.

    auxtask run text_classification                                             # drawn reviews: no data needed
    auxtask run text_classification dataset=imdb --data-root DIR                # a reused model, as it is
    auxtask run text_classification dataset=imdb source=adapt --data-root DIR   # adapted to the unlabelled reviews
    auxtask run text_classification dataset=file path=MINE.csv text=review label=stars

The run folder keeps `backbone/` (the language model, with its tokenizer in `tokenizer/`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import auxtask as at


@dataclass(frozen=True)
class Config:
    """What can be set, as key=value."""

    dataset: str = at.option(
        "drawn", "where the texts come from", choices=("drawn", "imdb", "ag_news", "sst2", "file", "hub")
    )
    path: str = at.option("", "dataset=file: a CSV, JSON-lines or parquet file; dataset=hub: its name there")
    text: str = at.option("text", "the column of texts")
    label: str = at.option("label", "the column of labels")
    unlabelled: str = at.option("", "texts to pretrain on: file, folder or hub name; empty: the dataset's own")
    source: str = at.option(
        "", "the language model; empty: pretrain on drawn texts, else reuse", choices=("", "pretrain", "reuse", "adapt")
    )
    model: str = at.option("minilm", "what to reuse: minilm, a folder, or a name on the hub")
    task: str = at.option(
        "", "how to pretrain or adapt; empty: masked, same_document", choices=("", "masked", "same_document")
    )
    pretraining: str = at.option("", "its length, as 20min or 2000steps; empty: 2min on drawn texts, else 20min")
    labels: tuple[int, ...] = at.option((20, 100, 200, 1000), "labelled texts in all, balanced over the classes")
    per_class: int = at.option(0, "instead of labels: so many of each class")
    draws: int = at.option(10, "how often labelled texts are drawn")
    test_size: int = at.option(1000, "texts of the fixed, balanced test subset")
    max_length: int = at.option(256, "tokens per text; what is beyond is cut off")
    mixture: bool = at.option(True, "whether the mixture with TF-IDF may be chosen (never on drawn texts)")
    arms: tuple[str, ...] = at.option((), "restricts the arms; empty: all")
    quick: bool = at.option(False, "about a minute: to see that everything runs")


def main(config: Config, run: at.Run) -> None:
    """Data, language model, reuse, comparison, report."""
    with run.stage("data"):
        data = check(config, run)
    with run.stage("language model"):
        backbone, tokenizer = language_model(config, run, data)
    # The test subset is fixed before anything is drawn; labels are drawn from a balanced part of the training texts.
    budgets = (config.per_class,) if config.per_class else tuple(b for b in config.labels if b <= len(data.train))
    largest = max(budgets) * (len(data.names) if config.per_class else 1)
    tested = data.test.take(
        data.test.balanced(min(200 if config.quick else config.test_size, len(data.test)), run.seed)
    )
    pool = data.train.take(data.train.balanced(min(max(5 * largest, 500), len(data.train)), run.seed))
    texts = [*pool.texts, *tested.texts]
    with run.stage("features of every layer"):
        encoded = at.EncodedTexts(texts, tokenizer, config.max_length)
        for text in encoded.notes:
            run.note(text)
        make = partial(standardised_features, encoded=encoded, num_pool=len(pool), run=run)
        layers = make(backbone)
        untrained = make(at.reuse(backbone, init="random", seed=0))
    families = make_families(config, texts, layers)
    arms = {
        **{name: at.scored_arm(family) for name, family in families.items()},
        "random_frozen": at.probe_arm(untrained),
        "probe_last_layer": at.probe_arm({"last": list(layers.values())[-1]}),
    }
    labelled = at.Examples(np.arange(len(pool)), pool.labels, data.names, index=np.arange(len(pool)))
    test = at.Examples(
        len(pool) + np.arange(len(tested)), tested.labels, data.names, index=len(pool) + np.arange(len(tested))
    )
    unit = "per class" if config.per_class else "labels"
    with run.stage("comparison"), run.progress("cells", unit="cells") as bar:
        results = at.Comparison(
            arms, budgets, min(config.draws, 2) if config.quick else config.draws, test, pool=labelled,
            budget_unit=unit, baseline="tfidf", metric="accuracy", per_class=bool(config.per_class), run=run,
            seed=run.seed, only=config.arms or None, chosen=at.chosen_arm(candidates(config, families)),
        ).run(bar.update)  # fmt: skip
    at.report_comparison(run, results)


def check(config: Config, run: at.Run) -> at.TextData:
    """Read the texts and say what is odd about them (also `auxtask validate`)."""
    data = load_texts(config, run)
    for text in data.notes:
        run.note(text)
    if config.dataset == "drawn":
        run.note("for real texts: auxtask run text_classification dataset=file path=FILE text=COLUMN label=COLUMN")
    return data


def load_texts(config: Config, run: at.Run) -> at.TextData:
    """Give labelled texts, split into training and test, and the unlabelled pool."""
    if config.dataset == "drawn":
        sizes = (400, 400, 1000) if config.quick else (4000, 2000, 20_000)
        return at.TextData.drawn(*sizes, seed=run.seed)
    if config.dataset in ("file", "hub"):
        if not config.path:
            raise ValueError(f"dataset={config.dataset} needs path=")
        read: Any = at.TextData.from_file if config.dataset == "file" else at.TextData.from_dataset
        return read(config.path, config.text, config.label, unlabelled=config.unlabelled or None, seed=run.seed)
    if run.data_root is None:
        raise ValueError(
            f"dataset={config.dataset} needs --data-root DIR (or AUXTASK_DATA) with DIR/text/{config.dataset}"
        )
    return getattr(at.TextData, config.dataset)(run.data_root)


def language_model(config: Config, run: at.Run, data: at.TextData) -> tuple[at.Model, Any]:
    """Pretrain a language model here, or reuse one as it is or adapted to the unlabelled texts."""
    source = config.source or ("pretrain" if config.dataset == "drawn" else "reuse")
    if (run.folder / "backbone").exists():  # --resume
        return at.load(run.folder), at.TextTokenizer.load(run.folder / "tokenizer")
    if source != "pretrain":
        backbone, tokenizer = at.language_model(config.model), at.TextTokenizer.load(at.checkpoint_folder(config.model))
    if source != "reuse":
        corpus, report = at.drop_duplicates(data.unlabelled, list(data.test.texts))
        run.note(report.sentence("unlabelled texts", "test set", "left out"))
        held_in, held_out = corpus.split(0.02, seed=run.seed)
        if source == "pretrain":
            tokenizer = at.TextTokenizer.train(held_in, vocab_size=4000 if config.dataset == "drawn" else 16_000)
            backbone = at.language_backbone("tiny" if config.dataset == "drawn" else "mini", tokenizer.vocab_size)
        backbone = pretrain(config, run, backbone, tokenizer, held_in, held_out, source)
    tokenizer.save(run.folder / "tokenizer")
    return backbone, tokenizer


def pretrain(
    config: Config, run: at.Run, backbone: at.Model, tokenizer: Any, held_in: Any, held_out: Any, source: str
) -> at.Model:
    """Learn from text without labels."""
    seen, unseen = (
        at.TokenCache.write(run.folder / "tokens" / part, corpus, tokenizer)
        for part, corpus in (("train", held_in), ("held_out", held_out))
    )
    length = config.pretraining or ("30steps" if config.quick else "2min" if config.dataset == "drawn" else "20min")
    kind = config.task or ("masked" if source == "pretrain" else "same_document")
    callbacks = run.callbacks(label=kind)
    if kind == "masked":
        task: Any = at.MaskedWords(backbone, tokenizer, length=64 if config.dataset == "drawn" else 128)
        rate = 1e-3 if source == "pretrain" else 5e-5
        task.pretrain(seen, unseen, length, learning_rate=rate, callbacks=callbacks, seed=run.seed)
        by_frequency = at.unigram_baseline(seen, unseen, tokenizer)
        run.note(f"hidden words of held-out text: {task.measure(unseen)}; by frequency alone: {by_frequency}")
    else:
        task = at.SameDocument(backbone)
        task.pretrain(at.DocumentSpans(seen, tokenizer), budget=length, callbacks=callbacks, seed=run.seed)
    run.figure("pretraining", at.plot_curves(task.pretraining.history, kind))
    at.save_backbone(backbone, run.folder / "backbone", task.pretraining.provenance, {})
    return backbone


def standardised_features(backbone: at.Model, encoded: Any, num_pool: int, run: at.Run) -> dict[str, np.ndarray]:
    """Give each layer's pooled features, standardised by the pool's texts (no test text, no label)."""
    with run.progress("texts", unit="texts") as bar:
        layers = at.text_features(backbone, encoded, progress=bar.update)
    return {name: (rows - rows[:num_pool].mean(0)) / (rows[:num_pool].std(0) + 1e-6) for name, rows in layers.items()}


def make_families(config: Config, texts: list[str], layers: dict[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    """Give the classifiers among which cross-validation on the labels at hand chooses, by arm."""
    tfidf = {f"C={c:g}": at.log_tfidf(texts, c) for c in (1.0, 10.0, 100.0)}
    probe = at.log_probes(layers, (0.001, 0.01, 0.1))
    mixture = {name: at.log_mixture(one, tfidf["C=10"]) for name, one in probe.items()}
    return {"tfidf": tfidf, "probe": probe, "mixture": mixture}


def candidates(config: Config, families: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Give the arms that may be chosen."""
    mixed = config.mixture and config.dataset != "drawn"
    return {name: family for name, family in families.items() if name != "mixture" or mixed}


if __name__ == "__main__":
    at.run(main, Config)
