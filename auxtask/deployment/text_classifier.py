"""Labels texts: a language model with one linear layer, TF-IDF words, or the mean of both, ready for use."""

from __future__ import annotations

import hashlib
import os
import re
import typing
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from auxtask.backbones.allow_list import CustomLayers
from auxtask.backbones.atomic_folder import DESCRIPTION, atomic_folder
from auxtask.backbones.description import read_description, read_tensors, write_description
from auxtask.backbones.saving import load_backbone, save_backbone
from auxtask.data.text_batches import EncodedTexts, Keep
from auxtask.data.tokenizer import TextTokenizer
from auxtask.data.untrusted_file import reading
from auxtask.evaluation.text_network_arms import LinearNetwork
from auxtask.evaluation.tfidf import TfidfWords

TEXT_CLASSIFIER = "text_classifier"
BACKBONE, TOKENIZER = "backbone", "tokenizer"
HEAD, WORDS = "head.safetensors", "words.safetensors"
_HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")  # no tokenizer takes one
_TEXTS_AT_ONCE = 1000  # so that any number of texts fits in memory


class TextClassifier:
    """Gives each text one label: the likeliest by the mean of its parts' probabilities.

    Parameters
    ----------
    names : sequence of c different str
        The labels.
    network : LinearNetwork, optional
        With its `tokenizer`.
    tokenizer : TextTokenizer, optional
    max_length : int
        Tokens that the network reads of each text.
    words : TfidfWords, optional
    keep : "head" or "head_tail"
        Which part of longer texts the network reads, see `EncodedTexts`.

    Raises
    ------
    ValueError
        Neither part, or parts, names and tokenizer that do not fit.
    """

    def __init__(
        self,
        names: Sequence[str],
        network: LinearNetwork | None = None,
        tokenizer: TextTokenizer | None = None,
        max_length: int = 256,
        words: TfidfWords | None = None,
        keep: Keep = "head",
    ) -> None:
        self.names = tuple(names)
        self.keep = keep
        self.network, self.tokenizer, self.max_length, self.words = network, tokenizer, max_length, words
        _check_names(self.names)
        if network is None and words is None:
            raise ValueError("a text classifier needs a network, words or both")
        if isinstance(max_length, bool) or not isinstance(max_length, int) or max_length < 3:
            raise ValueError(f"max_length={max_length!r}: expected a whole number of at least 3")
        if keep not in typing.get_args(Keep):
            raise ValueError(f"keep={keep!r}: expected one of {', '.join(typing.get_args(Keep))}")
        if network is not None:
            _check_network(network, tokenizer, len(self.names))
        if words is not None:
            _check_words(words, len(self.names))

    def predict(self, texts: Sequence[str]) -> list[str]:
        """Label each text.

        Parameters
        ----------
        texts : sequence of str
            Of any length, though the network reads `max_length` tokens of each: one warning per call counts those cut.
            An empty one is labelled too.

        Returns
        -------
        list of str
            One label per text, in order; labels that were numbers are text too, "5".

        Raises
        ------
        ValueError
            One text instead of a list, or something else than texts in it.
        """
        return [self.names[best] for best in self._judged(texts).argmax(axis=1)]

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """Give the probability of each label.

        Parameters
        ----------
        texts : sequence of str
            As `predict` takes them.

        Returns
        -------
        float64 [n, c]
            Columns in the order of `names`; rows add up to 1.
        """
        return self._judged(texts)

    def _judged(self, texts: Sequence[str]) -> np.ndarray:
        if isinstance(texts, str):
            raise ValueError("texts: expected a list of texts, got one text")
        texts = list(texts)
        wrong = [i for i, text in enumerate(texts) if not isinstance(text, str)]
        if wrong:
            raise ValueError(f"texts: number {wrong[0]} is a {type(texts[wrong[0]]).__name__}, not a text")
        broken = [i for i, text in enumerate(texts) if _HALF_A_CHARACTER.search(text)]
        if broken:
            raise ValueError(f"texts: number {broken[0]} holds half of a character (a lone surrogate), as cut JSON has")
        parts, num_cut = [np.zeros((0, len(self.names)))], 0
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            part, cut = self._judged_at_once(texts[start : start + _TEXTS_AT_ONCE])
            parts.append(part)
            num_cut += cut
        if num_cut:
            said = (
                f"{num_cut} of {len(texts)} texts are longer than {self.max_length} tokens: the network reads no more"
            )
            warnings.warn(said, stacklevel=3)  # the caller's line: Python shows the same words of one line only once
        return np.concatenate(parts)

    def _judged_at_once(self, texts: list[str]) -> tuple[np.ndarray, int]:
        """Give the probabilities, and how many texts were cut for the network."""
        found, num_cut = [], 0
        if self.network is not None:
            assert self.tokenizer is not None
            encoded = EncodedTexts(texts, self.tokenizer, self.max_length, keep=self.keep)
            num_cut = encoded.num_truncated
            found.append(np.exp(self.network.log_probabilities(encoded)))
        if self.words is not None:
            found.append(np.exp(self.words.log_probabilities(texts)))
        return np.asarray(np.mean(found, axis=0)), num_cut

    def save(self, folder: str | os.PathLike[str], provenance: Mapping[str, Any] | None = None) -> None:
        """Save to a folder, which appears whole or not at all.

        Parameters
        ----------
        folder : path
            A new or empty folder, or an earlier save, which is replaced.
        provenance : dict, optional
            Where the classifier comes from; plain JSON.
        """
        files = {
            name: safetensors.numpy.save({key: np.ascontiguousarray(value) for key, value in arrays.items()})
            for name, arrays in self._arrays().items()
        }
        description = {
            "kind": TEXT_CLASSIFIER,
            "names": list(self.names),
            "max_length": self.max_length,
            "keep": self.keep,
            "tokenizer": None if self.tokenizer is None else self.tokenizer.fingerprint(),
            "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
            "provenance": dict(provenance or {}),
        }
        with atomic_folder(folder) as partial:
            for name, content in files.items():
                (partial / name).write_bytes(content)
            if self.network is not None:
                assert self.tokenizer is not None
                save_backbone(self.network.network, partial / BACKBONE)
                self.tokenizer.save(partial / TOKENIZER)
            write_description(partial, description)

    def _arrays(self) -> dict[str, dict[str, np.ndarray]]:
        """Give what goes into each safetensors file."""
        arrays = {}
        if self.network is not None:
            arrays[HEAD] = {"kernel": self.network.kernel, "bias": self.network.bias}
        if self.words is not None:
            # A term holds no line break: words are letters, digits and underscores.
            terms = np.frombuffer("\n".join(self.words.terms).encode(), np.uint8)
            arrays[WORDS] = {
                "terms": terms, "idf": self.words.idf, "kernel": self.words.kernel, "bias": self.words.bias,
            }  # fmt: skip
        return arrays

    @classmethod
    def load(cls, folder: str | os.PathLike[str], custom_layers: CustomLayers | None = None) -> TextClassifier:
        """Load what `save` saved; labels are the same.

        Parameters
        ----------
        folder : path
        custom_layers : mapping of name to class, optional
            The backbone's own layer classes.

        Raises
        ------
        FileNotFoundError, ValueError
            A file is missing, damaged, or does not fit the others; in one line.
        """
        folder = Path(folder)
        description = read_description(folder)
        with reading(folder / DESCRIPTION, "a text classifier's description"):
            if description["kind"] != TEXT_CLASSIFIER:
                raise ValueError(f"describes a {description['kind']}, not a {TEXT_CLASSIFIER}")
            names, sha256 = description.get("names"), description.get("sha256")
            if not isinstance(names, list) or not isinstance(sha256, dict) or not sha256.keys() <= {HEAD, WORDS}:
                raise ValueError("lacks names or the checksums of its parts")
        network, tokenizer, words = None, None, None
        if HEAD in sha256:
            head = _read_arrays(folder / HEAD, sha256[HEAD], {"kernel", "bias"})
            tokenizer = _read_tokenizer(folder / TOKENIZER, description.get("tokenizer"))
            network = LinearNetwork(load_backbone(folder / BACKBONE, custom_layers), head["kernel"], head["bias"])
        if WORDS in sha256:
            arrays = _read_arrays(folder / WORDS, sha256[WORDS], {"terms", "idf", "kernel", "bias"})
            with reading(folder / WORDS, "words of a text classifier"):
                terms = tuple(arrays["terms"].tobytes().decode().split("\n"))
                words = TfidfWords(terms, arrays["idf"], arrays["kernel"], arrays["bias"])
        with reading(folder, "a text classifier"):
            keep = description.get("keep", "head")  # classifiers saved before there was a choice
            return cls(names, network, tokenizer, description.get("max_length", 0), words, keep)


