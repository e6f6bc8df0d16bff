"""The bare step of benchmarks/masked_words_speed.py under PyTorch, for an environment with torch and transformers.

    python benchmarks/pytorch_masked_step.py LAYERS WIDTH WORDS BATCH LENGTH STEPS WARM_UP   # prints steps_per_second

transformers' `BertForMaskedLM` as it stands (its head runs on all positions), dropout off, AdamW, gradients clipped, on
one constant batch of which 15 % is to be guessed.
"""

from __future__ import annotations

import json
import sys
import time

import torch
from transformers import BertConfig, BertForMaskedLM


def main(layers: int, width: int, words: int, batch: int, length: int, steps: int, warm_up: int) -> None:
    """Time the steps after the warm-up and print their rate."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=words,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        intermediate_size=4 * width,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    model = BertForMaskedLM(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    ids = torch.randint(0, words, (batch, length))
    labels = torch.where(torch.rand(batch, length) < 0.15, ids, torch.tensor(-100))
    for step in range(steps + warm_up):
        if step == warm_up:
            began = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=labels).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    print(json.dumps({"steps_per_second": steps / (time.perf_counter() - began)}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
