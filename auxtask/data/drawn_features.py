"""The parts of a drawn face, from the frontmost to the hair behind the head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from auxtask.data.drawn_people import Traits
from auxtask.data.drawn_shapes import Shapes

_SKIN = np.array([[0.25, 0.15, 0.1], [0.98, 0.82, 0.72]], np.float32)  # dark, light
_HAIR = np.array([[0.06, 0.05, 0.05], [0.9, 0.78, 0.5]], np.float32)
_RED_HAIR = np.array([0.5, 0.2, 0.08], np.float32)
_LIP = np.array([0.75, 0.22, 0.25], np.float32)
_SIDES = (-1.0, 1.0)


@dataclass
class _Face:
    """One person's traits with one photo's circumstances, and the colours that follow."""

    person: Traits
    photo: Traits

    def __post_init__(self) -> None:
        person = self.person
        skin = _mix(_SKIN[0], _SKIN[1], person["skin_light"])
        skin += person["skin_warmth"][:, None] * np.array([1.0, 0.0, -1.0], np.float32)
        hair = _mix(_HAIR[0], _HAIR[1], person["hair_light"] ** 2)
        hair = _mix(hair, _RED_HAIR, 0.8 * person["hair_red"] ** 3)
        self.skin = skin
        self.hair = _mix(hair, np.float32(0.7), np.maximum(person["hair_grey"], 0))
        self.sin, self.cos = np.sin(self.photo["yaw"]), np.cos(self.photo["yaw"])

    def turned(self, u: np.ndarray | float, v: np.ndarray | float, depth: float) -> tuple[np.ndarray, np.ndarray]:
        """Place a point of the face, `depth` in front of the axis about which the head turns."""
        across = u * self.cos + depth * self.sin
        return across, v + self.photo["pitch"] * (depth / 0.4)

    def narrowed(self, side: float) -> np.ndarray:
        """Tell how wide what lies on one side of the face looks."""
        return np.maximum(self.cos - 0.35 * side * self.sin, 0.35)

    def shade(self, amount: np.ndarray | float) -> np.ndarray:
        """Give the skin's colour, darker (or with a negative amount lighter)."""
        return self.skin * (1 - np.asarray(amount, np.float32).reshape(-1, 1))


def add_person(shapes: Shapes, person: Traits, photo: Traits) -> None:
    """Add one person's shapes per picture to `shapes`."""
    face = _Face(person, photo)
    outline = _cutters(shapes, face)
    _add_glasses(shapes, face)
    _add_hair_front(shapes, face)
    for side in _SIDES:
        _add_brow(shapes, face, side)
        _add_eye(shapes, face, side)
    _add_nose(shapes, face)
    _add_mouth(shapes, face)
    _add_skin_marks(shapes, face)
    _add_beard(shapes, face, outline)
    _add_head(shapes, face)


def _cutters(shapes: Shapes, face: _Face) -> int:
    """Add the outline of the face, which cuts beard and fringe."""
    person = face.person
    return shapes.ellipse(
        face.turned(0.0, 0.0, 0.08),
        (person["face_width"] * 1.02, person["face_height"]),
        egg=person["jaw"],
    )


def _add_glasses(shapes: Shapes, face: _Face) -> None:
    person = face.person
    worn = (person["glasses"] > 0) & (face.photo["glasses_off"] <= 0.85)
    frame = np.repeat(person["glasses_light"][:, None], 3, 1) * np.array([1, 0.8, 0.6], np.float32)
    size = person["glasses_size"]
    for side in _SIDES:
        centre = face.turned(side * (person["eye_distance"] + 0.02), person["eye_height"] + 0.02, 0.4)
        width, height = size * face.narrowed(side), size * person["glasses_shape"]
        rim = shapes.ellipse(centre, (width, height), frame, worn)
        hole = shapes.ellipse(centre, (width - 0.035, height - 0.035))
        shapes.cut(rim, hole, keep_inside=False)
    bridge = face.turned(0.0, person["eye_height"], 0.45)
    shapes.ellipse(bridge, (person["eye_distance"] * 0.4, 0.018), frame, worn)


