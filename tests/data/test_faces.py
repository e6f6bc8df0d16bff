import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from auxtask.data.face_classes import lfw_image_data
from auxtask.data.faces import FaceData
from auxtask.data.images import read_photo
from auxtask.framework import tf


def test_a_folder_per_person_is_read_in_order(make_folder) -> None:
    folder = make_folder(Cy=1, Ann=2, Bo=3)
    data = FaceData.from_folder(folder, size=20)
    assert data.people == ("Ann", "Bo", "Cy")
    assert data.labels.tolist() == [0, 0, 1, 1, 1, 2]
    assert data.counts.tolist() == [2, 3, 1]
    assert data.photos[2] == str(folder / "Bo" / "01.jpg")
    assert data.notes == []
    for image, path in zip(data.images(), data.photos, strict=True):
        np.testing.assert_array_equal(image, read_photo(path, 20))


@pytest.mark.parametrize("memory_limit", ["1MB", 0])
def test_cache_and_disk_give_the_same_pixels_inside_tf_data(make_folder, memory_limit) -> None:
    data = FaceData.from_folder(make_folder(Ann=3, Bo=3), 16, memory_limit=memory_limit)
    part = data.select(["Bo"])
    batches = tf.data.Dataset.from_tensor_slices([2, 0, 1, 1]).batch(4).map(part.load)
    (batch,) = batches
    assert batch.dtype == tf.uint8
    np.testing.assert_array_equal(batch, part.images([2, 0, 1, 1]))
    np.testing.assert_array_equal(batch[0], read_photo(part.photos[2], 16))
    assert batches.element_spec.shape[1:] == (16, 16, 3)


def test_a_manifest_gives_the_same_data_as_the_folder(make_folder, tmp_path: Path) -> None:
    folder = make_folder(Ann=2, Bo=1)
    rows = [f"{p.relative_to(tmp_path)},{p.parent.name}" for p in sorted(folder.glob("*/*"))]
    table = tmp_path / "faces.csv"
    table.write_text("path,person\n" + "\n".join(reversed(rows)))
    data = FaceData.from_manifest(table, size=20)
    assert data.fingerprint() == FaceData.from_folder(folder, size=20).fingerprint()


def test_photos_that_change_places_are_other_data_where_their_numbers_count(make_folder) -> None:
    data = FaceData.from_folder(make_folder(Ann=3, Bo=1), size=20)
    swapped = data.subset([1, 0, 2, 3])
    assert swapped.fingerprint() == data.fingerprint()
    assert swapped.fingerprint(in_order=True) != data.fingerprint(in_order=True)


def test_parts_keep_photos_and_people_together(make_folder) -> None:
    data = FaceData.from_folder(make_folder(Ann=1, Bo=2, Cy=3, Di=4), size=20)
    assert data.with_at_least(3).people == ("Cy", "Di")
    assert data.with_at_most(1).people == ("Ann",)
    part = data.select({"Di", "Bo"})
    assert part.people == ("Bo", "Di") and part.labels.tolist() == [0, 0, 1, 1, 1, 1]
    assert all(part.people[label] in path for label, path in zip(part.labels, part.photos, strict=True))
    few = part.subset([5, 0])
    assert few.people == part.people and few.labels.tolist() == [1, 0]
    np.testing.assert_array_equal(few.images(), part.images([5, 0]))


def test_people_are_split_without_overlap_and_both_sides_have_pairs(make_folder) -> None:
    counts = {f"p{i}": 1 + i % 2 for i in range(20)}
    data = FaceData.from_folder(make_folder(**counts), size=20)
    rest, held_out = data.split_people(0.2, seed=3)
    assert not set(rest.people) & set(held_out.people)
    assert rest.num_people == 16 and held_out.counts.tolist().count(2) == 2
    assert data.split_people(0.2, seed=3)[1].people == held_out.people
    assert data.split_people(0.2, seed=4)[1].people != held_out.people


def test_draws_are_nested_and_refuse_more_than_there_are(make_folder) -> None:
    data = FaceData.from_folder(make_folder(Ann=4, Bo=3), size=20)
    assert set(data.draw(1, seed=0)) < set(data.draw(3, seed=0))
    with pytest.raises(ValueError, match="4 photos per person is more than the pool holds: Bo has 3 of 4"):
        data.draw(4, seed=0)


def test_the_fingerprint_sees_names_and_pixels_but_not_order(make_folder) -> None:
    folder = make_folder(Ann=2, Bo=2)
    data = FaceData.from_folder(folder, size=20)
    assert data.subset([3, 1, 0, 2]).fingerprint() == data.fingerprint()
    assert data.subset([0, 1, 2]).fingerprint() != data.fingerprint()
    assert FaceData.from_folder(folder, size=16).fingerprint() != data.fingerprint()
    (folder / "Bo").rename(folder / "Bea")
    assert FaceData.from_folder(folder, size=20).fingerprint() != data.fingerprint()


