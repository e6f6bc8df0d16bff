"""Choose the settings of recipes/text_classification.py, on training texts alone: no test text is used.

    auxtask bench text_quality --data-root DIR                               # AG News, then IMDB, MiniLM as it is
    auxtask bench text_quality dataset=imdb source=RUN --data-root DIR       # on the model that a run adapted
    auxtask bench text_quality dataset=ag_news networks=true --data-root DIR # the arms that train, too: an hour

Of the training texts some may be labelled, others are judged on, and others stand for texts without labels. Every
setting of an arm is an arm of its own here, named after it; what is best in the mean is written into the recipe. Rows
carry the dataset as `variant`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import auxtask as at

STRENGTHS = (0.001, 0.01, 0.1, 1.0, 0.03)
WEIGHTS = (1.0, 4.0, 10.0)  # of all guesses together, in labels
SHARES = {
    "to_all": (0.2, 0.4, 0.6, 0.8, 1.0),
    "to_half": (0.1, 0.2, 0.3, 0.4, 0.5),
    "twice": (0.5, 1.0),
    "once": (1.0,),
}
OF_WORDS, OFTEN = 10.0, 3  # of TF-IDF: scikit-learn's C; among guesses, in how many texts a word has to stand
RATES = (2e-5, 3e-5, 5e-5, 1e-4)  # of AdamW, at which MiniLM is tuned


@dataclass(frozen=True)
class Config:
    """What can be set, as key=value."""

    dataset: tuple[str, ...] = at.option(
        ("ag_news", "imdb"), "whose training texts", choices=("ag_news", "imdb", "sst2", "drawn")
    )
    source: str = at.option("", "a run, or a checkpoint as language_model takes it; empty: minilm")
    labels: tuple[int, ...] = at.option((32, 200), "labelled texts in all, balanced")
    draws: int = at.option(5, "how often labelled texts are drawn; networks: the first 2")
    networks: bool = at.option(False, "whether arms that train are searched, too")
    quick: bool = at.option(False, "drawn texts and an untrained model: to see that everything runs")


def main(config: Config, run: at.Run) -> None:
    """Search each dataset, and print the means over draws."""
    for name in ("drawn",) if config.quick else config.dataset:
        with run.stage(name):
            search(config, run, read(run, name))


def read(run: at.Run, name: str) -> at.TextData:
    """Read a dataset."""
    if name == "drawn":
        return at.TextData.drawn(1500, 100, 100, seed=run.seed)
    data: at.TextData = getattr(at.TextData, name)(run.required_data_root(f"dataset={name}", f"text/{name}"))
    return data


def search(config: Config, run: at.Run, data: at.TextData) -> None:
    """Compare all settings on one dataset's training texts."""
    run.keep_to(f"texts of {data.name}", data.train.fingerprint(in_order=True))
    one = min(200 if config.quick else 1000, data.train.most_balanced // 7)
    sizes = (one, 2 * one, 4 * one)
    texts = data.train.take(data.train.balanced(sum(sizes), run.seed))
    rows = np.split(np.arange(len(texts)), np.cumsum(sizes)[:2])
    labelled, judged = (at.Examples(i, texts.labels[i], data.names, i) for i in rows[:2])
    backbone, tokenizer = model(config, texts)
    run.keep_to("weights", at.weights_fingerprint(backbone))
    encoded = at.EncodedTexts(list(texts.texts), tokenizer, min(256, at.longest_text(backbone)), keep="head_tail")
    with run.progress("texts", unit="texts") as bar:
        layers = at.StandardisedLayers(at.text_features(backbone, encoded, progress=bar.update), len(labelled))
    terms = at.TermCounts(list(texts.texts), learnable=np.concatenate([rows[0], rows[2]]))
    trained = networks(backbone, encoded, layers) if config.networks else {}
    with run.progress("cells", unit="cells") as bar:
        results = at.Comparison(
            frozen_arms(layers, terms, rows[2]) | trained, config.labels, config.draws, judged, pool=labelled,
            budget_unit="labels", metric="accuracy", per_class=False, baseline=None, variant=data.name,
            arm_draws=dict.fromkeys(trained, min(2, config.draws)), seed=run.seed, run=run,
        ).run(bar.update)  # fmt: skip
    run.add_rows(results.rows)
    run.print(results.table())


def model(config: Config, texts: Any) -> tuple[at.Model, Any]:
    """Give the language model, and its tokenizer."""
    if config.quick:
        tokenizer = at.TextTokenizer.train(at.Corpus.of(list(texts.texts)), vocab_size=500)
        return at.language_backbone("tiny", tokenizer.vocab_size, seed=0), tokenizer
    if config.source and (Path(config.source) / "tokenizer").is_dir():  # a run
        return at.load(config.source), at.TextTokenizer.load(f"{config.source}/tokenizer")
    source = config.source or "minilm"
    return at.language_model(source), at.TextTokenizer.load(at.checkpoint_folder(source))


def frozen_arms(layers: at.StandardisedLayers, terms: at.TermCounts, spare: np.ndarray) -> dict[str, Any]:
    """Give probes of the best layer and of the upper ones with each penalty, mixtures, and self-training, each way."""
    words, often = at.log_tfidf(terms, OF_WORDS), at.log_tfidf(terms, OF_WORDS, OFTEN)
    arms: dict[str, Any] = {"tfidf": at.scored_arm({"": words})}
    for c in STRENGTHS:
        upper = at.log_probe(layers.side_by_side[at.UPPER_LAYERS], c)
        arms[f"layer-C{c:g}"] = at.scored_arm(at.log_probes(layers.rows, (c,)))
        arms[f"upper-C{c:g}"] = at.scored_arm({"": upper})
        arms[f"mixture-C{c:g}"] = at.scored_arm({"": at.log_mixture(upper, words)})
        for weight in WEIGHTS:
            for course, shares in SHARES.items():
                for name, views in {"self": [upper], "self-words": [upper, often]}.items():
                    teacher = at.SelfTraining(views, spare, shares, weight)
                    arms[f"{name}-C{c:g}-{weight:g}-{course}"] = at.scored_arm({"": teacher})
    return arms


def networks(backbone: at.Model, encoded: at.EncodedTexts, layers: at.StandardisedLayers) -> dict[str, Any]:
    """Give tuning from the probe, pairs of one label, and scratch, each with every length and rate."""
    probes = at.log_probes(layers.rows, STRENGTHS[:3])
    arms: dict[str, Any] = {}
    for steps in (40, 80):
        for rate in RATES:
            tune = at.TextTraining(steps, rate, 8, layer_decay=0.9)
            teach = partial(at.teach_labels, steps=steps, learning_rate=rate, batch_size=8)
            fits = {
                "tune": at.tune_fit(backbone, encoded, layers, probes, tune),
                "pairs": at.pair_fit(backbone, encoded, probes, teach),
                "scratch": at.scratch_fit(backbone, encoded, at.TextTraining(2 * steps, 4 * rate, 8)),
            }
            arms |= {f"{name}-{steps}x{rate:g}": at.text_network_arm(fit, encoded) for name, fit in fits.items()}
    return arms


if __name__ == "__main__":
    at.run(main, Config)
