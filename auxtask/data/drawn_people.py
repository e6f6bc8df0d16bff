"""Who the drawn people are, and under what circumstances a photo of them is taken.

Both are tables of independent uniform ranges, so every trait is continuous and no two people are
alike. Lengths are in face units: a face is about 1.5 high and 1.1 wide, its middle is (0, 0), down
is positive. Angles are in radians, colours and shares in 0..1.
"""

from __future__ import annotations

import numpy as np

Traits = dict[str, np.ndarray]

PERSON: dict[str, tuple[float, float]] = {
    "face_width": (0.46, 0.63),
    "face_height": (0.66, 0.82),
    "jaw": (-0.15, 0.75),  # narrowing towards the chin
    "skin_light": (0.0, 1.0),
    "skin_warmth": (-0.06, 0.06),
    "ear_size": (0.07, 0.15),
    "hair_light": (0.0, 1.0),
    "hair_red": (0.0, 1.0),
    "hair_grey": (-1.5, 1.0),  # above 0: that much
    "hair_volume": (0.02, 0.2),
    "hair_length": (-0.55, 0.95),  # how far down it hangs
    "hair_line": (-0.62, -0.3),
    "hair_part": (-0.5, 0.5),
    "hair_arch": (-0.9, 0.7),
    "eye_distance": (0.19, 0.29),
    "eye_height": (-0.16, -0.02),
    "eye_width": (0.085, 0.145),
    "eye_roundness": (0.4, 0.8),
    "eye_tilt": (-0.3, 0.3),
    "iris_light": (0.0, 1.0),
    "iris_blue": (0.0, 1.0),
    "brow_gap": (0.11, 0.21),
    "brow_thickness": (0.016, 0.055),
    "brow_length": (0.11, 0.19),
    "brow_tilt": (-0.4, 0.4),
    "brow_bend": (-0.5, 3.0),
    "nose_length": (0.2, 0.38),
    "nose_width": (0.06, 0.15),
    "nose_ridge": (0.025, 0.06),
    "mouth_height": (0.34, 0.48),
    "mouth_width": (0.13, 0.27),
    "lip_upper": (0.018, 0.055),
    "lip_lower": (0.022, 0.07),
    "lip_red": (0.1, 0.9),
    "cheek": (-0.6, 0.6),  # above 0: how red
    "beard": (-1.0, 1.0),  # above 0: how dense
    "beard_top": (0.15, 0.5),
    "moustache": (-1.0, 1.0),
    "glasses": (-1.5, 1.0),  # above 0: worn
    "glasses_size": (0.14, 0.2),
    "glasses_shape": (0.65, 1.0),
    "glasses_light": (0.0, 0.7),
    "mole": (-1.0, 1.0),
    "mole_x": (-0.32, 0.32),
    "mole_y": (0.05, 0.5),
}

CIRCUMSTANCE: dict[str, tuple[float, float]] = {
    "shift_x": (-0.16, 0.16),
    "shift_y": (-0.14, 0.14),
    "scale": (0.84, 1.16),
    "roll": (-0.34, 0.34),
    "yaw": (-0.6, 0.6),
    "pitch": (-0.09, 0.09),
    "smile": (-0.7, 1.6),
    "mouth_open": (-0.07, 0.07),
    "brow_raise": (-0.025, 0.045),
    "eye_open": (0.55, 1.15),
    "gaze": (-0.4, 0.4),
    "light_x": (-1.0, 1.0),
    "light_y": (-0.8, 0.45),
    "light_strength": (0.15, 0.85),
    "exposure": (0.5, 1.35),
    "warmth": (-0.22, 0.22),  # colour cast, red against blue
    "tint": (-0.1, 0.1),  # colour cast, green against both
    "haze": (0.0, 0.3),
    "blur": (1.0, 3.2),  # width of edges, in pixels of 64
    "noise": (0.0, 0.07),
    "occluded": (0.0, 1.0),  # above 0.65: something is in the way
    "occluder_x": (-0.8, 0.8),
    "occluder_y": (-0.8, 0.9),
    "occluder_width": (0.15, 0.5),
    "occluder_height": (0.1, 0.35),
    "occluder_tilt": (-1.0, 1.0),
    "glasses_off": (0.0, 1.0),  # above 0.85: left at home
    "hair_shift": (-0.06, 0.06),
    **{
        f"{what}_{channel}": (0.05, 0.95)
        for what in ("back", "blob", "occluder", "clothes")
        for channel in ("red", "green", "blue")
    },
    "blob_x": (-1.2, 1.2),
    "blob_y": (-1.2, 1.2),
    "blob_size": (0.3, 1.0),
    "stripe_x": (-1.2, 1.2),
    "stripe_tilt": (-1.5, 1.5),
    "stripe_width": (0.05, 0.4),
    "stripe_light": (0.0, 1.0),
}


def draw_people(num_people: int, random: np.random.Generator) -> Traits:
    """Make people: for each name in `PERSON`, float32 [num_people]."""
    return _uniform(PERSON, num_people, random)


def draw_circumstances(num_photos: int, random: np.random.Generator) -> Traits:
    """Make what differs from photo to photo: for each name in `CIRCUMSTANCE`, float32 [n]."""
    return _uniform(CIRCUMSTANCE, num_photos, random)


def _uniform(ranges: dict[str, tuple[float, float]], count: int, random: np.random.Generator) -> Traits:
    low, high = (np.array(side, np.float32) for side in zip(*ranges.values(), strict=True))
    values = low + (high - low) * random.random((count, len(ranges)), np.float32)
    return {name: values[:, column] for column, name in enumerate(ranges)}
