import numpy as np

from auxtask.data.drawn_shapes import Shapes, monomials

LINE = np.linspace(-1, 1, 81, dtype=np.float32)
U, V = (plane.ravel()[None] for plane in np.meshgrid(LINE, LINE))


def inside(shapes: Shapes) -> np.ndarray:
    return (shapes.polynomials()[0] @ monomials(U, V)[0]) > 0.5


def test_a_bent_tilted_egg_covers_what_its_formula_says() -> None:
    shapes = Shapes(1, np.array([0.01], np.float32))
    shapes.ellipse((0.2, -0.1), (0.5, 0.2), np.zeros((1, 3)), tilt=0.3, bend=0.8)
    axis = -0.1 + 0.3 * (U - 0.2) + 0.8 * (U - 0.2) ** 2
    expected = ((U - 0.2) / 0.5) ** 2 + ((V - axis) / 0.2) ** 2 < 1
    assert (inside(shapes)[0] != expected[0]).mean() < 0.002


def test_an_egg_narrows_downwards_and_a_border_splits_the_plane() -> None:
    shapes = Shapes(1, np.array([0.01], np.float32))
    shapes.ellipse((0.0, 0.0), (0.5, 0.8), egg=0.6)
    shapes.above(0.1, tilt=0.2, bend=-0.5)
    egg, border = inside(shapes)
    assert (egg != ((4 * U**2 * (1 + 0.6 * V) + (V / 0.8) ** 2) < 1)[0]).mean() < 0.002
    assert (border != (V < 0.1 + 0.2 * U - 0.5 * U**2)[0]).mean() < 0.002
