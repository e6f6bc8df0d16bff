"""The walk over a model's description that comes before any Keras deserialiser sees it.

Keras' deserialisers run what a file names, even in safe mode: an op layer that names
`io.write_file` wrote a file while it was loaded. Here every class and function that a description
names is looked up in lists of our own, and what comes out names only our modules, whatever the
file said.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from auxtask.data.untrusted_file import check_depth

CustomLayers = Mapping[str, Any]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


MODELS = frozenset({"Functional", "Model", "Sequential"})

# Of tf_keras.layers all but: Lambda and op layers (code), TextVectorization and the lookups (their
# vocabulary may be the name of a file to read, and is no weight), and abstract classes.
LAYERS = _names(
    """
    Activation ActivityRegularization Add AdditiveAttention AlphaDropout Attention Average
    AveragePooling1D AveragePooling2D AveragePooling3D BatchNormalization Bidirectional
    CategoryEncoding CenterCrop Concatenate Conv1D Conv1DTranspose Conv2D Conv2DTranspose
    Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Cropping1D Cropping2D Cropping3D
    Dense DepthwiseConv1D DepthwiseConv2D Discretization Dot Dropout ELU EinsumDense Embedding
    Flatten GRU GRUCell GaussianDropout GaussianNoise GlobalAveragePooling1D
    GlobalAveragePooling2D GlobalAveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D
    GlobalMaxPooling3D GroupNormalization HashedCrossing Hashing Identity InputLayer LSTM
    LSTMCell LayerNormalization LeakyReLU LocallyConnected1D LocallyConnected2D Masking
    MaxPooling1D MaxPooling2D MaxPooling3D Maximum Minimum MultiHeadAttention Multiply
    Normalization PReLU Permute RNN RandomBrightness RandomContrast RandomCrop RandomFlip
    RandomHeight RandomRotation RandomTranslation RandomWidth RandomZoom ReLU RepeatVector
    Rescaling Reshape Resizing SeparableConv1D SeparableConv2D SimpleRNN SimpleRNNCell Softmax
    SpatialDropout1D SpatialDropout2D SpatialDropout3D SpectralNormalization StackedRNNCells
    Subtract ThresholdedReLU TimeDistributed UnitNormalization UpSampling1D UpSampling2D
    UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
    """
)

# Layers of auxtask's own: class name -> "module:Class", imported only when a file names one.
HOUSE_LAYERS = {
    "AttentionBias": "auxtask.backbones.language_layers:AttentionBias",
    "FirstTokenPooler": "auxtask.backbones.pooling:FirstTokenPooler",
    "MaskedPooling": "auxtask.backbones.pooling:MaskedPooling",
    "ReverseChannels": "auxtask.backbones.applications:ReverseChannels",
    "TextEmbeddings": "auxtask.backbones.language_layers:TextEmbeddings",
    "TransformerBlock": "auxtask.backbones.language_layers:TransformerBlock",
}

# Names that Keras 2 wrote for a time.
_ALIASES = dict.fromkeys(("BatchNormalizationV1", "BatchNormalizationV2"), "BatchNormalization")

_FUNCTIONS = {
    "activation": _names(
        """
        elu exponential gelu hard_sigmoid linear mish relu selu sigmoid silu softmax
        softmax_v2 softplus softsign swish tanh
        """
    ),
    "initializer": _names(
        """
        Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity LecunNormal
        LecunUniform Ones Orthogonal RandomNormal RandomUniform TruncatedNormal
        VarianceScaling Zeros constant glorot_normal glorot_uniform he_normal he_uniform
        identity lecun_normal lecun_uniform normal one ones orthogonal random_normal
        random_uniform truncated_normal uniform variance_scaling zero zeros
        """
    ),
    "regularizer": _names(
        """
        L1 L1L2 L2 OrthogonalRegularizer l1 l1_l2 l2 orthogonal_regularizer
        """
    ),
    "constraint": _names(
        """
        MaxNorm MinMaxNorm NonNeg RadialConstraint UnitNorm max_norm min_max_norm non_neg
        radial_constraint unit_norm
        """
    ),
}

_CODE = {
    "Lambda": "holds code",
    "TFOpLambda": "is a bare TensorFlow operation",
    "SlicingOpLambda": "is a bare TensorFlow operation",
    "TensorFlowOpLayer": "is a bare TensorFlow operation",
    "ClassMethod": "is a bare TensorFlow operation",
    "InstanceMethod": "is a bare TensorFlow operation",
    "InstanceProperty": "is a bare TensorFlow operation",
}


def check_architecture(config: Mapping[str, Any], custom_layers: CustomLayers | None = None) -> dict[str, Any]:
    """Check a model's description and give a copy that is safe to rebuild.

    Parameters
    ----------
    config : dict
        `{"class_name": …, "config": …}` as in a `.keras` or `.h5` file or one of our folders.
    custom_layers : mapping of name to class, optional
        The only classes (and named functions) outside our lists that may be used.

    Returns
    -------
    dict
        The same architecture. Every `module` and `registered_name` is ours; how the model was
        compiled and built is left out.

    Raises
    ------
    ValueError
        Something is not allowed; the text names the layer and says what to do.
    """
    check_depth(config)
    custom = check_custom_layers(custom_layers)
    if not isinstance(config, Mapping):
        raise ValueError("it holds no architecture of a model")
    return _Walk(custom).layer(config)


def check_custom_layers(custom_layers: CustomLayers | None) -> dict[str, Any]:
    """Refuse `custom_layers` that is not a dict of names to classes or functions."""
    custom = dict(custom_layers or {})
    for name, value in custom.items():
        if not isinstance(name, str) or not callable(value):
            raise ValueError(f"custom_layers: expected {{'Name': Class}}, got {name!r}: {type(value).__name__}")
    return custom


class _Walk:
    """One walk; `where` is the layer that messages name."""

    def __init__(self, custom: dict[str, Any]) -> None:
        self.custom = custom
        self.where = "the model"

    def layer(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """Give a layer's entry with what may be built of it, and nothing else."""
        config = entry.get("config")
        before, self.where = self.where, _title(entry)
        kind = self._class(entry)
        if kind == "Sequential" and isinstance(config, list):  # as Keras 2.1 wrote it
            config = {"layers": config}
        if not isinstance(config, Mapping):
            raise ValueError(f"{self.where} has no config")
        result = self._ours(kind, self._module(kind), self.value(config, ""))
        for key in ("name", "inbound_nodes"):
            if key in entry:
                result[key] = self.value(entry[key], key)
        if isinstance(entry.get("shared_object_id"), int):
            result["shared_object_id"] = entry["shared_object_id"]
        self.where = before
        return result

    def _class(self, entry: Mapping[str, Any]) -> str:
        """Look up the class that an entry names, under our name for it."""
        named = entry.get("class_name")
        if not isinstance(named, str):
            raise ValueError(f"{self.where} has no class name")
        # Legacy files write a registered class as `package>Name`.
        name = named if named in self.custom else named.rpartition(">")[2]
        if name in self.custom or name in HOUSE_LAYERS:
            return name
        if name != named or _is_foreign(entry, named):
            raise ValueError(
                f"{self.where} is a {named} from {_origin(entry)}, a module foreign to Keras; if "
                f"you trust it and have the class, pass custom_layers={{'{name}': {name}}}"
            )
        name = _ALIASES.get(name, name)
        if name not in LAYERS and name not in MODELS:
            raise ValueError(self._unknown(name))
        return name

    def _unknown(self, name: str) -> str:
        if name in _CODE:
            return (
                f"{self.where} {_CODE[name]}, which is never run from a file; scale pixels by keras.layers.Rescaling, "
                "put anything else into a layer class of your own, save again, and pass custom_layers={'Name': Class}"
            )
        near = _nearest(name, {*LAYERS, *MODELS, *HOUSE_LAYERS, *self.custom})
        return (
            f"{self.where} is a {name}, which is not on the list of allowed layers{near}; if it is "
            f"yours, pass custom_layers={{'{name}': {name}}}"
        )

    def _module(self, name: str) -> str | None:
        if name in self.custom or name in HOUSE_LAYERS:
            return None
        return "keras" if name in MODELS else "keras.layers"

    @staticmethod
    def _ours(name: str, module: str | None, config: Any) -> dict[str, Any]:
        registered = name if module is None else None
        return {
            "module": module,
            "class_name": name,
            "config": config,
            "registered_name": registered,
        }

    def value(self, value: Any, key: str) -> Any:
        """Check any part of a config; `key` is the name that it has there."""
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            role = _role(key)
            return self.function(value, role) if role else value
        if isinstance(value, list):
            return [self.value(item, key) for item in value]
        if isinstance(value, tuple):
            return tuple(self.value(item, key) for item in value)
        if not isinstance(value, Mapping):
            raise ValueError(f"{self.where}: {key} is a {type(value).__name__}, not plain JSON")
        if "class_name" in value:
            return self.thing(value, key)
        return {str(name): self.value(item, str(name)) for name, item in value.items()}

    def thing(self, entry: Mapping[str, Any], key: str) -> Any:
        """Check a dict that asks for an object: a layer, an initialiser, a function, a tuple …"""
        name, config, role = entry["class_name"], entry.get("config"), _role(key)
        if name in ("__tuple__", "TensorShape"):
            items = entry.get("items")
            return None if items is None else tuple(self.value(list(items), key))
        if name in ("__tensor__", "__numpy__") and isinstance(config, Mapping):
            return _numbers(config.get("value"), self.where)
        if name == "Policy" and isinstance(config, Mapping) and isinstance(config.get("name"), str):
            return config["name"]
        if name == "function" and isinstance(config, str):
            return self.function(config, role or "activation", entry)
        if isinstance(name, str) and role not in (None, "activation"):
            self.function(name, role, entry)
            module = None if name in self.custom else f"keras.{role}s"
            return self._ours(name, module, self.value(config or {}, ""))
        return self.layer(entry)

    def function(self, name: str, role: str | None, entry: Mapping[str, Any] | None = None) -> str:
        """Check the name of an activation, initialiser, regulariser or constraint."""
        allowed = _FUNCTIONS[role or "activation"]
        if name in self.custom:
            return name
        if name not in allowed or (entry is not None and _is_foreign(entry, name)):
            near = _nearest(name, {*allowed, *self.custom})
            raise ValueError(
                f"{self.where}: {role} {name!r} is not on the list of allowed ones{near}; if it "
                f"is yours, pass custom_layers={{'{name}': …}}"
            )
        return name