def _add_hair_front(shapes: Shapes, face: _Face) -> None:
    person, photo = face.person, face.photo
    top = face.turned(0.0, -0.08, 0.0)
    volume = person["hair_volume"]
    cap = shapes.ellipse(top, (person["face_width"] + volume * 0.6, person["face_height"] - 0.06 + volume), face.hair)
    line = shapes.above(
        person["hair_line"] + photo["pitch"] + photo["hair_shift"],
        person["hair_part"] + 0.3 * face.sin,
        person["hair_arch"],
    )
    shapes.cut(cap, line)


def _add_brow(shapes: Shapes, face: _Face, side: float) -> None:
    person, photo = face.person, face.photo
    height = person["eye_height"] - person["brow_gap"] - photo["brow_raise"]
    shapes.ellipse(
        face.turned(side * (person["eye_distance"] + 0.015), height, 0.4),
        (person["brow_length"] * face.narrowed(side), person["brow_thickness"]),
        face.hair * 0.7,
        0.9,
        tilt=side * person["brow_tilt"],
        bend=person["brow_bend"],
    )


def _add_eye(shapes: Shapes, face: _Face, side: float) -> None:
    person, photo = face.person, face.photo
    u, v = face.turned(side * person["eye_distance"], person["eye_height"], 0.38)
    width = person["eye_width"] * face.narrowed(side)
    height = person["eye_width"] * person["eye_roundness"] * photo["eye_open"]
    tilt = side * person["eye_tilt"]
    open_eye = shapes.ellipse((u, v), (width, height), tilt=tilt)
    look = u + photo["gaze"] * width
    iris_colour = _mix(
        _mix(np.array([0.2, 0.1, 0.04]), np.array([0.5, 0.4, 0.2]), person["iris_light"]),
        np.array([0.3, 0.5, 0.75]),
        np.where(person["iris_blue"] > 0.6, person["iris_light"], 0),
    )
    radius = 0.062
    for size, colour in ((radius * 0.45, iris_colour * 0), (radius, iris_colour)):
        shapes.cut(shapes.ellipse((look, v), (size * face.cos, size), colour), open_eye)
    white = np.full((len(u), 3), 0.93, np.float32)
    shapes.ellipse((u, v), (width, height), white, tilt=tilt)
    # The lid: a dark line around the upper half, and the socket's shadow.
    shapes.ellipse((u, v - 0.012), (width + 0.018, height + 0.012), face.shade(0.7), tilt=tilt)
    shapes.ellipse((u, v - 0.01), (width + 0.06, height + 0.06), face.shade(0.15), 0.6, tilt=tilt)


def _add_nose(shapes: Shapes, face: _Face) -> None:
    person = face.person
    base = person["eye_height"] + person["nose_length"]
    tip_u, tip_v = face.turned(0.0, base, 0.58)
    root_u, _ = face.turned(0.0, base, 0.42)
    width = person["nose_width"]
    for side in _SIDES:
        nostril = (tip_u + side * width * 0.5 * face.narrowed(side), tip_v + 0.02)
        shapes.ellipse(nostril, (width * 0.3, 0.022), face.shade(0.7), 0.9)
    shapes.ellipse((tip_u, tip_v - 0.02), (width * 0.5, width * 0.42), face.shade(-0.14), 0.7)
    shapes.ellipse((tip_u, tip_v), (width, width * 0.5), face.shade(0.17))
    middle = ((tip_u + root_u) / 2, tip_v - person["nose_length"] * 0.5)
    lean = -(tip_u - root_u) / person["nose_length"]
    ridge = (person["nose_ridge"], person["nose_length"] * 0.52)
    shapes.ellipse((middle[0] - 0.6 * lean * 0.05, middle[1]), ridge, face.shade(-0.12), 0.7)
    shaded = (middle[0] + 0.04 * np.sign(face.photo["light_x"]), middle[1])
    shapes.ellipse(shaded, (ridge[0] * 1.7, ridge[1]), face.shade(0.16), 0.8)