def test_drawn_people_are_named_and_differ_between_seeds() -> None:
    data = FaceData.drawn(3, 2, seed=0, size=32)
    assert data.people == ("drawn-0001", "drawn-0002", "drawn-0003")
    assert data.images().shape == (6, 32, 32, 3)
    assert data.fingerprint() == FaceData.drawn(3, 2, seed=0, size=32).fingerprint()
    assert not set(data.digests) & set(FaceData.drawn(3, 2, seed=1, size=32).digests)
    with pytest.raises(ValueError, match="num_people=0"):
        FaceData.drawn(0, 2)


def test_missing_and_empty_folders_are_named(tmp_path: Path, make_folder) -> None:
    with pytest.raises(FileNotFoundError, match="gone: no such folder"):
        FaceData.from_folder(tmp_path / "gone")
    (tmp_path / "empty" / "Ann").mkdir(parents=True)
    with pytest.raises(ValueError, match="empty: holds no photos"):
        FaceData.from_folder(tmp_path / "empty")
    with pytest.raises(ValueError, match=r"one person only \(Ann\)"):
        FaceData.from_folder(make_folder(Ann=3))


def test_bad_photos_stop_the_reading_or_are_skipped_and_counted(make_folder) -> None:
    folder = make_folder(Ann=2, Bo=2)
    (folder / "Ann" / "03.jpg").write_text("no photo")
    whole = (folder / "Bo" / "02.jpg").read_bytes()
    (folder / "Bo" / "02.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"(03|02)\.jpg"):
        FaceData.from_folder(folder)
    data = FaceData.from_folder(folder, on_bad="skip")
    assert data.counts.tolist() == [2, 1]
    assert len(data.notes) == 1
    assert "2 photos skipped" in data.notes[0] and "03.jpg" in data.notes[0]


def test_nobody_vanishes_because_no_photo_of_them_can_be_read(make_folder) -> None:
    folder = make_folder(Ann=2, Bo=2, Cy=1)
    (folder / "Cy" / "01.jpg").write_text("no photo")
    with pytest.raises(ValueError, match="none of the 1 photos of 'Cy' can be read; .* take this person out"):
        FaceData.from_folder(folder, on_bad="skip")


def test_links_to_nowhere_are_photos_that_cannot_be_read(make_folder) -> None:
    folder = make_folder(Ann=2, Bo=2)
    (folder / "Ann" / "03.jpg").symlink_to(folder / "gone.jpg")
    with pytest.raises(FileNotFoundError, match=r"03\.jpg: no such photo"):
        FaceData.from_folder(folder)
    (note,) = FaceData.from_folder(folder, on_bad="skip").notes
    assert "1 photos skipped" in note and "03.jpg" in note


def test_mixed_sizes_are_resized_and_said_once(make_folder, write_photo) -> None:
    folder = make_folder(Ann=2, Bo=2)
    write_photo(folder / "Bo" / "big.jpg", 999, (60, 40))
    data = FaceData.from_folder(folder, size=20)
    assert data.images().shape == (5, 20, 20, 3)
    (note,) = data.notes
    assert "2 sizes, from 20x20 to 60x40" in note


def test_one_photo_under_two_names_is_refused(make_folder) -> None:
    folder = make_folder(Ann=2, Bo=2)
    shutil.copy(folder / "Ann" / "02.jpg", folder / "Bo" / "other.jpg")
    with pytest.raises(ValueError, match="two people's names, 'Ann' and 'Bo'"):
        FaceData.from_folder(folder)


def test_a_copy_of_a_persons_own_photo_is_left_out(make_folder) -> None:
    folder = make_folder(Ann=2, Bo=2)
    shutil.copy(folder / "Ann" / "02.jpg", folder / "Ann" / "copy.jpg")
    data = FaceData.from_folder(folder)
    assert data.counts.tolist() == [2, 2] and "1 copies" in data.notes[0]


def test_a_photo_saved_again_in_another_file_is_a_copy_too(make_folder) -> None:
    folder = make_folder(Ann=2, Bo=2)
    with Image.open(folder / "Ann" / "02.jpg") as photo:
        photo.save(folder / "Ann" / "again.png")
    data = FaceData.from_folder(folder)
    assert data.counts.tolist() == [2, 2] and "1 copies" in data.notes[0]
    with Image.open(folder / "Ann" / "02.jpg") as photo:
        photo.save(folder / "Bo" / "again.png")
    with pytest.raises(ValueError, match="two people's names, 'Ann' and 'Bo'"):
        FaceData.from_folder(folder)


def test_photos_beside_and_below_the_folders_of_people_are_counted(make_folder) -> None:
    folder = make_folder(Ann=2, Bo=2)
    (folder / "Ann" / "more").mkdir()
    shutil.copy(folder / "Ann" / "01.jpg", folder / "Ann" / "more" / "1.jpg")
    shutil.copy(folder / "Bo" / "01.jpg", folder / "loose.jpg")
    data = FaceData.from_folder(folder)
    assert data.num_photos == 4 and any("2 photos passed over, which do not lie in" in note for note in data.notes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,person\na.jpg,Ann\n", "no column 'path'"),
        ("path,persons\na.jpg,Ann\n", "no column 'person'.*'persons'"),
        ("path,person\n", "no rows"),
        ("path;person\nfaces/Ann/01.jpg;Ann\n", "its columns are divided by ';', expected ','"),
        ("path,person\nfaces/Ann/01.jpg,Ann\ngone.jpg,Bo\n", "row 3: no such photo: gone.jpg"),
        ("path,person\nfaces/Ann/01.jpg,\n", "row 2: nothing in column 'person'"),
        ("path,person\nfaces/Ann/01.jpg,Smith, Ann\n", "row 2: a field too many, 'Ann'"),
        ('path,person\nfaces/Ann/01.jpg,"Ann\nfaces/Bo/01.jpg,Bo\n', "is not a CSV text file .unexpected end"),
        ("path,person,person\nfaces/Ann/01.jpg,Ann,Bo\n", "2 columns are called 'person'"),
    ],
)
def test_a_manifest_is_checked_row_by_row(make_folder, tmp_path, text: str, message: str) -> None:
    make_folder(Ann=1, Bo=1)
    table = tmp_path / "faces.csv"
    table.write_text(text)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        FaceData.from_manifest(table)
    assert "\n" not in str(error.value)


