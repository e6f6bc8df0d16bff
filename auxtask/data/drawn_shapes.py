"""Anti-aliased shapes on a pixel grid, for many pictures at once.

Every shape's inside is where a polynomial in the face coordinates (u, v) is positive: bent and
tilted ellipses and curved borders all are combinations of the nine monomials of `MONOMIALS`. One
matrix product therefore gives the signed distances (to first order) of all shapes at all pixels of
a picture, and clipping them gives coverage with smooth edges.
"""

from __future__ import annotations

import numpy as np

# 1, u, u^2, u^3, u^4, v, v^2, u v, u^2 v
MONOMIALS = 9
Number = np.ndarray | float


class Shapes:
    """Shapes of `num_pictures` pictures, from the frontmost to the one farthest back.

    Parameters
    ----------
    num_pictures
        how many pictures each shape is given for
    edge
        float32 [num_pictures], how wide edges are, in face units: the blur

    Notes
    -----
    All numbers given to the methods are one value per picture or one for all.
    """

    def __init__(self, num_pictures: int, edge: np.ndarray) -> None:
        self._num_pictures = num_pictures
        self._edge = edge
        self._polynomials: list[np.ndarray] = []
        self._strengths: list[np.ndarray] = []
        self._colours: list[np.ndarray] = []
        self.is_cutter: list[bool] = []
        self.inside: list[tuple[int, int]] = []
        self.outside: list[tuple[int, int]] = []

    def ellipse(
        self,
        centre: tuple[Number, Number],
        radii: tuple[Number, Number],
        colour: np.ndarray | None = None,
        strength: Number = 1.0,
        tilt: Number = 0.0,
        bend: Number = 0.0,
        egg: Number = 0.0,
    ) -> int:
        """Add an ellipse.

        Parameters
        ----------
        centre, radii
            (u, v)
        colour
            [num_pictures, 3]; None adds a shape that is only used to cut others
        strength
            how opaque
        tilt
            slope of its long axis (a shear: fine for small tilts)
        bend
            curvature of its long axis, positive for a smile's opposite
        egg
            how fast it narrows downwards
        """
        (cu, cv), (ru, rv) = centre, radii
        # (u - cu)^2 / ru^2 + (v - p(u))^2 / rv^2, where p is the long axis as a parabola in u.
        p0, p1, p2 = cv - tilt * cu + bend * cu**2, tilt - 2 * bend * cu, bend
        au, av = 1 / ru**2, 1 / rv**2
        form = self._stack(
            [
                au * cu**2 + av * p0**2,
                -2 * au * cu + av * 2 * p0 * p1,
                au + av * (p1**2 + 2 * p0 * p2),
                av * 2 * p1 * p2,
                av * p2**2,
                -2 * av * p0,
                av,
                -2 * av * p1,
                -2 * av * p2 + au * egg,
            ]
        )
        form = -form
        form[:, 0] += 1
        # (1 - form) changes by 2 / radius per unit of length where it crosses zero.
        scale = np.minimum(ru, rv) / 2 + np.zeros(self._num_pictures, np.float32)
        return self._add(form * (scale / self._edge)[:, None], colour, strength)

    def above(self, height: Number, tilt: Number = 0.0, bend: Number = 0.0) -> int:
        """Add the region above a parabola, to cut others with."""
        zero = 0.0
        form = self._stack([height, tilt, bend, zero, zero, -1.0, zero, zero, zero])
        return self._add(form / self._edge[:, None], None, 1.0)

    def cut(self, shape: int, by: int, keep_inside: bool = True) -> int:
        """Keep only the part of a shape that is inside (or outside) another."""
        (self.inside if keep_inside else self.outside).append((shape, by))
        return shape

    def polynomials(self) -> np.ndarray:
        """Give float32 [num_pictures, num_shapes, MONOMIALS]: coverage before clipping."""
        return np.stack(self._polynomials, 1)

    def strengths(self) -> np.ndarray:
        """Give float32 [num_pictures, num_shapes]."""
        return np.stack(self._strengths, 1)

    def colours(self) -> np.ndarray:
        """Give float32 [num_pictures, num_shapes, 3]; cutters are black and never seen."""
        return np.stack(self._colours, 1)

    def _add(self, form: np.ndarray, colour: np.ndarray | None, strength: Number) -> int:
        form[:, 0] += 0.5
        each = np.zeros(self._num_pictures, np.float32)
        self._polynomials.append(form)
        self._strengths.append((each + strength).astype(np.float32))
        self._colours.append(np.zeros((len(each), 3), np.float32) if colour is None else colour)
        self.is_cutter.append(colour is None)
        return len(self._polynomials) - 1

    def _stack(self, terms: list[Number]) -> np.ndarray:
        form = np.empty((self._num_pictures, MONOMIALS), np.float32)
        for column, term in enumerate(terms):
            form[:, column] = term
        return form


def monomials(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Evaluate the nine monomials: float32 [n, pixels] twice -> [n, MONOMIALS, pixels]."""
    planes = np.empty((len(u), MONOMIALS, u.shape[1]), np.float32)
    planes[:, 0] = 1
    planes[:, 1] = u
    planes[:, 5] = v
    np.multiply(u, u, out=planes[:, 2])
    np.multiply(planes[:, 2], u, out=planes[:, 3])
    np.multiply(planes[:, 2], planes[:, 2], out=planes[:, 4])
    np.multiply(v, v, out=planes[:, 6])
    np.multiply(u, v, out=planes[:, 7])
    np.multiply(planes[:, 2], v, out=planes[:, 8])
    return planes