def _role(key: str) -> str | None:
    return next((role for role in _FUNCTIONS if key == role or key.endswith("_" + role)), None)


def _is_foreign(entry: Mapping[str, Any], name: str) -> bool:
    """Tell whether an entry names a class or function that is not Keras' own."""
    module, registered = entry.get("module"), entry.get("registered_name")
    if registered not in (None, name):
        return True
    if module is None:  # Keras writes None for `__main__`; files without modules have no such key
        return "module" in entry
    return not isinstance(module, str) or module.split(".")[0] not in (
        "builtins",
        "keras",
        "tf_keras",
    )


def _origin(entry: Mapping[str, Any]) -> str:
    return repr(entry.get("module") or entry.get("registered_name") or "__main__")


def _title(entry: Mapping[str, Any]) -> str:
    config = entry.get("config")
    name = config.get("name") if isinstance(config, Mapping) else None
    kind = entry.get("class_name")
    return f"layer {name or entry.get('name') or '?'!s} ({kind!s})"[:200].replace("\n", " ")


def _nearest(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(names), n=1)
    return f" (closest: {close[0]})" if close else ""


def _numbers(value: Any, where: str) -> Any:
    if isinstance(value, list):
        return [_numbers(item, where) for item in value]
    if isinstance(value, bool | int | float):
        return value
    raise ValueError(f"{where}: a constant array holds something that is not a number")
