import shutil

import pytest

from auxtask.data.faces import FaceData
from auxtask.data.overlap import refuse_overlap


@pytest.fixture
def strangers(make_folder) -> FaceData:
    return FaceData.from_folder(make_folder("strangers", Ann=2, Bo=2, Eve_Smith=1))


def test_strangers_pass(make_folder, strangers: FaceData) -> None:
    folder = make_folder("targets", x=0, y=0, w=0, Cy=1, Di=1)  # photos of other seeds
    assert refuse_overlap(strangers, FaceData.from_folder(folder)) == []


def test_the_same_photo_in_another_file_is_found(make_folder, strangers: FaceData) -> None:
    folder = make_folder("targets", x=0, y=0, Cy=1, Di=1)  # Cy's is Eve's
    for photo in folder.glob("*/*.jpg"):
        photo.write_bytes(photo.read_bytes() + photo.parent.name.encode())
    with pytest.raises(ValueError, match="Cy .*the same photo is there as Eve_Smith"):
        refuse_overlap(strangers, FaceData.from_folder(folder))


def test_a_name_in_both_is_refused_or_returned(strangers: FaceData) -> None:
    target = strangers.select(["Bo", "Eve_Smith"])
    with pytest.raises(ValueError, match="2 of the target people .* Bo, Eve_Smith"):
        refuse_overlap(strangers, target)
    assert refuse_overlap(strangers, target, allow=True) == ["Bo", "Eve_Smith"]
    assert refuse_overlap(["eve smith"], target, allow=True) == ["Eve_Smith"]


def test_the_same_photo_under_another_name_is_refused(make_folder, strangers: FaceData) -> None:
    folder = make_folder("targets")
    for name, source in (("Me", strangers.photos[0]), ("You", strangers.photos[2])):
        (folder / name).mkdir()
        shutil.copy(source, folder / name)
    with pytest.raises(ValueError, match="Me .*the same photo is there as Ann"):
        refuse_overlap(strangers, FaceData.from_folder(folder))


def test_people_without_photos_in_a_part_do_not_count(strangers: FaceData) -> None:
    assert refuse_overlap(strangers.subset([0, 1]), strangers.select(["Bo"])) == []
