"""A small network from random numbers to pictures."""

from __future__ import annotations

import math

from auxtask.backbones.seeds import seed_stream
from auxtask.framework import keras

layers = keras.layers


def image_generator(
    shape: tuple[int, int, int], latent: int = 64, filters: int = 64, seed: int | None = None
) -> keras.Model:
    """Make an untrained generator of pictures.

    From a quarter of the side it doubles twice. It enlarges by repeating pixels and then convolves: transposed
    convolutions leave checkerboards (Odena et al., "Deconvolution and Checkerboard Artifacts", 2016). Otherwise the
    plan is that of Radford et al., "Unsupervised Representation Learning with Deep Convolutional GANs" (2015).

    Parameters
    ----------
    shape : (height, width, channels)
        Of the pictures.
    latent : int
        How many random numbers one is made of.
    filters : int
        Of the last hidden layer; the two before have twice as many.
    seed : int, optional
        Of the start weights.

    Returns
    -------
    keras.Model
        From float32 [n, latent], standard normal, to float32 [n, height, width, channels], 0 to 255.

    Raises
    ------
    ValueError
        A number is below 1.
    """
    if min(*shape, latent, filters) < 1:
        raise ValueError(f"shape={tuple(shape)}, latent={latent}, filters={filters}: all must be at least 1")
    height, width, channels = shape
    seeds = seed_stream(seed)
    rows, columns = math.ceil(height / 4), math.ceil(width / 4)
    inputs = layers.Input((latent,), name="latent")
    start = keras.initializers.HeNormal(seed=next(seeds))
    x = layers.Dense(rows * columns * 2 * filters, use_bias=False, kernel_initializer=start)(inputs)
    x = layers.Reshape((rows, columns, 2 * filters))(x)
    for wide in (2 * filters, filters):
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
        x = layers.UpSampling2D()(x)
        start = keras.initializers.HeNormal(seed=next(seeds))
        x = layers.Conv2D(wide, 3, padding="same", use_bias=False, kernel_initializer=start)(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    start = keras.initializers.GlorotUniform(seed=next(seeds))
    x = layers.Conv2D(channels, 3, padding="same", activation="sigmoid", kernel_initializer=start)(x)
    # Sides that four does not divide came out too large.
    x = layers.Cropping2D(((0, 4 * rows - height), (0, 4 * columns - width)))(x)
    return keras.Model(inputs, layers.Rescaling(255.0)(x), name="generator")
