"""The bare training step of benchmarks/same_face_speed.py under PyTorch, for an environment that has torch.

    python benchmarks/pytorch_face_step.py STEPS WARM_UP     # prints {"steps_per_second": …}

The same network, batch and losses as the benchmark's `SameFace`, channels last, AdamW, on one constant batch.
"""

from __future__ import annotations

import json
import sys
import time

import torch
from torch import nn
from torch.nn import functional

PEOPLE, SINGLES, CLASSES, SIZE = 48, 24, 1600, 72


class Block(nn.Module):
    """A residual block with stride 2 and an average-pooled shortcut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.skip = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map [n, inputs, s, s] to [n, outputs, ceil(s / 2), ceil(s / 2)]."""
        y = functional.relu(self.norm1(self.first(x)))
        y = self.norm2(self.second(y))
        skip = self.norm3(self.skip(functional.avg_pool2d(x, 2, 2, ceil_mode=True)))
        return functional.relu(y + skip)


def network() -> nn.Module:
    """Make the benchmark's backbone."""
    stem = [nn.Conv2d(3, 24, 3, 2, 1, bias=False), nn.BatchNorm2d(24), nn.ReLU()]
    blocks = [Block(24, 64), Block(64, 128), Block(128, 256)]
    head = [nn.Flatten(), nn.Dropout(0.4), nn.Linear(256 * 5 * 5, 256, bias=False), nn.BatchNorm1d(256)]
    return nn.Sequential(*stem, *blocks, *head).to(memory_format=torch.channels_last)


def loss_of(unit: torch.Tensor, labels: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Supervised contrastive over the batch, plus CosFace over the people of whom there are two photos."""
    scores = (unit @ unit.T / 0.08).fill_diagonal_(-1e9)
    same = (labels[:, None] == labels[None]) & ~torch.eye(len(labels), dtype=torch.bool)
    contrastive = -(functional.log_softmax(scores, 1)[same]).mean()
    known, labels = unit[: 2 * PEOPLE], labels[: 2 * PEOPLE]
    cosines = known @ functional.normalize(classes, dim=1).T - 0.25 * functional.one_hot(labels, len(classes))
    return contrastive + functional.cross_entropy(20 * cosines, labels)


def main(steps: int, warm_up: int) -> None:
    """Time the steps after the warm-up and print their rate."""
    torch.manual_seed(0)
    backbone, classes = network(), nn.Parameter(torch.randn(CLASSES, 256) * 0.05)
    optimizer = torch.optim.AdamW([*backbone.parameters(), classes], lr=2e-3, weight_decay=0.05)
    photos = torch.rand(2 * PEOPLE + SINGLES, 3, SIZE, SIZE).to(memory_format=torch.channels_last)
    labels = torch.cat([torch.arange(PEOPLE).repeat_interleave(2), CLASSES + torch.arange(SINGLES)])
    for step in range(steps + warm_up):
        if step == warm_up:
            began = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss_of(functional.normalize(backbone(photos), dim=1), labels, classes).backward()
        optimizer.step()
    print(json.dumps({"steps_per_second": steps / (time.perf_counter() - began)}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
