"""How fast masked-words training is: against its own bare step, the head on all positions, the machine, and PyTorch.

    auxtask bench masked_words_speed
    auxtask bench masked_words_speed pytorch=/path/to/an/environment/bin/python   # one with torch and transformers

Rows are ratios from alternating rounds in one run, so that a noisy machine slows all sides alike:

- `bare_step_ratio`: tokens per second of the recipe's own training, input included, over the bare training step on one
  constant batch;
- `all_positions_ratio`: the bare step over that of the same model with the vocabulary's head on all positions;
- `matmul_share`: operations per second of the bare step's matrix products, counted by formula, over what this machine
  reaches in a float32 product like the model's, measured in the same round;
- `pytorch_ratio`: the bare step over that of transformers' `BertForMaskedLM` under PyTorch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import auxtask as at

WARM_UP = 3  # steps that trace and fill buffers, not timed


@dataclass(frozen=True)
class Config:
    """What can be set, as key=value."""

    size: str = at.option("mini", "the model: 2x128, 4x256 or 4x512", choices=("tiny", "mini", "small"))
    vocabulary: int = at.option(30_000, "rows of its table of words")
    length: int = at.option(128, "tokens per sequence")
    batch_size: int = at.option(32, "sequences per batch")
    rounds: int = at.option(5, "how often each side is timed, in turn")
    steps: int = at.option(10, "timed steps of each side and round")
    pytorch: str = at.option("", "the Python of an environment with torch and transformers; empty: not compared")
    quick: bool = at.option(False, "one round of few steps of a small vocabulary: to see that everything runs")


def main(config: Config, run: at.Run) -> None:
    """Time the sides in turn, and give the ratios."""
    rounds, steps = (1, 3) if config.quick else (config.rounds, config.steps)
    words = 4000 if config.quick else config.vocabulary
    shape: dict[str, Any] = {"length": config.length, "batch_size": 8 if config.quick else config.batch_size}
    with run.stage("data"):
        corpus = at.TextData.drawn(10, 10, 300 if config.quick else 5000).unlabelled
        tokenizer = at.TextTokenizer.train(corpus, vocab_size=4000)
        cache = at.TokenCache.write(run.folder / "tokens", corpus, tokenizer)
    # Rows of the table beyond the tokenizer's words cost what others do.
    settings: dict[str, Any] = dict(shape)
    task: Any = at.MaskedWords(at.language_backbone(config.size, words, seed=0), tokenizer, **settings)
    num_masked = task.masking.num_masked(shape["batch_size"], config.length)
    measured: dict[str, list[float]] = {"own": [], "bare": [], "all_positions": [], "matmul": [], "pytorch": []}
    with run.stage("timing"), run.progress("rounds", total=rounds, unit="rounds") as bar:
        for number in range(rounds):
            clock = at.StepClock(WARM_UP)
            # One Keras epoch, since at the end of each the weights are copied: few steps would carry what hundreds do.
            task.pretrain(cache, budget=f"{steps + WARM_UP}steps", validate_at=(1.0,), callbacks=[clock])
            measured["own"].append(clock.steps_per_second)
            measured["matmul"].append(task.pretraining.provenance["speed"]["matmul_flops_per_second"])
            batch = constant_batch(words, num_masked, **shape)
            measured["bare"].append(bare_steps(task, batch, steps))
            whole = constant_batch(words, shape["batch_size"] * config.length, **shape)
            measured["all_positions"].append(bare_steps(task, whole, steps))
            if config.pytorch:
                measured["pytorch"].append(pytorch_steps(config.pytorch, config.size, words, shape, steps))
            bar.update(number + 1, rounds, "")
    own, bare, whole_head, matmul, torch = (np.array(values) for values in measured.values())
    flops = task.pretraining.provenance["speed"]["flops_per_step"]
    ratios = {
        "bare_step_ratio": own / bare,
        "all_positions_ratio": bare / whole_head,
        "matmul_share": bare * flops / matmul,
    }
    if config.pytorch:
        ratios["pytorch_ratio"] = bare / torch
    for metric, values in ratios.items():
        run.add_rows([at.ratio_row("masked_words", metric, values)])
        run.print(f"{metric}: {np.mean(values):.2f} (rounds: {', '.join(f'{v:.2f}' for v in values)})")
    tokens = shape["batch_size"] * config.length
    for side in ("own", "bare", "all_positions", "pytorch"):
        if measured[side]:
            run.note(f"{side}: {np.median(measured[side]) * tokens:,.0f} tokens/s (median of {rounds} rounds)")
    run.note(f"matrix products: {np.median(matmul) / 1e9:.0f} GFLOP/s, {flops / 1e9:.1f} GFLOP per step")


def constant_batch(words: int, num_masked: int, length: int, batch_size: int) -> Any:
    """Make one batch of random tokens with so many hidden positions."""
    random = np.random.default_rng(0)
    ids = random.integers(0, words, (batch_size, length)).astype("int32")
    inputs = {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "masked_positions": np.sort(random.permutation(ids.size)[:num_masked]).astype("int32"),
    }
    targets = random.integers(0, words, num_masked).astype("int32")
    return inputs, targets, np.ones(num_masked, "float32")


def bare_steps(task: Any, batch: Any, steps: int) -> float:
    """Steps per second of the task's train step on one constant batch; compiles it as `pretrain` does."""
    optimizer = at.keras.optimizers.AdamW(1e-3, weight_decay=0.01, global_clipnorm=1.0)
    task.compile(optimizer=optimizer, jit_compile=False)
    clock = at.StepClock(WARM_UP)
    inputs, targets, weights = batch
    columns = {name: array[None] for name, array in {**inputs, "targets": targets, "weights": weights}.items()}
    repeated = at.as_dataset((columns, np.zeros(1)), 1).map(
        lambda x, _: ({name: x[name][0] for name in inputs}, x["targets"][0], x["weights"][0])
    )
    repeated = repeated.cache().repeat()
    task.fit(repeated, steps_per_epoch=steps + WARM_UP, epochs=1, callbacks=[clock], verbose=0)
    return clock.steps_per_second


def pytorch_steps(python: str, size: str, words: int, shape: dict[str, int], steps: int) -> float:
    """Steps per second of transformers' own model under PyTorch, in a process of its own."""
    layers, width = {"tiny": (2, 128), "mini": (4, 256), "small": (4, 512)}[size]
    numbers = [layers, width, words, shape["batch_size"], shape["length"], steps, WARM_UP]
    script = Path(__file__).with_name("pytorch_masked_step.py")
    return at.pytorch_steps_per_second(python, script, numbers)


if __name__ == "__main__":
    at.run(main, Config)
