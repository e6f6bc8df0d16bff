"""The files of Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017): where they are, what they hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from auxtask.data.idx_files import read_idx_pair
from auxtask.framework import keras

# Names without capitals or spaces, so that each is one word on a command line and in a file name.
FASHION_NAMES = (
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle-boot",
)
_FASHION_PARTS = {"train": "train", "test": "t10k"}
_DEBIAN = Path("/usr/share/dataset-fashion-mnist")


def fashion_mnist_folder(root: str | Path | None = None) -> Path | None:
    """Find the folder with Fashion-MNIST's four official files; None if there is none."""
    names = [file.name for part in ("train", "test") for file in fashion_files(Path(), part)]
    under_root = [Path(root) / "images" / "fashion_mnist"] if root is not None else []
    for folder in [*under_root, _DEBIAN, *sorted(_DEBIAN.glob("**/"))]:
        # One of the four is enough to mean it: what is missing is then said, and not silently replaced by digits.
        if any((folder / form).exists() for name in names for form in (name, name.removesuffix(".gz"))):
            return folder
    return None


def fashion_files(folder: Path, part: str) -> tuple[Path, Path]:
    """Give the official files of images and labels of a part, "train" or "test", gzipped unless only the other is."""

    def one(kind: str) -> Path:
        zipped = folder / f"{_FASHION_PARTS[part]}-{kind}-ubyte.gz"
        plain = zipped.with_suffix("")
        return plain if plain.exists() and not zipped.exists() else zipped

    return one("images-idx3"), one("labels-idx1")


def read_fashion_part(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Read a part, "train" or "test": uint8 [n, 28, 28, 1] and int64 [n].

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_idx_pair`; if the files are of another data set, naming the one.
    """
    of_images, of_labels = fashion_files(folder, part)
    images, labels = read_idx_pair(of_images, of_labels)
    if labels.max() >= len(FASHION_NAMES):
        raise ValueError(f"{of_labels}: holds label {labels.max()}, but Fashion-MNIST has 10 classes, 0 to 9")
    if images.shape[1:3] != (28, 28):
        found = f"{images.shape[1]} x {images.shape[2]}"
        raise ValueError(f"{of_images}: holds images of {found}, but Fashion-MNIST's are 28 x 28")
    return images, labels


def download_fashion() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Have Keras download both parts; FileNotFoundError, in one line, where it cannot."""
    try:
        train, test = keras.datasets.fashion_mnist.load_data()
    except Exception as error:  # Keras raises a bare Exception where the network fails
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FileNotFoundError(
            f"no Fashion-MNIST in the data root or from Debian's package, and Keras cannot download it ({reason})"
        ) from None
    return {part: (x[..., None], y.astype(np.int64)) for part, (x, y) in (("train", train), ("test", test))}
