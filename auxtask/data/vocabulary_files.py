"""A tokenizer from the vocabulary of a checkpoint that has no `tokenizer.json`: BERT's or RoBERTa's files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

from auxtask.data.special_tokens import SPECIAL, special_name
from auxtask.data.wordpiece import bert_tokenizer


def read_vocabulary(folder: Path, settings: dict[str, Any]) -> Tokenizer:
    """Read BERT's `vocab.txt`, else RoBERTa's `vocab.json` with `merges.txt`.

    Parameters
    ----------
    folder
        of a checkpoint
    settings
        its `tokenizer_config.json`

    Raises
    ------
    FileNotFoundError
        if the folder has neither
    ValueError
        if a file is damaged, or lacks a special token
    """
    if (folder / "vocab.txt").is_file():
        return _wordpiece(folder / "vocab.txt", settings)
    if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        return _byte_level(folder / "vocab.json", folder / "merges.txt", settings)
    raise FileNotFoundError(
        f"{folder}: no tokenizer here (expected tokenizer.json, vocab.txt, or vocab.json with merges.txt)"
    )


def _wordpiece(file: Path, settings: dict[str, Any]) -> Tokenizer:
    try:
        tokens = file.read_text("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: not UTF-8 (at byte {error.start + 1})") from None
    vocabulary = {token.rstrip("\r"): number for number, token in enumerate(tokens) if token}
    try:
        tokenizer = bert_tokenizer(
            vocabulary,
            bool(settings.get("do_lower_case", True)),
            settings.get("strip_accents"),
            bool(settings.get("tokenize_chinese_chars", True)),
        )
    except (ValueError, TypeError) as error:
        raise ValueError(f"{file}: {error}") from None
    _special_names(tokenizer, settings, file)
    return tokenizer


def _byte_level(vocabulary: Path, merges: Path, settings: dict[str, Any]) -> Tokenizer:
    """Put RoBERTa's rules round a vocabulary of byte-level pairs."""
    try:
        tokenizer = Tokenizer(models.BPE.from_file(str(vocabulary), str(merges)))
    except Exception as error:  # the Rust library raises plain Exception
        raise ValueError(f"{vocabulary} with {merges.name}: cannot be used ({error})") from None
    names = _special_names(tokenizer, settings, vocabulary)
    # Else the library leaves out, silently, a byte that the vocabulary lacks.
    tokenizer.model.unk_token = names["unk"]
    spaced = bool(settings.get("add_prefix_space", False))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=spaced)
    tokenizer.decoder = decoders.ByteLevel()
    # Words begin with the space before them, and so does the one that the mask stands for.
    tokenizer.add_special_tokens([AddedToken(name, lstrip=role == "mask") for role, name in names.items()])
    sep, cls = ((name, tokenizer.token_to_id(name)) for name in (names["sep"], names["cls"]))
    tokenizer.post_processor = processors.RobertaProcessing(sep, cls, add_prefix_space=spaced)
    return tokenizer


def _special_names(tokenizer: Tokenizer, settings: dict[str, Any], file: Path) -> dict[str, str]:
    try:
        return {role: special_name(tokenizer, role, settings) for role in SPECIAL}
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
