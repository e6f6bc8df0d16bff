"""Figures made of pictures: samples of a generator, originals beside what was given back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from auxtask.runs.figures import new_figure

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure


def plot_samples(pictures: Mapping[str, np.ndarray], columns: int = 12, title: str = "") -> Figure:
    """Draw pictures in a grid, those of each name below each other's.

    Parameters
    ----------
    pictures : mapping of str to uint8 [n, height, width, channels]
        One or three channels, all of one shape; a name's pictures go on in the next line after `columns` of them.
    columns : int
    title : str

    Raises
    ------
    ValueError
        There is no picture, or pictures are of another type or number of channels.
    """
    import numpy as np

    if not pictures or columns < 1:
        raise ValueError(f"plot_samples: {len(pictures)} names, {columns} columns; both must be at least 1")
    for name, images in pictures.items():
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3) or not len(images):
            raise ValueError(
                f"plot_samples: {name!r} must be uint8 [n, height, width, 1 or 3], n > 0, "
                f"not {images.dtype} {images.shape}"
            )
    columns = min(columns, max(len(images) for images in pictures.values()))
    num_lines = {name: -(-len(images) // columns) for name, images in pictures.items()}
    figure = new_figure(0.7 * columns + 0.4, 0.75 * sum(num_lines.values()) + 0.3 * len(pictures) + 0.2)
    panels = figure.subplots(len(pictures), 1, squeeze=False, height_ratios=list(num_lines.values()))[:, 0]
    for axes, (name, images) in zip(panels, pictures.items(), strict=True):
        axes.imshow(_tiled(images, columns, num_lines[name]), cmap="gray", vmin=0, vmax=255)
        axes.set_title(name, fontsize="medium", loc="left")
        axes.axis("off")
    figure.suptitle(title)
    return figure


def _tiled(images: np.ndarray, columns: int, num_lines: int) -> np.ndarray:
    """Lay pictures out with white lines between them: uint8 [height, width] or [height, width, 3]."""
    import numpy as np

    height, width, channels = images.shape[1:]
    gap = max(1, width // 16)
    sheet = np.full((num_lines * (height + gap) - gap, columns * (width + gap) - gap, channels), 255, np.uint8)
    for place, image in enumerate(images):
        top, left = (height + gap) * (place // columns), (width + gap) * (place % columns)
        sheet[top : top + height, left : left + width] = image
    return sheet[..., 0] if channels == 1 else sheet
