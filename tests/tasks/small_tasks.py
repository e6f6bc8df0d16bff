"""Every built-in task on data so small that it trains in a second; a new task is one more maker in `TASKS`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from auxtask.backbones.conv import residual_backbone
from auxtask.backbones.language import language_backbone
from auxtask.backbones.language_config import LanguageConfig
from auxtask.backbones.small_nets import conv_backbone, dense_backbone, rbm_backbone
from auxtask.data.corpora import Corpus
from auxtask.data.face_pairs import FacePairs
from auxtask.data.faces import FaceData
from auxtask.data.text_spans import DocumentSpans
from auxtask.data.token_cache import TokenCache
from auxtask.data.tokenizer import TextTokenizer
from auxtask.framework import keras
from auxtask.losses.supervised_contrastive import SupervisedContrastive
from auxtask.tasks.autoencoder import Autoencoder
from auxtask.tasks.barlow_twins import BarlowTwins
from auxtask.tasks.gan import Gan
from auxtask.tasks.masked_words import MaskedWords
from auxtask.tasks.rbm import Rbm
from auxtask.tasks.replaced_words import ReplacedWords
from auxtask.tasks.rotation import Rotation
from auxtask.tasks.same_document import SameDocument
from auxtask.tasks.same_face import SameFace
from auxtask.tasks.same_identity import SameIdentity
from auxtask.tasks.same_pair import SamePair
from auxtask.tasks.simclr import SimClr
from auxtask.tasks.stacked_autoencoders import StackedAutoencoders
from auxtask.tasks.stacked_rbms import StackedRbms

WORDS = [
    "ship",
    "wave",
    "salt",
    "shore",
    "sail",
    "tree",
    "leaf",
    "moss",
    "bark",
    "root",
    "street",
    "shop",
    "lamp",
    "bus",
]


def pictures() -> np.ndarray:
    """Forty pictures that are brighter at the top: uint8 [40, 12, 12, 1]."""
    random = np.random.default_rng(0)
    ramp = np.linspace(200, 40, 12)[None, :, None, None]
    return np.clip(ramp + random.normal(0, 25, (40, 12, 12, 1)), 0, 255).astype(np.uint8)


def small_conv() -> Any:
    return conv_backbone((12, 12, 1), (6, 8), seed=0)


@cache
def text() -> tuple[TextTokenizer, TokenCache]:
    random = np.random.default_rng(0)
    corpus = Corpus.of([" ".join(random.choice(WORDS, 24)) for _ in range(40)])
    tokenizer = TextTokenizer.train(corpus, vocab_size=100, min_frequency=1)
    return tokenizer, TokenCache.write(Path(tempfile.mkdtemp()) / "text", corpus, tokenizer)


def language() -> Any:
    config = LanguageConfig(
        "bert", text()[0].vocab_size, hidden_size=16, num_layers=2, num_heads=2, intermediate_size=24
    )
    return language_backbone(config, seed=0)


def faces() -> FaceData:
    return FaceData.drawn(16, 3, seed=1, size=28)


def face_backbone() -> Any:
    return residual_backbone(size=24, stages=(6, 8), embedding=8, dropout=0.1, seed=0)


@cache
def pairs() -> FacePairs:
    folder, people = Path(tempfile.mkdtemp()), faces()
    for row, photo in enumerate(people.images()):
        Image.fromarray(photo).save(folder / f"{row}.png")
    lines = [f"{row}.png,{(row + step) % 48}.png,{int(row // 3 == (row + step) % 48 // 3)}" for row in range(48)
             for step in (1, 4)]  # fmt: skip
    (folder / "pairs.csv").write_text("\n".join(["left,right,same", *lines]))
    return FacePairs.from_csv(folder / "pairs.csv", size=28)


def rotation() -> tuple[Any, Any]:
    return Rotation(small_conv(), batch_size=16), pictures()


def autoencoder() -> tuple[Any, Any]:
    return Autoencoder(small_conv(), noise=0.2, batch_size=16), pictures()


def stacked_autoencoders() -> tuple[Any, Any]:
    return StackedAutoencoders(dense_backbone((12, 12, 1), (12, 6), seed=0), batch_size=16), pictures()


def stacked_rbms() -> tuple[Any, Any]:
    return StackedRbms(rbm_backbone((12, 12, 1), (12, 6), seed=0), batch_size=16), pictures()


def rbm() -> tuple[Any, Any]:
    return Rbm(rbm_backbone((12, 12, 1), (12,), seed=0), batch_size=16, persistent=True), pictures()


def gaussian_rbms() -> tuple[Any, Any]:
    backbone = rbm_backbone((12, 12, 1), (12, 6), visible="gaussian", seed=0)
    return StackedRbms(backbone, batch_size=16), pictures()


def gan() -> tuple[Any, Any]:
    return Gan(small_conv(), batch_size=16), pictures()


def simclr() -> tuple[Any, Any]:
    return SimClr(small_conv(), batch_size=16), pictures()


def barlow_twins() -> tuple[Any, Any]:
    return BarlowTwins(small_conv(), batch_size=16), pictures()


def same_identity() -> tuple[Any, Any]:
    def as_float(photos: Any, seed: Any) -> Any:
        return keras.backend.cast(photos[:, 2:26, 2:26], "float32")

    task = SameIdentity(face_backbone(), SupervisedContrastive(), as_float)
    task.people, task.singles = 8, 0
    return task, faces()


def same_face() -> tuple[Any, Any]:
    task = SameFace(face_backbone())
    task.people, task.singles = 8, 0
    return task, faces()


def same_pair() -> tuple[Any, Any]:
    task = SamePair(face_backbone())
    task.batch_size = 32
    return task, pairs()


def same_document() -> tuple[Any, Any]:
    task = SameDocument(language())
    task.people, task.singles = 8, 0
    return task, DocumentSpans(text()[1], text()[0], 14)


def masked_words() -> tuple[Any, Any]:
    return MaskedWords(language(), text()[0], length=16, batch_size=8), text()[1]


def replaced_words() -> tuple[Any, Any]:
    return ReplacedWords(language(), text()[0], length=16, batch_size=8), text()[1]


TASKS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "rotation": rotation,
    "gan": gan,
    "simclr": simclr,
    "barlow_twins": barlow_twins,
    "autoencoder": autoencoder,
    "stacked_autoencoders": stacked_autoencoders,
    "stacked_rbms": stacked_rbms,
    "rbm": rbm,
    "gaussian_rbms": gaussian_rbms,
    "same_identity": same_identity,
    "same_face": same_face,
    "same_pair": same_pair,
    "same_document": same_document,
    "masked_words": masked_words,
    "replaced_words": replaced_words,
}
