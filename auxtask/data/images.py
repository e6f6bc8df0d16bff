"""Photo files become square RGB arrays, bad ones are named; arrays become what a network takes."""

from __future__ import annotations

import hashlib
import io
import os
import struct
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import ExifTags, Image

from auxtask.data.one_line import first_line

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm")
_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "PPM")  # nothing else is decoded, whatever a file is called
OnBad = Literal["raise", "skip"]
# By EXIF's orientation. `ImageOps.exif_transpose` does the same, but writes all other tags anew, and fails where one of
# them, of no interest here, is of a wrong type.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Photos:
    """What `read_photos` found.

    Attributes
    ----------
    images : uint8 [n, size, size, 3], or None where only a check was asked for
    kept : int [n], which of the paths these are
    skipped : (path, reason) of every file that could not be read
    digests : n digests (16 bytes) of the files' bytes: equal digests mean the same file
    pixel_digests : n digests of what was decoded and resized: equal digests mean the same pixels, from whatever files
    shapes : how often each (width, height) occurred, before resizing
    """

    images: np.ndarray | None
    kept: np.ndarray
    skipped: tuple[tuple[str, str], ...]
    digests: tuple[bytes, ...]
    pixel_digests: tuple[bytes, ...]
    shapes: dict[tuple[int, int], int]


def photo_digest(content: bytes | memoryview) -> bytes:
    """Give 16 bytes that two photos share exactly when their content is the same."""
    return hashlib.blake2b(content, digest_size=16).digest()


def read_photo(source: str | os.PathLike[str] | bytes, size: int) -> np.ndarray:
    """Decode one photo, cut its middle square and resize it.

    Parameters
    ----------
    source
        a path, or the bytes of a photo file
    size
        side of the square that is returned, in pixels

    Returns
    -------
    uint8 [size, size, 3], RGB

    Raises
    ------
    FileNotFoundError
        if there is no such file
    ValueError
        if the file is not a photo or is damaged; the message names it
    """
    if isinstance(source, bytes):
        return _decode(source, size, "photo given as bytes")[0]
    return _decode(_file_bytes(source), size, os.fspath(source))[0]


def read_photos(
    paths: Sequence[str | os.PathLike[str]],
    size: int,
    on_bad: OnBad = "raise",
    threads: int | None = None,
    keep_images: bool = True,
) -> Photos:
    """Decode many photos, several at a time.

    Parameters
    ----------
    paths
        the files
    size
        side of the squares that are returned, in pixels
    on_bad
        "raise" stops at the first file that cannot be read, "skip" leaves such files out
    threads
        how many photos are decoded at the same time; by default the number of cores
    keep_images
        False checks every file and gives digests, but no images

    Raises
    ------
    FileNotFoundError, ValueError
        as `read_photo`, with on_bad="raise"
    """
    if on_bad not in ("raise", "skip"):
        raise ValueError(f"on_bad={on_bad!r}: valid are 'raise' and 'skip'")
    check_size(size)
    images = np.empty((len(paths) if keep_images else 0, size, size, 3), np.uint8)

    def read(position: int) -> tuple[bytes, bytes, tuple[int, int]] | str:
        """Read one photo into its place: digests of file and pixels, original shape, or what is wrong with it."""
        name = os.fspath(paths[position])
        try:
            content = _file_bytes(name)
            image, shape = _decode(content, size, name)
        except (ValueError, FileNotFoundError) as error:
            if on_bad == "raise":
                raise
            return str(error)
        if keep_images:
            images[position] = image
        return photo_digest(content), photo_digest(np.ascontiguousarray(image).data), shape

    # Pillow gives up the interpreter's lock while it decodes and resizes, so threads suffice.
    with ThreadPoolExecutor(threads or num_cores()) as pool:
        try:
            results = list(pool.map(read, range(len(paths))))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    kept = [i for i, result in enumerate(results) if not isinstance(result, str)]
    good = [result for result in results if not isinstance(result, str)]
    bad = [(os.fspath(paths[i]), r) for i, r in enumerate(results) if isinstance(r, str)]
    if keep_images and bad:
        images = images[kept]
    return Photos(
        images if keep_images else None,
        np.asarray(kept, np.int64),
        tuple(bad),
        tuple(digest for digest, _, _ in good),
        tuple(digest for _, digest, _ in good),
        dict(Counter(shape for _, _, shape in good)),
    )


