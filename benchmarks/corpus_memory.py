"""Does memory grow with the corpus? Peak memory of a text pipeline on a corpus, and on one ten times as large.

    auxtask bench corpus_memory

A corpus is written to disk as JSON lines. In a fresh process each: train a tokenizer on it, write its token cache, and
take a few steps of an auxiliary task, an arm each: `masked_words` or `same_document`; the kernel says how much memory
that took at most. `peak_memory_ratio`: the large corpus' peak over the small one's (1.1 or less is asked for), one
value per round. Same document keeps some 100 bytes per document, of at most a million.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

import auxtask as at

TIMES = 10
TASKS = ("masked_words", "same_document")
MOST_DOCUMENTS = 1_000_000  # as in the recipe text_classification


@dataclass(frozen=True)
class Config:
    """What can be set, as key=value."""

    megabytes: int = at.option(30, "size of the small corpus; the large one has ten times as many", at_least=1)
    rounds: int = at.option(3, "how often both are measured", at_least=1)
    steps: int = at.option(20, "steps of the auxiliary task", at_least=1)
    quick: bool = at.option(False, "one round on 200 kilobytes: to see that everything runs")


def main(config: Config, run: at.Run) -> None:
    """Write both corpora, measure both with each task, and give the ratios."""
    megabytes, rounds, steps = (0.2, 1, 2) if config.quick else (config.megabytes, config.rounds, config.steps)
    sizes = {"small": megabytes, "large": TIMES * megabytes}
    with run.stage("corpora"):
        files = {name: write_corpus(run.folder / f"{name}.jsonl", size) for name, size in sizes.items()}
    peaks: dict[tuple[str, str], list[float]] = {(task, name): [] for task in TASKS for name in files}
    with run.stage("measuring"), run.progress("rounds", total=rounds, unit="rounds") as bar:
        for number in range(rounds):
            for task in TASKS:
                folders = [run.folder / f"tokens_{task}_{name}_{number}" for name in files]
                for folder in folders:
                    shutil.rmtree(folder, ignore_errors=True)  # of a round that was interrupted: writing it counts
                # Side by side, which halves the time: memory is each process' own.
                with ThreadPoolExecutor(len(files)) as pool:
                    found = pool.map(peak_memory, repeat(task), files.values(), folders, repeat(steps))
                    for name, peak in zip(files, found, strict=True):
                        peaks[task, name].append(peak)
            bar.update(number + 1, rounds, "")
    for task in TASKS:
        ratios = np.array(peaks[task, "large"]) / np.array(peaks[task, "small"])
        run.add_rows([at.ratio_row(task, "peak_memory_ratio", ratios)])
        run.print(f"{task}: peak_memory_ratio {ratios.mean():.3f} (rounds: {', '.join(f'{v:.3f}' for v in ratios)})")
        for name, size in sizes.items():
            median = np.median(peaks[task, name])
            run.note(f"{task}, {name}: {size:g} MB of text, peak {median:.0f} MB (median of {rounds} rounds)")


def write_corpus(file: Path, megabytes: float) -> Path:
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


def peak_memory(task: str, file: Path, folder: Path, steps: int) -> float:
    """Run `pipeline` in a process of its own; give its peak in megabytes."""
    words = [task, str(file), str(folder), str(steps)]
    command = [sys.executable, str(Path(__file__).resolve()), "--pipeline", *words]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f"{task}, {file.name}: {done.stderr.strip().splitlines()[-1] if done.stderr else 'failed'}")
    return float(json.loads(done.stdout.splitlines()[-1])["megabytes"])


def pipeline(task: str, file: Path, folder: Path, steps: int) -> None:
    """Train a tokenizer, write the cache, take some steps, and print the peak."""
    corpus = at.Corpus.open(file)
    tokenizer = at.TextTokenizer.train(corpus, vocab_size=4000)
    cache = at.TokenCache.write(folder, corpus, tokenizer)
    pretrain(task, cache, tokenizer, f"{steps}steps")
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"megabytes": kilobytes / 1000}))


def pretrain(task: str, cache: at.TokenCache, tokenizer: at.TextTokenizer, budget: str) -> None:
    """Train a tiny network by one of the tasks."""
    if task not in TASKS:
        raise ValueError(f"task={task!r}: expected {' or '.join(TASKS)}")
    backbone = at.language_backbone("tiny", tokenizer.vocab_size, seed=0)
    if task == "same_document":
        spans = at.DocumentSpans(cache, tokenizer, max_documents=MOST_DOCUMENTS)
        at.SameDocument(backbone).pretrain(spans, budget=budget)
    else:
        words: Any = at.MaskedWords(backbone, tokenizer, batch_size=8)
        words.pretrain(cache, budget=budget)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--pipeline"]:
        pipeline(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]), int(sys.argv[5]))
    else:
        at.run(main, Config)