def _add_mouth(shapes: Shapes, face: _Face) -> None:
    person, photo = face.person, face.photo
    u, v = face.turned(0.0, person["mouth_height"], 0.42)
    width = person["mouth_width"] * (1 + 0.12 * photo["smile"]) * face.cos
    bend = -photo["smile"] * 0.9
    gap = np.maximum(photo["mouth_open"], 0)
    lips = _mix(face.skin * np.array([0.8, 0.6, 0.6], np.float32), _LIP, person["lip_red"] * 0.7)
    inside = face.skin * np.array([0.3, 0.12, 0.12], np.float32)
    teeth = np.full_like(inside, 0.9)
    shapes.ellipse((u, v - gap * 0.3), (width * 0.7, 0.4 * gap + 1e-3), teeth, gap > 0.03, bend=bend)
    shapes.ellipse((u, v), (width, gap + 0.012), inside, bend=bend)
    upper, lower = person["lip_upper"], person["lip_lower"]
    shapes.ellipse((u, v - gap), (width, upper + 0.005), lips * 0.88, bend=bend)
    shapes.ellipse((u, v + gap + lower * 0.5), (width * 0.85, lower), lips, bend=bend)


def _add_skin_marks(shapes: Shapes, face: _Face) -> None:
    person = face.person
    spot = face.turned(person["mole_x"], person["mole_y"], 0.35)
    shapes.ellipse(spot, (0.03, 0.03), face.shade(0.65), person["mole"] > 0.3)
    red = face.skin * np.array([1.05, 0.72, 0.72], np.float32)
    strength = np.maximum(person["cheek"], 0)
    for side in _SIDES:
        cheek = face.turned(side * 0.3, 0.2, 0.3)
        shapes.ellipse(cheek, (0.16 * face.narrowed(side), 0.12), red, strength)


def _add_beard(shapes: Shapes, face: _Face, outline: int) -> None:
    person = face.person
    strength = np.clip(person["beard"] * 1.6, 0, 0.92)
    u, v = face.turned(0.0, person["mouth_height"] - 0.07, 0.43)
    shapes.ellipse(
        (u, v),
        (person["mouth_width"] * 1.05 * face.cos, 0.04),
        face.hair * 0.85,
        np.clip(person["moustache"] * 1.6, 0, 0.92),
        bend=0.8,
    )
    centre = face.turned(0.0, person["face_height"] * 0.75 + person["beard_top"] * 0.4, 0.25)
    beard = shapes.ellipse(centre, (person["face_width"] * 1.1, 0.45), face.hair * 0.85, strength, bend=-0.5)
    shapes.cut(beard, outline)


def _add_head(shapes: Shapes, face: _Face) -> None:
    person = face.person
    width, height = person["face_width"], person["face_height"]
    shapes.ellipse(face.turned(0.0, 0.0, 0.08), (width, height), face.skin, egg=person["jaw"])
    for side in _SIDES:
        ear = face.turned(side * (width + 0.02), person["eye_height"] + 0.06, -0.05)
        size = person["ear_size"]
        shapes.ellipse(ear, (size * 0.6, size), face.shade(0.12))
    shapes.ellipse((0.0, 0.85), (width * 0.55, 0.5), face.shade(0.3))
    volume, length = person["hair_volume"], person["hair_length"]
    top = -(height + volume)
    behind = (-0.04 * face.sin, (top + length) / 2)
    shapes.ellipse(behind, (width + volume, (length - top) / 2), face.hair * 0.75)


def _mix(first: np.ndarray | np.floating, second: np.ndarray | np.floating, share: np.ndarray) -> np.ndarray:
    share = np.asarray(share, np.float32)[:, None]
    return (first * (1 - share) + second * share).astype(np.float32)
