"""Special tokens of a vocabulary, by the part they play, and what a checkpoint's folder says of its tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from auxtask.data.untrusted_file import read_bounded, read_json, reading

# In the order in which BERT's own vocabularies number them first.
SPECIAL = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
# What the same roles are called elsewhere (RoBERTa).
_ROLES = {"pad": ["[PAD]", "<pad>"], "unk": ["[UNK]", "<unk>"], "cls": ["[CLS]", "<s>"], "sep": ["[SEP]", "</s>"]}
_ROLES["mask"] = ["[MASK]", "<mask>"]


def special_name(tokenizer: Tokenizer, role: str, settings: dict[str, Any]) -> str:
    """Find the token that plays a role; ValueError if the vocabulary has none."""
    said = settings.get(f"{role}_token")
    said = said.get("content") if isinstance(said, dict) else said
    for name in [said, *_ROLES[role]]:
        if isinstance(name, str) and tokenizer.token_to_id(name) is not None:
            return name
    raise ValueError(f"no token for {role!r} in the vocabulary (looked for {', '.join(_ROLES[role])})")


def read_settings(file: Path) -> dict[str, Any]:
    """Read `tokenizer_config.json`; nothing if there is none, ValueError if it is damaged."""
    if not file.is_file():
        return {}
    with reading(file, "a JSON object of settings"):
        settings = read_json(read_bounded(file))
        if not isinstance(settings, dict):
            raise ValueError(f"expected a JSON object of settings, found {type(settings).__name__}")
    # Names of Python files to run, which no one here runs, are not carried on either.
    return {key: value for key, value in settings.items() if key != "auto_map"}
