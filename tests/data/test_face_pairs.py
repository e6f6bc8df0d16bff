import shutil
from pathlib import Path

import numpy as np
import pytest

from auxtask.data.face_pairs import FacePairs
from auxtask.data.faces import FaceData
from auxtask.data.images import read_photo
from auxtask.framework import tf


@pytest.fixture
def write_table(make_folder, tmp_path: Path):
    make_folder("p", a=12, b=12)

    def write(*rows: str, header: str = "left,right,same") -> Path:
        table = tmp_path / "pairs.csv"
        table.write_text("\n".join([header, *rows]) + "\n")
        return table

    return write


def photo(number: int) -> str:
    return f"p/{'a' if number <= 12 else 'b'}/{(number - 1) % 12 + 1:02d}.jpg"


def row(left: int, right: int, same: object) -> str:
    return f"{photo(left)},{photo(right)},{same}"


def test_pairs_point_at_their_photos(write_table) -> None:
    pairs = FacePairs.from_csv(write_table(row(1, 2, 1), row(2, 3, "no"), row(5, 1, "TRUE")), 16)
    assert len(pairs) == 3 and pairs.same.tolist() == [True, False, True]
    assert [Path(p).name for p in pairs.left] == ["01.jpg", "02.jpg", "05.jpg"]
    np.testing.assert_array_equal(pairs.images(pairs.right_rows)[1], read_photo(pairs.right[1], 16))
    (batch,) = tf.data.Dataset.from_tensors(pairs.left_rows).map(pairs.load)
    np.testing.assert_array_equal(batch, pairs.images(pairs.left_rows))


def test_people_are_the_components_of_the_same_pairs(write_table) -> None:
    table = write_table(row(1, 2, 1), row(2, 3, 1), row(4, 5, 1), row(3, 4, 0), row(6, 7, 0))
    pairs = FacePairs.from_csv(table)
    who = pairs.people
    assert who[0] == who[1] == who[2] and who[3] == who[4] != who[0] and len(set(who)) == 4
    where = pairs.components
    assert len(set(where[:5])) == 1 and where[5] == where[6] != where[0]


def test_a_split_keeps_components_whole_and_loses_nothing(write_table) -> None:
    rows = []
    for i in range(1, 24, 3):
        rows += [row(i, i + 1, 1), row(i + 1, i + 2, 0)]
    pairs = FacePairs.from_csv(write_table(*rows))
    rest, held_out = pairs.split(0.25, seed=0)
    assert (len(rest), len(held_out)) == (12, 4)
    assert not {*rest.left, *rest.right} & {*held_out.left, *held_out.right}
    assert pairs.split(0.25, seed=0)[1].left == held_out.left


def test_one_component_is_split_by_people_and_the_loss_is_said(write_table) -> None:
    rows = [row(i, i + 1, 1) for i in range(1, 24, 2)]
    rows += [row(i, j, 0) for i in range(1, 24, 2) for j in range(i + 2, 24, 2)]
    pairs = FacePairs.from_csv(write_table(*rows))
    rest, held_out = pairs.split(0.3, seed=0)
    assert not {*rest.left, *rest.right} & {*held_out.left, *held_out.right}
    lost = len(pairs) - len(rest) - len(held_out)
    assert lost > 0 and held_out.notes[-1].startswith(f"{lost} of {len(pairs)} pairs")
    assert held_out.same.sum() == 4


def test_copies_of_a_file_are_one_photo(write_table, tmp_path: Path) -> None:
    shutil.copy(tmp_path / photo(1), tmp_path / "copy.jpg")
    table = write_table(row(1, 2, 1), f"copy.jpg,{photo(3)},1", row(4, 5, 0))
    pairs = FacePairs.from_csv(table)
    assert pairs.left_rows[0] == pairs.left_rows[1]
    assert pairs.people[pairs.right_rows[0]] == pairs.people[pairs.right_rows[1]]


