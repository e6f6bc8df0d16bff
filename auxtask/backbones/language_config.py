"""What makes up a language model: `LanguageConfig`, and the four families that it can belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# transformers' names for activations -> Keras' name and whether its tanh approximation is meant.
ACTIVATIONS = {
    "gelu": ("gelu", False),
    "gelu_new": ("gelu", True),
    "relu": ("relu", False),
    "silu": ("swish", False),
    "swish": ("swish", False),
    "tanh": ("tanh", False),
}

# Layers and width; heads are 64 wide and the feed-forward is 4 times as wide, as in Turc et al., "Well-Read Students
# Learn Better" (2019).
SIZES = {"tiny": (2, 128), "mini": (4, 256), "small": (4, 512)}


@dataclass(frozen=True)
class Family:
    """What the models of one family share, and no setting of theirs says.

    Attributes
    ----------
    config_class : str
        Of transformers.
    blocks : str
        What precedes a layer's number in PyTorch's names.
    has_pooler, has_token_types : bool
    mask_value : float
        Added to the scores of padding.
    scales_queries : bool
        Whether queries are divided by the root of a head's width, or scores are: equal but for rounding.
    drops_attention_output : bool
        Whether dropout follows the attention's last linear layer.
    positions_follow_padding : bool
        Whether positions are counted over what is no padding, from the padding's number on.
    fixed_epsilon : float, optional
        Where the LayerNorms' is no setting.
    """

    config_class: str
    blocks: str = "encoder.layer"
    has_pooler: bool = False
    has_token_types: bool = True
    mask_value: float = -10000.0
    scales_queries: bool = False
    drops_attention_output: bool = True
    positions_follow_padding: bool = False
    fixed_epsilon: float | None = None


FAMILIES = {
    "bert": Family("BertConfig", has_pooler=True),
    "roberta": Family("RobertaConfig", has_pooler=True, positions_follow_padding=True),
    "distilbert": Family(
        "DistilBertConfig",
        "transformer.layer",
        has_token_types=False,
        mask_value=-1e30,
        scales_queries=True,
        drops_attention_output=False,
        fixed_epsilon=1e-12,
    ),
    "electra": Family("ElectraConfig"),
}

# Our name -> that of transformers' configs; DistilBERT has names of its own.
_NAMES = {
    "vocab_size": "vocab_size",
    "hidden_size": "hidden_size",
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "intermediate_size": "intermediate_size",
    "hidden_act": "hidden_act",
    "max_positions": "max_position_embeddings",
    "num_token_types": "type_vocab_size",
    "dropout": "hidden_dropout_prob",
    "attention_dropout": "attention_probs_dropout_prob",
    "epsilon": "layer_norm_eps",
    "initializer_range": "initializer_range",
    "pad_token_id": "pad_token_id",
}
_DISTILBERT_NAMES = {
    **{name: theirs for name, theirs in _NAMES.items() if name not in ("num_token_types", "epsilon")},
    "hidden_size": "dim",
    "num_layers": "n_layers",
    "num_heads": "n_heads",
    "intermediate_size": "hidden_dim",
    "hidden_act": "activation",
    "dropout": "dropout",
    "attention_dropout": "attention_dropout",
}


@dataclass(frozen=True)
class LanguageConfig:
    """Sizes and settings of one language model.

    Attributes
    ----------
    family : str
        bert, roberta, distilbert or electra.
    vocab_size, hidden_size, num_layers, num_heads, intermediate_size : int
    hidden_act : str
        A key of `ACTIVATIONS`.
    embedding_size : int, optional
        Of the words' vectors; None: `hidden_size`. Only ELECTRA's may differ.
    max_positions : int
        Rows of the table of positions (RoBERTa's first two are no position of a word).
    num_token_types : int
        0: no such table.
    dropout, attention_dropout : float in [0, 1)
    epsilon : float
        Of the LayerNorms.
    initializer_range : float
        Standard deviation of fresh weights.
    pad_token_id : int

    Raises
    ------
    ValueError
        A setting is out of range, or not of this family.
    """

    family: str
    vocab_size: int
    hidden_size: int
    num_layers: int
    num_heads: int
    intermediate_size: int
    hidden_act: str = "gelu"
    embedding_size: int | None = None
    max_positions: int = 512
    num_token_types: int = 2
    dropout: float = 0.1
    attention_dropout: float = 0.1
    epsilon: float = 1e-12
    initializer_range: float = 0.02
    pad_token_id: int = 0

    def __post_init__(self) -> None:
        _check_settings(self)
        _check_family(self)

    @property
    def rules(self) -> Family:
        """What all models of the family share."""
        return FAMILIES[self.family]

    @property
    def max_length(self) -> int:
        """Tokens in the longest text that the model takes."""
        return self.max_positions - (self.pad_token_id + 1 if self.rules.positions_follow_padding else 0)

    @classmethod
    def from_transformers(cls, settings: Mapping[str, Any]) -> LanguageConfig:
        """Read a checkpoint's `config.json`; what it leaves out is as in transformers.

        Raises
        ------
        ValueError
            It is of another family, a decoder, has relative positions or pruned heads, or a setting is out of range.
        """
        family = settings.get("model_type")
        if not isinstance(family, str) or family not in FAMILIES:
            raise ValueError(f"is a model of type {family!r}; those that can be a chain are {', '.join(FAMILIES)}")
        _refuse_variants(settings, family)
        full = _config_class(family).from_dict(dict(settings)).to_dict()
        read = {ours: full[theirs] for ours, theirs in _names(family).items()}
        rules = FAMILIES[family]
        if rules.fixed_epsilon is not None:
            read["epsilon"] = rules.fixed_epsilon
        if not rules.has_token_types:
            read["num_token_types"] = 0
        if full.get("embedding_size", read["hidden_size"]) != read["hidden_size"]:
            read["embedding_size"] = full["embedding_size"]
        return cls(family, **read)

    def to_transformers(self) -> Any:
        """Give the config that transformers makes of the same settings."""
        settings = {theirs: getattr(self, ours) for ours, theirs in _names(self.family).items()}
        if self.family == "electra":
            settings["embedding_size"] = self.embedding_size or self.hidden_size
        return _config_class(self.family)(**settings)


def _names(family: str) -> dict[str, str]:
    return _DISTILBERT_NAMES if family == "distilbert" else _NAMES


def _config_class(family: str) -> Any:
    # Imported late: transformers takes a second, and a saved model needs none of it.
    from auxtask.framework import transformers

    return getattr(transformers, FAMILIES[family].config_class)


def _refuse_variants(settings: Mapping[str, Any], family: str) -> None:
    if settings.get("is_decoder") or settings.get("add_cross_attention"):
        raise ValueError(f"is a {family} decoder; only encoders can be a chain")
    positions = settings.get("position_embedding_type") or "absolute"
    if positions != "absolute":
        raise ValueError(f"has {positions} positions (position_embedding_type); only absolute ones can be in a chain")
    if settings.get("pruned_heads"):
        raise ValueError("has pruned attention heads, which no layer here has")


def _check_settings(config: LanguageConfig) -> None:
    wholes = {"vocab_size": 1, "hidden_size": 1, "num_layers": 1, "num_heads": 1, "intermediate_size": 1}
    wholes |= {"max_positions": 1, "num_token_types": 0, "pad_token_id": 0}
    if config.embedding_size is not None:
        wholes["embedding_size"] = 1
    for name, least in wholes.items():
        value = getattr(config, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"{name}={value!r}: must be a whole number, at least {least}")
    for name in ("dropout", "attention_dropout"):
        value = getattr(config, name)
        if not isinstance(value, int | float) or not 0 <= value < 1:
            raise ValueError(f"{name}={value!r}: must lie in [0, 1)")
    if config.hidden_size % config.num_heads:
        raise ValueError(f"hidden_size={config.hidden_size} is no multiple of num_heads={config.num_heads}")
    if config.hidden_act not in ACTIVATIONS:
        raise ValueError(f"hidden_act={config.hidden_act!r}: expected one of {', '.join(ACTIVATIONS)}")


def _check_family(config: LanguageConfig) -> None:
    if config.family not in FAMILIES:
        raise ValueError(f"family={config.family!r}: expected one of {', '.join(FAMILIES)}")
    rules = config.rules
    if rules.positions_follow_padding and config.pad_token_id != 1:
        # transformers' TF classes count from 1 whatever the config says, so no reference would agree.
        raise ValueError(
            f"pad_token_id={config.pad_token_id}: a {config.family} must have 1, from which positions count"
        )
    if bool(config.num_token_types) != rules.has_token_types:
        wanted = "at least 1" if rules.has_token_types else "0"
        raise ValueError(f"num_token_types={config.num_token_types}: a {config.family} must have {wanted}")
    if config.embedding_size not in (None, config.hidden_size) and config.family != "electra":
        raise ValueError(f"embedding_size={config.embedding_size}: only ELECTRA's may differ from hidden_size")
    if config.max_length < 1:
        raise ValueError(f"max_positions={config.max_positions}: leaves no place for a token")
