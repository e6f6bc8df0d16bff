"""Any Keras model that takes pictures, as a backbone: pixels from 0 to 255 in, one row of features out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from auxtask.framework import keras
from auxtask.transfer.cloning import reuse
from auxtask.transfer.groups import layer_groups, set_groups

layers = keras.layers


def image_backbone(
    model: keras.Model, pixel_range: Sequence[float] | None = None, size: int = 0
) -> tuple[keras.Model, list[str]]:
    """Copy a model without its head, so that it takes pixels as they lie in a file and gives features [n, d].

    Parameters
    ----------
    model : keras.Model
        With one input, pictures [n, size, size, 1 or 3] or (grey) [n, size, size]; stays as it is. Feature maps that
        it ends in are averaged over their positions.
    pixel_range : (low, high), optional
        The values that `model` was trained on: (0, 1), (-1, 1), (0, 255). None: guessed, and said in the notes. By
        its first Rescaling or Normalization layer it is 0 to 255 or 0 to 1; without one it is 0 to 1.
    size : int
        Side of the pictures for a model that takes any; 0: its own.

    Returns
    -------
    keras.Model
        Input [n, size, size, channels], 0 to 255; what else is to be done to pixels is done by its first layers.
    notes : list of str
        What was assumed and left out, one sentence each.

    Raises
    ------
    ValueError
        It is no network that takes pictures, it takes another size, or the range is none.
    """
    shape, has_channels = _picture_shape(model, size)
    notes = []
    if "head" in layer_groups(model).names:
        dropped = layer_groups(model)["head"].layers
        model = reuse(model, drop_head=True)
        notes.append(f"the head of {model.name} ({', '.join(dropped)}) is left out")
    else:
        model = reuse(model)
    if pixel_range is None:
        pixel_range, why = _guessed_range(model)
        notes.append(f"{model.name} is taken to have learned from pixels {why} (pixel_range= says otherwise)")
    return _with_both_ends(model, shape, has_channels, pixel_range), notes


def _guessed_range(model: keras.Model) -> tuple[tuple[int, int], str]:
    """Guess from the first layer that rescales what pixels a model learned from, and say so in words."""
    known = [part for part in model._flatten_layers() if isinstance(part, layers.Rescaling | layers.Normalization)]
    if not known:
        return (0, 1), "from 0 to 1, since it has no layer that rescales"
    first = known[0]
    if isinstance(first, layers.Rescaling):
        # 1/255 or 1/127.5, or only a mean such as 127 taken off, against 2 or 1/0.225.
        small = float(np.max(np.abs(first.scale))) >= 0.1 and float(np.max(np.abs(first.offset))) < 10
    else:
        small = float(np.max(first.mean + 3 * np.sqrt(first.variance))) <= 2
    high = 1 if small else 255
    return (0, high), f"from 0 to {high}, by its layer {first.name}"


def _with_both_ends(
    model: keras.Model, shape: tuple[int, int, int], has_channels: bool, pixel_range: Sequence[float]
) -> keras.Model:
    """Put in front what pixels need, and behind what makes one row of features of feature maps."""
    if len(pixel_range) != 2 or not pixel_range[0] < pixel_range[1]:
        raise ValueError(f"pixel_range={','.join(map(str, pixel_range))}: expected two numbers, low,high")
    low, high = pixel_range
    rank = len(model.output_shape)
    if (low, high) == (0, 255) and has_channels and rank == 2 and model.input_shape[1:] == shape:
        return model
    inputs = x = layers.Input(shape, name="image")
    if (low, high) != (0, 255):
        x = layers.Rescaling((high - low) / 255, low, name="pixel_range")(x)
    if not has_channels:
        x = layers.Reshape(shape[:2], name="without_channels")(x)
    x = model(x)
    if rank == 4:
        x = layers.GlobalAveragePooling2D(name="average")(x)
    elif rank != 2:
        x = layers.Flatten(name="flat_features")(x)
    new = keras.Model(inputs, x, name=f"{model.name}_on_pixels")
    set_groups(new, {group.name: [f"{model.name}/{path}" for path in group.layers] for group in layer_groups(model)})
    return new


def _picture_shape(model: Any, size: int) -> tuple[tuple[int, int, int], bool]:
    """Give height, width and channels of the pictures that a model takes, and whether its input has channels."""
    if not isinstance(model, keras.Model):
        raise ValueError(
            f"this is a {type(model).__name__}, no network of Keras: give the run that it comes from, or a backbone"
        )
    name, given = model.name, model.input_shape
    if not isinstance(given, tuple) or len(given) not in (3, 4):
        raise ValueError(f"{name} takes {given}, no pictures [n, size, size, channels]")
    channels = given[3] if len(given) == 4 else 1
    if channels not in (1, 3):
        raise ValueError(f"{name} takes {channels} channels; pictures have 1 (grey) or 3 (colour)")
    height, width = given[1] or size, given[2] or size
    if not height or height != width:
        what = f"pictures of {height} x {width}, no squares" if height else "pictures of any size: size= says which"
        raise ValueError(f"{name} takes {what}")
    if size not in (0, height):
        raise ValueError(f"size={size}: {name} takes pictures of {height} x {height}")
    return (int(height), int(height), int(channels)), len(given) == 4
