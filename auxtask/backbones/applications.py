"""The networks of `tf_keras.applications`, with the preprocessing that each of them needs as layers of their own."""

from __future__ import annotations

import difflib
import inspect
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from auxtask.backbones.allow_list import LAYERS
from auxtask.data.one_line import first_line
from auxtask.framework import keras, tf


class ReverseChannels(keras.layers.Layer):
    """Turn red, green, blue into blue, green, red, as the networks need whose weights come from Caffe."""

    def call(self, images: Any) -> Any:
        """Reverse the last axis."""
        return tf.reverse(images, axis=[-1])


def application_backbone(name: str, size: int = 224, weights: str | None = "imagenet") -> keras.Model:
    """Make a network of `tf_keras.applications` without its classifier.

    Parameters
    ----------
    name : str
        Such as "MobileNetV2" or "ResNet50".
    size : int
        Side of the pictures, in pixels.
    weights : "imagenet" or None
        "imagenet" is downloaded by Keras, once; None: untrained.

    Returns
    -------
    keras.Model
        From [n, size, size, 3], RGB, 0 to 255, to features [n, d]; what the network's own `preprocess_input` does is
        done by its first layers, and saved with it.

    Raises
    ------
    ValueError
        There is no such network (with the closest name), it does not take that size, or it holds layers that cannot
        be saved without code.
    FileNotFoundError
        The weights are not there and cannot be downloaded.
    """
    make = _maker(name)
    inputs = keras.Input((size, size, 3), name="image")
    tensor = _preprocessed(inputs, make)
    try:
        model = make(
            include_top=False, weights=weights, input_tensor=tensor, input_shape=(size, size, 3), pooling="avg"
        )
    except ValueError as error:
        raise ValueError(f"{name} at size={size}: {first_line(error)}") from error
    except Exception as error:  # Keras raises a bare Exception where the network fails
        raise FileNotFoundError(
            f"the weights of {name} are not in ~/.keras/models, and Keras cannot download them ({first_line(error)}): "
            "use it where there is a network, or give a file or a run instead of its name"
        ) from None
    foreign = sorted({type(layer).__name__ for layer in model.layers} - LAYERS - {"ReverseChannels"})
    if foreign:
        raise ValueError(
            f"{name} holds {', '.join(foreign)}, which cannot be saved without code: "
            "choose another network, such as MobileNetV2"
        )
    return model


def application_names() -> tuple[str, ...]:
    """Name the networks of `tf_keras.applications`."""
    return tuple(
        name for name, value in vars(keras.applications).items() if inspect.isfunction(value) and name[0].isupper()
    )


def _maker(name: str) -> Callable[..., keras.Model]:
    names = application_names()
    if name not in names:
        close = difflib.get_close_matches(name, names, 1)
        hint = f"; did you mean {close[0]!r}?" if close else f" (there are {', '.join(names[:5])}, …)"
        raise ValueError(f"{name!r} is no network of tf_keras.applications, and no file or folder{hint}")
    make: Callable[..., keras.Model] = getattr(keras.applications, name)
    return make


def _preprocessed(inputs: Any, make: Callable[..., keras.Model]) -> Any:
    """Say in layers what the `preprocess_input` beside a network does: it scales, shifts and may reverse channels.

    It is asked what becomes of black and of pure red, green and blue, so that no table of networks can be wrong.
    """
    ask = sys.modules[make.__module__].preprocess_input
    colours = np.concatenate([np.zeros((1, 3)), 255 * np.eye(3)]).astype(np.float32)
    black, *pure = np.asarray(ask(colours[:, None, None, :].copy()))[:, 0, 0]
    gains = (np.array(pure) - black) / 255
    if not np.diag(gains).all():  # red comes out where blue was
        inputs, gains = ReverseChannels(name="reverse_channels")(inputs), gains[::-1]
    scale, offset = np.diag(gains), black
    if np.allclose(scale, 1) and not offset.any():  # the network has preprocessing layers of its own
        return inputs
    return keras.layers.Rescaling(scale.tolist(), offset.tolist(), name="preprocess")(inputs)