def test_senseless_requests_say_what_would_do(make_folder) -> None:
    data = FaceData.from_folder(make_folder(Ann=2, Bo=2))
    with pytest.raises(ValueError, match="'Anne'.* closest is 'Ann'"):
        data.select(["Anne"])
    with pytest.raises(ValueError, match="none of 2 people has 5 photos or more: they have 2 to 2"):
        data.with_at_least(5)
    with pytest.raises(ValueError, match="memory_limit='much'"):
        FaceData.from_folder(make_folder(), memory_limit="much")
    with pytest.raises(ValueError, match="one side empty"):
        data.split_people(0.1, seed=0)


@pytest.mark.data
def test_labeled_faces_in_the_wild_has_its_known_numbers(data_root: Path) -> None:
    data = FaceData.lfw(data_root, size=16)
    assert (data.num_people, data.num_photos) == (5749, 13233)
    at_least = [data.with_at_least(k).num_people for k in (2, 5, 10, 20)]
    assert at_least == [1680, 423, 158, 62]
    train = FaceData.lfw(data_root, size=16, people="view1_train")
    assert train.num_people == 4038


def test_labeled_faces_are_found_under_a_data_root_or_refused_in_words(make_folder, tmp_path: Path) -> None:
    root = make_folder("root", **{"faces/lfw/Ann_B": 3, "faces/lfw/Cy": 1, "faces/lfw/Di": 2})
    assert FaceData.lfw(root, 20).people == ("Ann_B", "Cy", "Di")
    with pytest.raises(FileNotFoundError, match="no Labeled Faces in the Wild here"):
        FaceData.lfw(tmp_path / "elsewhere", 20)
    with pytest.raises(ValueError, match="people='some': valid are 'all'"):
        FaceData.lfw(root, 20, people="some")  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match="a file of the official protocol is missing"):
        FaceData.lfw(root, 20, people="view1_train")
    protocol = root / "faces" / "lfw-protocol" / "peopleDevTrain.txt"
    protocol.parent.mkdir()
    protocol.write_text("2\nAnn_B\t3\nDi\t2\n")
    assert FaceData.lfw(root, 20, people="view1_train").people == ("Ann_B", "Di")
    protocol.write_text("1\nAnn_C\t3\n")
    with pytest.raises(ValueError, match="no person called 'Ann_C' among 3; the closest is 'Ann_B'"):
        FaceData.lfw(root, 20, people="view1_train")


def test_people_with_many_photos_are_classes_and_all_others_have_no_label(make_folder) -> None:
    root = make_folder("root", **{"faces/lfw/Ann": 4, "faces/lfw/Bo": 1, "faces/lfw/Cy": 3, "faces/lfw/Di": 2})
    data = lfw_image_data(root, 20, least=3)
    assert data.names == ("Ann", "Cy")
    assert (data.train.counts + data.test.counts).tolist() == [4, 3] and data.test.counts.min() == 1
    assert len(data.unlabelled) == 3
    with pytest.raises(ValueError, match="9 photos or more"):
        lfw_image_data(root, 20, least=9)