def _read_arrays(path: Path, sha256: Any, expected: set[str]) -> dict[str, np.ndarray]:
    with reading(path, "a safetensors file"):
        arrays = read_tensors(path, str(sha256))
        if arrays.keys() != expected:
            raise ValueError(f"holds {', '.join(sorted(arrays))}; expected {', '.join(sorted(expected))}")
        return arrays


def _read_tokenizer(folder: Path, fingerprint: Any) -> TextTokenizer:
    with reading(folder, "a tokenizer"):
        tokenizer = TextTokenizer.load(folder)
        if tokenizer.fingerprint() != fingerprint:
            raise ValueError("is damaged, or belongs to another save (its fingerprint differs)")
        return tokenizer


def _check_names(names: tuple[str, ...]) -> None:
    if len(names) < 2 or not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
        raise ValueError("names: expected different strings, at least two")


def _check_network(network: LinearNetwork, tokenizer: TextTokenizer | None, num_names: int) -> None:
    if tokenizer is None:
        raise ValueError("a network needs the tokenizer that it was trained with")
    shape = getattr(network.network, "output_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 2:
        raise ValueError(f"network: expected one output [n, d] (see pooled), got {shape}")
    _check_shapes("network", network, int(shape[1]), num_names)
    for layer in network.network.layers:
        if hasattr(layer, "vocab_size"):
            tokenizer.check_fits(int(layer.vocab_size), "the network")


def _check_words(words: TfidfWords, num_names: int) -> None:
    if words.idf.shape != (len(words.terms),) or len(set(words.terms)) != len(words.terms):
        raise ValueError(f"words: {len(words.terms)} terms, which must differ, do not fit idf {list(words.idf.shape)}")
    _check_shapes("words", words, len(words.terms), num_names)


def _check_shapes(part: str, given: LinearNetwork | TfidfWords, num_features: int, num_names: int) -> None:
    if given.kernel.shape != (num_features, num_names) or given.bias.shape != (num_names,):
        raise ValueError(
            f"{part}: kernel {list(given.kernel.shape)} and bias {list(given.bias.shape)} do not fit "
            f"{num_features} features and {num_names} names"
        )
