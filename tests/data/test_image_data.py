"""Pictures with classes: where they come from, how classes are left out, what is refused."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_digits

from auxtask.data import fashion_files
from auxtask.data.fashion_files import FASHION_NAMES
from auxtask.data.image_data import ImageData
from auxtask.data.labelled_images import LabelledImages

RANDOM = np.random.default_rng(0)


def pictures(labels: np.ndarray, names: tuple[str, ...]) -> LabelledImages:
    """Pictures whose first pixel says their class."""
    images = RANDOM.integers(0, 256, (len(labels), 8, 8, 1), np.uint8)
    images[:, 0, 0, 0] = labels
    return LabelledImages(images, labels, names)


def write_fashion(root: Path, counts: dict[str, int], zipped: bool = True) -> Path:
    """The four official files, small, under a data root."""
    folder = root / "images" / "fashion_mnist"
    folder.mkdir(parents=True)
    for part, count in counts.items():
        labels = np.arange(count, dtype=np.uint8) % 10
        images = np.repeat(labels, 784).reshape(count, 28, 28)
        images[:, 0, 0] = images[:, 0, 0] if part == "t10k" else 255  # no test picture is a training picture
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            head = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
            path = folder / f"{part}-{kind}-ubyte{'.gz' if zipped else ''}"
            path.write_bytes(gzip.compress(head + array.tobytes()) if zipped else head + array.tobytes())
    return folder


@pytest.fixture(autouse=True)
def no_debian(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fashion_files, "_DEBIAN", tmp_path / "no-debian")


@given(st.permutations(["a", "b", "c", "d"]), st.integers(1, 4), st.lists(st.integers(0, 3), min_size=1))
def test_only_some_classes_keep_their_pictures_under_new_labels(
    order: list[str], count: int, labels: list[int]
) -> None:
    whole = pictures(np.array(labels), ("a", "b", "c", "d"))
    part = whole.only(order[:count])
    assert part.names == tuple(order[:count])
    own = [whole.names[pixel] for pixel in part.images[:, 0, 0, 0]]
    assert own == [part.names[label] for label in part.labels]
    assert len(part) == np.isin(whole.labels, [whole.names.index(name) for name in part.names]).sum()


def test_without_some_classes_is_only_the_others() -> None:
    whole = pictures(np.arange(20) % 4, ("a", "b", "c", "d"))
    part = whole.without(["b", "d"])
    assert part.names == ("a", "c")
    np.testing.assert_array_equal(part.images, whole.only(["a", "c"]).images)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["sandle"], "did you mean 'sandal'"),
        (["bag", "bag"], "twice"),
        ("bag", "sequence of class names"),
        ([], "no class left"),
    ],
)
def test_classes_that_cannot_be_kept_are_refused(names, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        pictures(np.arange(10), FASHION_NAMES).only(names)


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        (np.zeros((3, 8, 8, 1)), np.zeros(3, int), "uint8"),
        (np.zeros((3, 8, 8), np.uint8), np.zeros(3, int), "height, width, channels"),
        (np.zeros((3, 8, 8, 1), np.uint8), np.zeros(2, int), "3 images need as many"),
        (np.zeros((3, 8, 8, 1), np.uint8), np.full(3, 2), "labels from 2 to 2, but 2 classes"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(images, labels, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        LabelledImages(images, labels, ("a", "b"))


def test_the_fingerprint_knows_pictures_labels_and_names_and_order_if_asked() -> None:
    whole = pictures(np.arange(10) % 2, ("a", "b"))
    assert whole.take(RANDOM.permutation(10)).fingerprint() == whole.fingerprint()
    assert whole.take(np.arange(10)[::-1]).fingerprint(in_order=True) != whole.fingerprint(in_order=True)
    assert whole.take(np.arange(9)).fingerprint() != whole.fingerprint()
    assert LabelledImages(whole.images, 1 - whole.labels, whole.names).fingerprint() != whole.fingerprint()


@pytest.mark.parametrize("zipped", [True, False])
def test_the_official_files_are_read_from_a_data_root(tmp_path: Path, zipped: bool) -> None:
    write_fashion(tmp_path, {"train": 60, "t10k": 20}, zipped)
    data = ImageData.fashion_mnist(tmp_path)
    assert (len(data.train), len(data.test), data.shape, data.names) == (60, 20, (28, 28, 1), FASHION_NAMES)
    assert (data.train.images[:, 5, 5, 0] == data.train.labels).all()
    pair = data.only(("sandal", "shirt"))
    assert {*np.unique(pair.test.images)} == {5, 6} and pair.test.labels.tolist() == [0, 1, 0, 1]
    assert data.without(("sandal", "shirt")).names == tuple(n for n in FASHION_NAMES if n not in pair.names)


def test_debians_files_are_found_without_a_data_root(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(fashion_files, "_DEBIAN", write_fashion(tmp_path, {"train": 20, "t10k": 10}).parent)
    assert len(ImageData.fashion_mnist().train) == 20


def test_without_files_the_error_says_where_they_belong(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"images/fashion_mnist/train-images-idx3-ubyte\.gz.*Debian"):
        ImageData.fashion_mnist(tmp_path)


def test_keras_downloads_only_when_asked_and_its_failure_is_one_line(tmp_path: Path, monkeypatch) -> None:
    def fail():
        raise Exception("URL fetch failure on somewhere")

    monkeypatch.setattr(fashion_files.keras.datasets.fashion_mnist, "load_data", fail)
    with pytest.raises(FileNotFoundError, match="cannot download it .URL fetch failure"):
        ImageData.fashion_mnist(tmp_path, download=True)
    images, labels = np.zeros((10, 28, 28), np.uint8), np.arange(10, dtype=np.uint8)
    parts = ((images + 1, labels), (images, labels))
    monkeypatch.setattr(fashion_files.keras.datasets.fashion_mnist, "load_data", lambda: parts)
    assert ImageData.fashion_mnist(download=True).train.images.shape == (10, 28, 28, 1)


@pytest.mark.parametrize(
    ("name", "array", "said"),
    [
        ("t10k-labels-idx1-ubyte.gz", np.arange(10, 20), "label 19, but Fashion-MNIST has 10 classes"),
        ("t10k-images-idx3-ubyte.gz", np.zeros((10, 8, 8)), "images of 8 x 8, but Fashion-MNIST's are 28 x 28"),
    ],
)
def test_a_file_of_another_data_set_is_named(tmp_path: Path, name: str, array: np.ndarray, said: str) -> None:
    folder = write_fashion(tmp_path, {"train": 20, "t10k": 10})
    head = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    (folder / name).write_bytes(gzip.compress(head + array.astype(np.uint8).tobytes()))
    with pytest.raises(ValueError, match=said) as raised:
        ImageData.fashion_mnist(tmp_path)
    assert str(raised.value).startswith(str(folder / name))


def test_a_missing_file_among_the_four_is_named(tmp_path: Path) -> None:
    folder = write_fashion(tmp_path, {"train": 20, "t10k": 10})
    (folder / "train-images-idx3-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match="train-images"):
        ImageData.fashion_mnist(tmp_path)


def test_digits_are_scikit_learns_split_once_by_the_seed() -> None:
    data, again, other = (ImageData.digits(seed=seed) for seed in (0, 0, 1))
    assert data.test.fingerprint() == again.test.fingerprint() != other.test.fingerprint()
    both = np.concatenate([data.train.images, data.test.images])[..., 0]
    found = sorted(image.tobytes() for image in np.round(both / 255 * 16).astype(np.uint8))
    assert found == sorted(image.astype(np.uint8).tobytes() for image in load_digits().images)
    assert (data.test.counts == np.floor(0.4 * (data.test.counts + data.train.counts))).all()


def write_folder(folder: Path, counts: dict[str, int]) -> Path:
    for name, count in counts.items():
        for number in range(count):
            path = folder / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(RANDOM.integers(0, 256, (12, 12, 3), np.uint8)).save(path)
    return folder


def test_a_folder_has_a_class_per_sub_folder_and_unlabelled_pictures(tmp_path: Path) -> None:
    data = ImageData.from_folder(write_folder(tmp_path, {"cat": 6, "dog": 4, "unlabelled/deep": 5}), size=12)
    assert data.names == ("cat", "dog") and data.shape == (12, 12, 3)
    assert data.train.counts.tolist() == data.test.counts.tolist() == [3, 2]
    assert len(data.unlabelled) == 5 and data.notes == ()
    with Image.open(tmp_path / "cat" / "0.png") as first:
        pixels = np.asarray(first)
    assert (np.concatenate([data.train.images, data.test.images]) == pixels).all((1, 2, 3)).sum() == 1


def test_copies_are_dropped_and_test_pictures_do_not_stay_among_the_unlabelled(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, {"cat": 4, "dog": 4, "unlabelled": 2})
    (folder / "dog" / "copy.png").write_bytes((folder / "dog" / "0.png").read_bytes())
    for path in folder.glob("cat/*.png"):
        (folder / "unlabelled" / f"cat{path.name}").write_bytes(path.read_bytes())
    data = ImageData.from_folder(folder, size=12)
    assert len(data.train) + len(data.test) == 8
    assert len(data.unlabelled) == 4
    assert any("1 exact copies" in note for note in data.notes)
    assert any("2 unlabelled images dropped that are test images too" in note for note in data.notes)


def test_a_test_picture_written_anew_is_found_by_its_pixels(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, {"cat": 4, "dog": 8, "unlabelled": 2})
    before = ImageData.from_folder(folder, size=12)
    tested = Image.fromarray(before.test.images[0])
    (folder / "unlabelled" / "deep").mkdir()
    tested.save(folder / "unlabelled" / "deep" / "anew.bmp")
    after = ImageData.from_folder(folder, size=12)
    np.testing.assert_array_equal(after.test.images, before.test.images)
    np.testing.assert_array_equal(after.unlabelled, before.unlabelled)
    assert any("1 unlabelled images dropped that are test images too" in note for note in after.notes)


def saved_anew(path: Path, target: Path) -> None:
    """Write the same pixels as another file."""
    with Image.open(path) as picture:
        picture.save(target)


def test_a_picture_in_two_files_of_one_class_is_kept_once_and_changes_no_draw(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, {"cat": 8, "dog": 8})
    for number in range(4):
        saved_anew(folder / "cat" / f"{number}.png", folder / "cat" / f"{number}.bmp")
    data = ImageData.from_folder(folder, size=12)
    shown = np.concatenate([data.train.images, data.test.images])
    assert len(shown) == len(np.unique(shown, axis=0)) == 16
    assert any("4 images dropped that show the same as another file" in note for note in data.notes)


def test_a_picture_in_two_files_of_two_classes_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, {"cat": 4, "dog": 4})
    saved_anew(folder / "cat" / "1.png", folder / "dog" / "other.bmp")
    with pytest.raises(ValueError, match=r"stands as two classes, 'cat' and 'dog': .*1\.png and .*other\.bmp"):
        ImageData.from_folder(folder, size=12)


def test_a_class_of_one_picture_in_two_files_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, {"cat": 1, "dog": 4})
    saved_anew(folder / "cat" / "0.png", folder / "cat" / "0.bmp")
    with pytest.raises(ValueError, match="cat: too few different pictures to learn from and to test"):
        ImageData.from_folder(folder, size=12)


def test_training_pictures_that_are_test_pictures_are_dropped_whatever_their_class() -> None:
    train, test = (pictures(np.arange(12) % 3, ("a", "b", "c")) for _ in range(2))
    images = train.images.copy()
    images[[2, 7]] = test.images[[0, 5]]
    train = LabelledImages(images, train.labels, train.names)
    found = ImageData("mine", train, test, test.images[3:6], ("read",)).without_test_copies()
    np.testing.assert_array_equal(found.train.images, np.delete(images, [2, 7], axis=0))
    np.testing.assert_array_equal(found.train.labels, np.delete(train.labels, [2, 7]))
    assert found.test is test and found.unlabelled.shape == (0, 8, 8, 1)
    assert found.notes[0] == "read" and "2 training images" in found.notes[1] and "3 unlabelled" in found.notes[2]
    assert found.without_test_copies() is found


def test_files_of_other_kinds_are_counted_and_a_misspelt_unlabelled_is_no_class(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, {"cat": 4, "dog": 4})
    for name in ("a.tif", "b.TIF", "notes"):
        (folder / "cat" / name).write_bytes(b"anything")
    notes = ImageData.from_folder(folder, size=12).notes
    assert any("3 files passed over (no suffix, .TIF, .tif" in note for note in notes)
    (folder / "unlabelled" / "deep").mkdir(parents=True)
    (folder / "unlabelled" / "deep" / "a.gif").write_bytes(b"anything")
    notes = ImageData.from_folder(folder, size=12).notes
    assert any("unlabelled: 1 files passed over (.gif" in note for note in notes)
    write_folder(folder, {"Unlabeled": 4})
    with pytest.raises(ValueError, match="Unlabeled: pictures without labels belong in unlabelled/"):
        ImageData.from_folder(folder, size=12)


def test_pictures_without_labels_are_read_through_links_but_not_from_hidden_folders(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "mine", {"cat": 4, "dog": 4, "unlabelled": 1, "unlabelled/.thumbnails": 3})
    (folder / "unlabelled" / "more").symlink_to(write_folder(tmp_path / "others", {"a/b": 2}))
    (folder / "unlabelled" / "round").symlink_to(folder / "unlabelled")
    assert len(ImageData.from_folder(folder, size=12).unlabelled) == 3


def test_a_class_does_not_vanish_because_none_of_its_pictures_can_be_read(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, {"cat": 4, "dog": 4, "bird": 2})
    for file in (folder / "bird").iterdir():
        file.write_bytes(b"no picture")
    with pytest.raises(ValueError, match="none of the 2 photos of 'bird' can be read; .* take this class out"):
        ImageData.from_folder(folder, size=12, on_bad="skip")


@pytest.mark.parametrize("inside", ["caf\udce9", "unlabelled/caf\udce9"])
def test_a_name_that_is_no_utf8_is_refused_when_it_is_read(inside: str, tmp_path: Path) -> None:
    folder = write_folder(tmp_path, {"cat": 4, "dog": 4, inside: 2})
    with pytest.raises(ValueError, match=r"caf.xe9/0.png.: this name is not UTF-8"):
        ImageData.from_folder(folder, size=12)


def test_folders_that_are_no_data_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere.*<class>"):
        ImageData.from_folder(tmp_path / "nowhere")
    folder = write_folder(tmp_path / "one", {"cat": 4})
    with pytest.raises(ValueError, match="one class only .cat."):
        ImageData.from_folder(folder, size=12)
    write_folder(folder, {"dog": 4})
    (folder / "cat" / "same.png").write_bytes((folder / "dog" / "0.png").read_bytes())
    with pytest.raises(ValueError, match="two classes, 'cat' and 'dog'"):
        ImageData.from_folder(folder, size=12)
    (folder / "cat" / "same.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"same\.png"):
        ImageData.from_folder(folder, size=12)
    data = ImageData.from_folder(folder, size=12, on_bad="skip")
    assert len(data.train) == 4 and any("1 photos skipped" in note for note in data.notes)


@pytest.mark.data
def test_the_true_files_hold_what_they_are_known_to_hold(data_root: Path) -> None:
    data = ImageData.fashion_mnist(data_root)
    assert data.train.counts.tolist() == [6000] * 10 and data.test.counts.tolist() == [1000] * 10


def test_without_fashion_mnists_files_small_pictures_are_digits_and_a_note_says_so(tmp_path: Path) -> None:
    found = ImageData.small("auto", tmp_path)
    assert found.name == "digits" and "--data-root" in found.notes[0]
    write_fashion(tmp_path, {"train": 20, "t10k": 10})
    assert ImageData.small("auto", tmp_path).name == "fashion_mnist"
    assert ImageData.small("digits", tmp_path).name == "digits"
    with pytest.raises(ValueError, match="mnist.*expected auto"):
        ImageData.small("mnist")


def test_both_sides_have_the_same_classes() -> None:
    one, other = pictures(np.arange(4) % 2, ("a", "b")), pictures(np.arange(4) % 2, ("a", "c"))
    with pytest.raises(ValueError, match=r"mine: training has the classes \('a', 'b'\), test \('a', 'c'\)"):
        ImageData("mine", one, other, one.images[:0])
