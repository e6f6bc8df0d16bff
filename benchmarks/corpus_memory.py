"""Does memory grow with the corpus? Peak memory of a text pipeline on a corpus, and on one ten times as large.

    auxtask bench corpus_memory

A corpus is written to disk as JSON lines. In a fresh process each: train a tokenizer on it, write its token cache, and
take a few masked steps; the kernel says how much memory that took at most. `peak_memory_ratio`: the large corpus' peak
over the small one's (1.1 or less is asked for), one value per round.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import auxtask as at

TIMES = 10


@dataclass(frozen=True)
class Config:
    """What can be set, as key=value."""

    megabytes: int = at.option(30, "size of the small corpus; the large one has ten times as many")
    rounds: int = at.option(3, "how often both are measured, in turn")
    steps: int = at.option(20, "masked steps")
    quick: bool = at.option(False, "one round on 2 megabytes: to see that everything runs")


def main(config: Config, run: at.Run) -> None:
    """Write both corpora, measure both in turn, and give the ratio."""
    megabytes, rounds, steps = (2, 1, 5) if config.quick else (config.megabytes, config.rounds, config.steps)
    sizes = {"small": megabytes, "large": TIMES * megabytes}
    with run.stage("corpora"):
        files = {name: write_corpus(run.folder / f"{name}.jsonl", size) for name, size in sizes.items()}
    peaks: dict[str, list[float]] = {name: [] for name in files}
    with run.stage("measuring"), run.progress("rounds", total=rounds, unit="rounds") as bar:
        for number in range(rounds):
            for name, file in files.items():
                peaks[name].append(peak_memory(file, run.folder / f"tokens_{name}_{number}", steps))
            bar.update(number + 1, rounds, "")
    ratios = np.array(peaks["large"]) / np.array(peaks["small"])
    interval = at.t_interval(ratios)
    row = {"arm": "masked_words", "budget": None, "budget_unit": None, "metric": "peak_memory_ratio"}
    values = {"mean": interval.mean, "low": interval.low, "high": interval.high, "values": ratios.tolist()}
    run.add_rows([row | values])
    run.print(f"peak_memory_ratio: {interval.mean:.3f} (rounds: {', '.join(f'{v:.3f}' for v in ratios)})")
    for name, size in sizes.items():
        run.note(f"{name}: {size} MB of text, peak {np.median(peaks[name]):.0f} MB (median of {rounds} rounds)")


def write_corpus(file: Path, megabytes: int) -> Path:
    """Write texts of random words, as many different ones as a language has, commoner and rarer."""
    written = 0
    with file.open("w", encoding="utf-8") as lines:
        for text in texts():
            if written >= megabytes * 1_000_000:
                return file
            written += lines.write(json.dumps({"text": text}) + "\n")
    return file


def texts() -> Iterator[str]:
    """Yield endless texts of 100 words; the word of rank r is drawn about as often as 1 / r (Zipf)."""
    random = np.random.default_rng(0)
    syllables = ["ka", "lo", "mi", "ten", "sur", "ve", "no", "pra", "di", "u", "sha", "bel", "ro", "gi", "fen", "o"]
    words = ["".join(random.choice(syllables, random.integers(1, 5))) for _ in range(40_000)]
    while True:
        ranks = np.exp(random.uniform(0, np.log(len(words)), (1000, 100))).astype(int)
        yield from (" ".join(words[rank - 1] for rank in row) for row in ranks)


def peak_memory(file: Path, folder: Path, steps: int) -> float:
    """Run `pipeline` in a process of its own; give its peak in megabytes."""
    command = [sys.executable, str(Path(__file__).resolve()), "--pipeline", str(file), str(folder), str(steps)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f"{file.name}: {done.stderr.strip().splitlines()[-1] if done.stderr else 'failed'}")
    return float(json.loads(done.stdout.splitlines()[-1])["megabytes"])


def pipeline(file: Path, folder: Path, steps: int) -> None:
    """Train a tokenizer, write the cache, take some steps, and print the peak."""
    corpus = at.Corpus.open(file)
    tokenizer = at.TextTokenizer.train(corpus, vocab_size=4000)
    cache = at.TokenCache.write(folder, corpus, tokenizer)
    task: Any = at.MaskedWords(at.language_backbone("tiny", tokenizer.vocab_size, seed=0), tokenizer, batch_size=8)
    task.pretrain(cache, budget=f"{steps}steps")
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"megabytes": kilobytes / 1000}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--pipeline"]:
        pipeline(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
    else:
        at.run(main, Config)