def fit_images(images: np.ndarray, size: int, channels: int) -> np.ndarray:
    """Give pictures another size and number of channels, as `read_photo` would have read them from files.

    Parameters
    ----------
    images : uint8 [n, height, width, 1 or 3]
    size : int
        Side of the squares that are returned; the middle square of each picture is resized to it.
    channels : int
        1: colour becomes brightness (ITU-R BT.601); 3: grey is repeated.

    Returns
    -------
    uint8 [n, size, size, channels]

    Raises
    ------
    ValueError
        Another type, shape or number of channels.
    """
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3):
        raise ValueError(f"images must be uint8 [n, height, width, 1 or 3], not {images.dtype} {list(images.shape)}")
    if channels not in (1, 3):
        raise ValueError(f"channels={channels}: pictures have 1 (grey) or 3 (colour)")
    if images.shape[1:3] != (size, size):
        resized = np.empty((len(images), size, size, images.shape[3]), np.uint8)
        for i, image in enumerate(images):
            square = _square(Image.fromarray(image[..., 0] if image.shape[2] == 1 else image), size)
            resized[i] = np.asarray(square).reshape(resized.shape[1:])
        images = resized
    if images.shape[3] == channels:
        return images
    if channels == 3:
        return np.repeat(images, 3, axis=3)
    # Pillow's own whole numbers, so that a grey file read as RGB comes out as it was.
    return ((images @ np.array([19595, 38470, 7471]) + 0x8000) >> 16).astype(np.uint8)[..., None]


def check_size(size: int) -> None:
    """Refuse a side that no photo can have."""
    if not 8 <= size <= 4096:
        raise ValueError(f"size={size}: a photo's side must be between 8 and 4096 pixels")


def num_cores() -> int:
    """Count the cores that this process may use (a container often has fewer than the machine)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _file_bytes(path: str | os.PathLike[str]) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"{os.fspath(path)}: no such photo") from None
    except OSError as error:
        raise ValueError(f"{os.fspath(path)}: cannot be read ({error.strerror})") from None


def _decode(content: bytes, size: int, name: str) -> tuple[np.ndarray, tuple[int, int]]:
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as photo:
            shape = photo.size
            # A large JPEG is decoded at a half, a quarter or an eighth: never below `size`.
            photo.draft("RGB", (size, size))
            # Telephones store portraits lying down, with a note of which way is up.
            turned = _UPRIGHT.get(photo.getexif().get(ExifTags.Base.Orientation, 1))
            upright = _colours(photo if turned is None else photo.transpose(turned))
    except Image.UnidentifiedImageError:
        reason = "is empty" if not content else "holds no photo that can be decoded"
        raise ValueError(f"{name}: {reason} (valid: JPEG, PNG, BMP, WebP, PPM)") from None
    except (OSError, SyntaxError, ValueError, TypeError, struct.error, Image.DecompressionBombError) as error:
        raise ValueError(f"{name}: damaged photo ({first_line(error)})") from None
    return np.asarray(_square(upright, size)), shape


def _colours(photo: Image.Image) -> Image.Image:
    """Make it RGB: 16 bits become 8 (Pillow alone would cut them off at 255), what is transparent becomes white."""
    if photo.mode.startswith("I"):  # some formats are read as 32 bits that hold 16
        levels = np.asarray(photo)
        deep = photo.mode.startswith("I;16") or levels.max() > 255
        return Image.fromarray((levels >> 8 if deep else levels).astype(np.uint8)).convert("RGB")
    if photo.has_transparency_data:
        photo = photo.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", photo.size, "white"), photo).convert("RGB")
    return photo.convert("RGB")


def _square(photo: Image.Image, size: int) -> Image.Image:
    width, height = photo.size
    if width == height == size:
        return photo
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    # Pillow's bilinear filter widens with the reduction: no aliasing.
    box = (left, top, left + side, top + side)
    return photo.resize((size, size), Image.Resampling.BILINEAR, box=box)
