"""Figures that show pictures: what a task was given and what it made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from auxtask.runs.figures import new_figure

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure


def plot_reconstructions(rows: Mapping[str, np.ndarray], most: int = 12, title: str = "") -> Figure:
    """Draw pictures one above the other, such as originals, what was shown of them, and what was given back.

    Parameters
    ----------
    rows : mapping of label to uint8 [n, height, width, channels], one or three channels
        Picture i of each stands in column i.
    most : int
        Of the pictures, the first so many.
    title : str

    Raises
    ------
    ValueError
        If there is no picture, or rows have different numbers of them.
    """
    counts = {label: len(images) for label, images in rows.items()}
    if len(set(counts.values())) != 1 or not all(counts.values()):
        raise ValueError(f"plot_reconstructions: as many pictures in each row, and no row none, not {counts}")
    columns = min(most, *counts.values())
    figure = new_figure(0.9 * columns + 0.4, 1.1 * len(rows) + 0.4)
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for line, (label, images) in zip(grid, rows.items(), strict=True):
        for axes, image in zip(line, images, strict=False):
            axes.axis("off")
            axes.imshow(image.squeeze(-1) if image.shape[-1] == 1 else image, cmap="gray", vmin=0, vmax=255)
        line[0].set_title(label, fontsize="small", loc="left")
    figure.suptitle(title, fontsize="medium")
    return figure