def test_bad_photos_take_their_pairs_along(write_table, tmp_path: Path) -> None:
    (tmp_path / photo(4)).write_text("no photo")
    table = write_table(row(1, 2, 1), row(2, 3, 0), row(4, 5, 1))
    with pytest.raises(ValueError, match=r"04\.jpg"):
        FacePairs.from_csv(table)
    pairs = FacePairs.from_csv(table, on_bad="skip")
    assert len(pairs) == 2 and any("1 pairs skipped" in note for note in pairs.notes)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row(1, 2, 1), "gone.jpg,p/a/01.jpg,0"], "row 3: no such photo: gone.jpg"),
        ([row(1, 2, "maybe")], "row 2: same='maybe'"),
        ([row(1, 1, 1)], "row 2: a photo is paired with itself"),
        ([row(1, 2, 1), row(2, 1, 0)], "row 3: contradicts .*row 2"),
        ([row(1, 2, 0)], "no positive pair"),
        ([row(1, 2, 1)], "no negative pair"),
    ],
)
def test_rows_are_checked(write_table, rows: list[str], message: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        FacePairs.from_csv(write_table(*rows))


def test_a_missing_column_is_named(write_table) -> None:
    with pytest.raises(ValueError, match="no column 'same'"):
        FacePairs.from_csv(write_table(row(1, 2, 1), header="left,right,label"))


def test_too_few_people_cannot_be_split(write_table) -> None:
    pairs = FacePairs.from_csv(write_table(row(1, 2, 1), row(2, 3, 0)))
    with pytest.raises(ValueError, match="cannot be split by person"):
        pairs.split(0.5, seed=0)


def test_a_protocol_file_is_read_as_published(make_folder, tmp_path: Path) -> None:
    folder = make_folder("root", **{"faces/lfw/A_B": 2, "faces/lfw/C": 1})
    for path in folder.glob("faces/lfw/*/*.jpg"):
        path.rename(path.with_name(f"{path.parent.name}_00{path.name}"))
    protocol = folder / "faces" / "lfw-protocol"
    protocol.mkdir()
    (protocol / "pairsDevTest.txt").write_text("1\nA_B\t1\t2\nC\t1\tA_B\t2\n")
    pairs = FacePairs.lfw_view1(folder, "test", size=16)
    assert pairs.same.tolist() == [True, False]
    assert [Path(p).name for p in pairs.right] == ["A_B_0002.jpg", "A_B_0002.jpg"]
    (protocol / "pairsDevTest.txt").write_text("1\nA_B\t1\t9\n")
    with pytest.raises(FileNotFoundError, match="line 2: no such photo"):
        FacePairs.lfw_view1(folder, "test")


@pytest.mark.data
def test_view_1_has_its_published_numbers_and_no_shared_people(data_root: Path) -> None:
    sides = [FacePairs.lfw_view1(data_root, part, size=16) for part in ("train", "test")]
    assert [(len(s), int(s.same.sum())) for s in sides] == [(2200, 1100), (1000, 500)]
    names = [{Path(p).parent.name for p in (*s.left, *s.right)} for s in sides]
    assert not names[0] & names[1]


def test_pairs_drawn_from_known_people_are_half_the_same_and_never_a_photo_with_itself() -> None:
    data = FaceData.drawn(6, 3, seed=0, size=20)
    pairs = FacePairs.from_faces(data, 40, seed=1)
    assert pairs.same.sum() == 20
    assert (pairs.left_rows != pairs.right_rows).all()
    assert (pairs.same == (data.labels[pairs.left_rows] == data.labels[pairs.right_rows])).all()
    np.testing.assert_array_equal(pairs.images([3]), data.images([3]))
    again = FacePairs.from_faces(data, 40, seed=1)
    np.testing.assert_array_equal(pairs.right_rows, again.right_rows)
    with pytest.raises(ValueError, match="no positive pair"):
        FacePairs.from_faces(FaceData.drawn(6, 1, seed=0, size=20), 10)
    with pytest.raises(ValueError, match="num_pairs=1"):
        FacePairs.from_faces(data, 1)


def test_a_protocol_file_is_checked_line_by_line(make_folder) -> None:
    root = make_folder("root", **{"faces/lfw/Ann": 2, "faces/lfw/Bo": 1})
    for photo in root.rglob("*.jpg"):
        photo.rename(photo.with_name(f"{photo.parent.name}_00{photo.name}"))
    protocol = root / "faces" / "lfw-protocol" / "pairsDevTest.txt"
    protocol.parent.mkdir()
    protocol.write_text("1\nAnn\t1\t2\nAnn\t1\tBo\t1\n")
    assert FacePairs.lfw_view1(root, "test", 20).same.tolist() == [True, False]
    for line, said in (
        ("Ann\t1", "line 2: expected 3 or 4 fields, found 2"),
        ("Ann\t1\ttwo", "line 2: expected the number of a photo of Ann, found 'two'"),
        ("Ann\t1\t7", "line 2: no such photo: .*Ann_0007.jpg"),
    ):
        protocol.write_text(f"1\n{line}\n")
        with pytest.raises((ValueError, FileNotFoundError), match=f"pairsDevTest.txt, {said}"):
            FacePairs.lfw_view1(root, "test", 20)
    with pytest.raises(ValueError, match="part='dev': valid are 'train' and 'test'"):
        FacePairs.lfw_view1(root, "dev", 20)  # type: ignore[arg-type]
