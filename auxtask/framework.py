"""The one place that picks TensorFlow, Keras, TensorFlow Addons and transformers, and their switches.

Everything else imports them from here::

    from auxtask.framework import keras, tf

TensorFlow 2.21 brings Keras 3, TensorFlow Addons 0.23 and transformers 4.54 need Keras 2 (`tf_keras`), and PyTorch
in the same process can crash TensorFlow; the order and the switches below are what makes the four live together.
`tf`, `keras` and its `Model` are imported at once; `tfa` and `transformers`, slow and seldom needed, when first asked
for.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras as keras
    import transformers as transformers

    tfa: Any

# `tf.keras` must mean Keras 2 before TensorFlow first resolves it, and transformers must never import PyTorch here.
os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["USE_TF"] = "1"
os.environ["USE_TORCH"] = "0"
os.environ["USE_JAX"] = "0"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# On processors without AVX-512 TensorFlow leaves oneDNN off, which costs 1.7x on a conv net's step (measured, AVX2).
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")


@contextmanager
def _quiet_standard_error() -> Iterator[None]:
    """Hold back what is written to file descriptor 2; replay it only if the block fails.

    TensorFlow's C++ side writes there whatever `TF_CPP_MIN_LOG_LEVEL` says, so replacing `sys.stderr` is not enough.
    """
    sys.stderr.flush()
    try:
        saved = os.dup(2)
    except OSError:  # no standard error at all (a daemon): nothing to hold back
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            sys.stderr.flush()
            os.dup2(saved, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)


def _keras_modules() -> dict[str, ModuleType]:
    prefixes = ("keras.", "tensorflow.keras.")
    return {name: module for name, module in sys.modules.items() if (name + ".").startswith(prefixes)}


@contextmanager
def _keras_2_under_the_name_of_keras() -> Iterator[None]:
    """Let every `keras...` name mean `tf_keras` inside the block, and put back afterwards what was there.

    TensorFlow Addons 0.23 imports `keras.src.*` by name on TensorFlow >= 2.16, where that is Keras 3; the modules of
    `tf_keras.src` are the ones it was written for. It also looks for `tensorflow.keras.optimizers.legacy`, which
    would import Keras 3 through TensorFlow's own path.
    """
    before = _keras_modules()
    for name in before:
        del sys.modules[name]
    for name, module in list(sys.modules.items()):
        if name == "tf_keras" or name.startswith("tf_keras.src"):
            sys.modules["keras" + name.removeprefix("tf_keras")] = module
    sys.modules["tensorflow.keras"] = keras
    sys.modules["tensorflow.keras.optimizers"] = keras.optimizers
    try:
        yield
    finally:
        for name in _keras_modules():
            del sys.modules[name]
        sys.modules.update(before)


def _import_addons() -> ModuleType:
    import warnings

    with _quiet_standard_error(), warnings.catch_warnings(), _keras_2_under_the_name_of_keras():
        # Addons announces its own end of life and checks TensorFlow's version; both are known and pinned.
        warnings.simplefilter("ignore")
        import tensorflow_addons

    return tensorflow_addons


def _import_transformers() -> ModuleType:
    with _quiet_standard_error():
        import transformers
    return transformers


def __getattr__(name: str) -> ModuleType:
    loaders = {"tfa": _import_addons, "transformers": _import_transformers}
    if name not in loaders:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = loaders[name]()
    globals()[name] = module
    return module


with _quiet_standard_error():
    import tensorflow as tf
    import tf_keras as keras
    from tf_keras import Model as Model

    # The search for devices writes to the terminal too, and would otherwise do so at the first operation.
    tf.config.list_physical_devices()

# Python's side of TensorFlow warns about retracing and slow callbacks, which users of recipes cannot act on.
tf.get_logger().setLevel("ERROR")
