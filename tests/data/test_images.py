import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from auxtask.data.images import fit_images, photo_digest, read_photo, read_photos


def png_bytes(pixels: np.ndarray, **save: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", **save)
    return stream.getvalue()


def test_a_photo_of_the_right_size_is_returned_pixel_for_pixel() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    np.testing.assert_array_equal(read_photo(png_bytes(pixels), 16), pixels)


def test_the_middle_square_is_cut_before_resizing() -> None:
    pixels = np.zeros((16, 48, 3), np.uint8)
    pixels[:, 16:32] = 200
    assert (read_photo(png_bytes(pixels), 16) == 200).all()


def test_halving_averages_so_that_a_checkerboard_turns_grey() -> None:
    board = (255 * (np.indices((32, 32)).sum(0) % 2)).astype(np.uint8)
    inner = read_photo(png_bytes(np.stack([board] * 3, -1)), 16)[2:-2, 2:-2]
    assert abs(inner.astype(int) - 127).max() <= 2


@pytest.mark.parametrize("shape", [(16, 16), (16, 16, 4)])
def test_grey_and_transparent_photos_become_rgb(shape: tuple[int, ...]) -> None:
    assert read_photo(png_bytes(np.full(shape, 99, np.uint8)), 16).shape == (16, 16, 3)


def test_16_bits_of_a_ppm_keep_their_brightness() -> None:
    pixels = np.random.default_rng(0).integers(0, 65536, (16, 16), np.uint16)
    found = read_photo(b"P5 16 16 65535\n" + pixels.astype(">u2").tobytes(), 16)
    np.testing.assert_array_equal(found[..., 0], pixels >> 8)


def test_16_bits_keep_their_brightness() -> None:
    pixels = np.random.default_rng(0).integers(0, 65536, (16, 16), np.uint16)
    np.testing.assert_array_equal(read_photo(png_bytes(pixels), 16)[..., 1], pixels // 256)


def test_what_is_transparent_becomes_white() -> None:
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[:8, :, 3] = 255  # a black half on nothing
    read = read_photo(png_bytes(pixels), 16)
    assert (read[:8] == 0).all() and (read[8:] == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_noted_as_lying_down_is_set_upright_as_pillow_does(orientation: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = png_bytes(pixels, exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(content))))
    np.testing.assert_array_equal(read_photo(content, 16), expected)


def test_a_whole_photo_is_read_whatever_its_other_tags_hold() -> None:
    """A width that is text: Pillow's own transposition writes all tags anew, and fails there."""
    lying = Image.fromarray(np.zeros((16, 24, 3), np.uint8))
    content = io.BytesIO()
    # A TIFF header, two tags: width as the text "ab", orientation 6.
    tags = b"\x01\x00\x00\x02\x00\x00\x00\x03ab\x00\x00" + b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"
    exif = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x02" + tags + b"\x00\x00\x00\x00"
    lying.save(content, "JPEG", exif=exif)
    with pytest.raises(struct.error):
        ImageOps.exif_transpose(Image.open(io.BytesIO(content.getvalue())))
    assert read_photo(content.getvalue(), 16).shape == (16, 16, 3)


def test_bad_files_are_named_with_what_is_wrong(make_folder, tmp_path: Path) -> None:
    good = make_folder(Ann=1) / "Ann" / "01.jpg"
    text, cut, empty = (tmp_path / f"{name}.jpg" for name in ("text", "cut", "empty"))
    text.write_text("this is no photo")
    cut.write_bytes(good.read_bytes()[:-200])
    empty.write_bytes(b"")
    for path, reason in ((text, "holds no photo"), (cut, "damaged"), (empty, "is empty")):
        with pytest.raises(ValueError, match=reason) as error:
            read_photo(path, 16)
        assert str(path) in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(FileNotFoundError, match=r"nobody\.jpg"):
        read_photo(tmp_path / "nobody.jpg", 16)


def test_skipping_leaves_out_the_bad_and_says_which(make_folder) -> None:
    folder = make_folder(Ann=3) / "Ann"
    paths = sorted(folder.iterdir())
    paths[1].write_text("this is no photo")
    photos = read_photos(paths, 20, on_bad="skip")
    assert photos.kept.tolist() == [0, 2]
    assert [path for path, _ in photos.skipped] == [str(paths[1])]
    np.testing.assert_array_equal(photos.images[1], read_photo(paths[2], 20))
    assert photos.digests[0] == photo_digest(paths[0].read_bytes())
    assert photos.shapes == {(20, 20): 2}


def test_senseless_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="'raise' and 'skip'"):
        read_photos([], 16, on_bad="ignore")
    with pytest.raises(ValueError, match="size=2"):
        read_photos([], 2)


def test_pictures_are_fitted_as_they_would_be_read_from_files(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, 24, 40, 3), np.uint8)
    for number, (picture, fitted) in enumerate(zip(pictures, fit_images(pictures, 16, 3), strict=True)):
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
        np.testing.assert_array_equal(fitted, read_photo(tmp_path / f"{number}.png", 16))
    grey = pictures[..., :1]
    np.testing.assert_array_equal(fit_images(fit_images(grey, 16, 3), 16, 1), fit_images(grey, 16, 1))
    with pytest.raises(ValueError, match="channels=2"):
        fit_images(pictures, 16, 2)
    with pytest.raises(ValueError, match="must be uint8"):
        fit_images(pictures / 255, 16, 3)
