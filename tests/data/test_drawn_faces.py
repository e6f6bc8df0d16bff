import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from auxtask.data.drawn_faces import draw_faces, draw_photos
from auxtask.data.drawn_people import PERSON, draw_people


def test_the_seed_decides_who_is_drawn() -> None:
    one, same, other = (draw_photos(3, 2, seed=s) for s in (0, 0, 1))
    assert one.shape == (6, 64, 64, 3) and one.dtype == np.uint8
    np.testing.assert_array_equal(one, same)
    assert (one != other).any((1, 2, 3)).all()


def test_no_two_photos_of_a_person_are_alike() -> None:
    photos = draw_photos(1, 9, seed=0)
    assert len({photo.tobytes() for photo in photos}) == 9


def test_every_trait_shows() -> None:
    """Under the same circumstances, moving any one trait over its range changes some photo."""
    people = draw_people(24, np.random.default_rng(0))
    people["glasses"][:12], people["mole"][:12] = 0.9, 0.9
    people["hair_grey"][:12] = -1
    people["iris_light"][:] = 0.8
    before = draw_faces(people, seed=0)
    for name, (low, high) in PERSON.items():
        changed = {**people, name: np.where(people[name] > (low + high) / 2, low, high)}
        changed[name] = changed[name].astype(np.float32)
        difference = np.abs(draw_faces(changed, seed=0).astype(int) - before)
        assert difference.max() > 10, name


def test_pixels_alone_do_badly_but_better_than_chance() -> None:
    num_people, known, tested = 12, 5, 10
    photos = draw_photos(num_people, known + tested, seed=7)[:, ::2, ::2]
    photos = photos.reshape(num_people, known + tested, -1) / 255 - 0.5
    train, test = photos[:, :known], photos[:, known:]
    model = LogisticRegression(C=0.01, max_iter=100)
    model.fit(train.reshape(num_people * known, -1), np.repeat(np.arange(num_people), known))
    rank1 = model.score(test.reshape(num_people * tested, -1), np.repeat(np.arange(num_people), tested))
    assert 1.5 / num_people < rank1 < 0.5


@pytest.mark.parametrize("size", [16, 80])
def test_any_size_can_be_drawn(size: int) -> None:
    small, usual = draw_photos(2, 2, seed=3, size=size), draw_photos(2, 2, seed=3)
    assert small.shape == (4, size, size, 3)
    # Noise aside, the same scene: the mean colour stays.
    assert np.abs(small.mean((1, 2)) - usual.mean((1, 2))).max() < 6
