"""A seeded renderer of people who do not exist: labelled photos without a data set.

People differ in some forty continuous traits (`drawn_people.PERSON`); every photo has its own pose,
light, expression, blur, noise, occlusion and background (`drawn_people.CIRCUMSTANCE`), strong
enough that comparing pixels does badly. A network trained on these knows drawn faces only.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import threadpool_limits

from auxtask.data.drawn_features import add_person
from auxtask.data.drawn_people import Traits, draw_circumstances, draw_people
from auxtask.data.drawn_shapes import Shapes, monomials
from auxtask.data.images import num_cores

_AT_ONCE = 8  # photos: enough to amortise Python, few enough for the cache
_NOISE_BANK = 1 << 20


def draw_photos(num_people: int, photos_per_person: int, seed: int = 0, size: int = 64) -> np.ndarray:
    """Draw people and photos of them.

    Parameters
    ----------
    num_people, photos_per_person
        how many
    seed
        other seeds give other people
    size
        side of the square photos, in pixels

    Returns
    -------
    uint8 [num_people * photos_per_person, size, size, 3], person by person
    """
    people = draw_people(num_people, np.random.default_rng([seed, 0]))
    each = np.repeat(np.arange(num_people), photos_per_person)
    return draw_faces({name: trait[each] for name, trait in people.items()}, seed, size)


def draw_faces(people: Traits, seed: int, size: int = 64) -> np.ndarray:
    """Draw one photo of each of these people, each under circumstances of its own.

    Parameters
    ----------
    people
        for each trait of `drawn_people.PERSON`, float32 [n]
    seed
        draws circumstances and noise
    size
        side of the square photos, in pixels

    Returns
    -------
    uint8 [n, size, size, 3]
    """
    num_photos = len(people["face_width"])
    random = np.random.default_rng([seed, 1])
    photo = draw_circumstances(num_photos, random)
    bank = random.standard_normal(_NOISE_BANK + 3 * size * size, np.float32)
    starts = random.integers(0, _NOISE_BANK, num_photos)
    scene = _Scene(people, photo, size)
    images = np.empty((num_photos, size, size, 3), np.uint8)

    def draw(first: int) -> None:
        part = slice(first, first + _AT_ONCE)
        noise = np.stack([bank[s : s + 3 * size * size] for s in starts[part]])
        noise = noise.reshape(-1, 3, size * size)
        images[part] = scene.render(part, noise)

    # NumPy gives up the interpreter's lock in its loops, so threads use all cores. The matrix
    # products are small: threads of their own would make them twice as slow.
    with threadpool_limits(1), ThreadPoolExecutor(num_cores()) as pool:
        list(pool.map(draw, range(0, num_photos, _AT_ONCE)))
    return images


class _Scene:
    """All photos' shapes, and the way from a pixel to face coordinates."""

    def __init__(self, people: Traits, photo: Traits, size: int) -> None:
        self._size = size
        self._photo = photo
        edge = photo["blur"] * (2 / 64) / photo["scale"]
        shapes = Shapes(len(edge), edge)
        _add_occluder(shapes, photo)
        add_person(shapes, people, photo)
        _add_background(shapes, photo)
        self._shapes = shapes
        self._painted = np.flatnonzero(~np.array(shapes.is_cutter))
        self._polynomials = np.concatenate([shapes.polynomials(), _relief(people, photo)], axis=1).astype(np.float32)
        self._strengths = shapes.strengths()[..., None]
        self._colours = self._developed(shapes.colours()).transpose(0, 2, 1)
        line = (np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1
        self._x, self._y = (plane.ravel() for plane in np.meshgrid(line, line))

    def _developed(self, colours: np.ndarray) -> np.ndarray:
        """Apply the colour cast to the palette: cheaper than to every pixel, and the same."""
        warmth, tint = self._photo["warmth"], self._photo["tint"]
        cast = np.stack([1 + warmth, 1 + tint, 1 - warmth], 1)
        return (colours * (cast * self._photo["exposure"][:, None])[:, None]).astype(np.float32)

    def render(self, part: slice, noise: np.ndarray) -> np.ndarray:
        """Draw a part of the photos."""
        photo = {name: value[part, None] for name, value in self._photo.items()}
        x, y = self._x - photo["shift_x"], self._y - photo["shift_y"]
        cos, sin = np.cos(photo["roll"]) / photo["scale"], np.sin(photo["roll"]) / photo["scale"]
        planes = self._polynomials[part] @ monomials(cos * x + sin * y, cos * y - sin * x)
        coverage, depth, slope = planes[:, :-2], planes[:, -2], planes[:, -1]
        np.maximum(coverage, 0, out=coverage)
        np.minimum(coverage, self._strengths[part], out=coverage)
        for shape, by in self._shapes.inside:
            coverage[:, shape] *= coverage[:, by]
        for shape, by in self._shapes.outside:
            coverage[:, shape] *= 1 - coverage[:, by]
        image = self._composed(coverage, part)
        np.maximum(depth, 0, out=depth)
        light = slope + photo["light_strength"] * np.sqrt(depth)
        np.clip(light, 0.12, 1.5, out=light)
        haze = photo["haze"]
        light *= 255 * (1 - haze)
        image *= light[:, None]
        noise *= (255 * photo["noise"])[..., None]
        noise += (255 * 0.7 * haze)[..., None]
        image += noise
        np.clip(image, 0, 255, out=image)
        pixels = image.astype(np.uint8).transpose(0, 2, 1)
        return pixels.reshape(-1, self._size, self._size, 3)

    def _composed(self, coverage: np.ndarray, part: slice) -> np.ndarray:
        """Mix the shapes' colours, each seen as far as those before it let through: [n, 3, P]."""
        through = np.ones_like(coverage[:, 0])
        for shape in self._painted:
            seen = coverage[:, shape]
            seen *= through
            through -= seen
        return self._colours[part] @ coverage


def _relief(people: Traits, photo: Traits) -> np.ndarray:
    """Give two more polynomials: the head as an ellipsoid, and the light's slope across it."""
    count = len(photo["light_x"])
    forms = np.zeros((count, 2, 9), np.float32)
    forms[:, 0, 0] = 1
    forms[:, 0, 2] = -1 / (1.15 * people["face_width"]) ** 2
    forms[:, 0, 6] = -1 / (1.1 * people["face_height"]) ** 2
    forms[:, 1, 0] = 1 - photo["light_strength"] * 0.6
    forms[:, 1, 1] = photo["light_strength"] * photo["light_x"] * 1.1
    forms[:, 1, 5] = photo["light_strength"] * photo["light_y"] * 0.8
    return forms


def _add_occluder(shapes: Shapes, photo: Traits) -> None:
    shapes.ellipse(
        (photo["occluder_x"], photo["occluder_y"]),
        (photo["occluder_width"], photo["occluder_height"]),
        _colour(photo, "occluder"),
        strength=photo["occluded"] > 0.65,
        tilt=photo["occluder_tilt"],
    )


def _add_background(shapes: Shapes, photo: Traits) -> None:
    shapes.ellipse((0.0, 1.45), (0.95, 0.62), _colour(photo, "clothes"))
    shapes.ellipse(
        (photo["stripe_x"], 0.0),
        (photo["stripe_width"], 3.0),
        np.repeat(photo["stripe_light"][:, None], 3, 1),
        strength=0.7,
    )
    size = photo["blob_size"]
    shapes.ellipse((photo["blob_x"], photo["blob_y"]), (size, size), _colour(photo, "blob"))
    shapes.ellipse((0.0, 0.0), (99.0, 99.0), _colour(photo, "back"))


def _colour(traits: Traits, what: str) -> np.ndarray:
    return np.stack([traits[f"{what}_{channel}"] for channel in ("red", "green", "blue")], 1)
