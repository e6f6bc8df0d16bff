"""Examples are checked once; what is tested must not be in the pool."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pytest

from auxtask.data.labelled_images import LabelledImages
from auxtask.evaluation.examples import Examples, content_hashes, fingerprint, laid_out, refuse_shared

NAMES = ("ann", "bob")


def test_items_of_any_kind_are_taken_by_position() -> None:
    for items in (
        np.arange(12, dtype=np.uint8).reshape(4, 3),
        np.array(["a", "bb", "c", "d"]),
        np.array([PurePosixPath(n) for n in "abcd"], object),
    ):
        taken = Examples(items, [0, 1, 0, 1], NAMES, index=[9, 8, 7, 6]).take([3, 0])
        np.testing.assert_array_equal(taken.items, items[[3, 0]])
        assert taken.labels.tolist() == [1, 0]
        assert taken.index is not None
        assert taken.index.tolist() == [6, 9]
        assert len(taken) == 2


@pytest.mark.parametrize(
    ("items", "labels", "names", "message"),
    [
        ([], [], NAMES, "at least one item"),
        ([1, 2], [0], NAMES, "2 items but labels of shape (1,)"),
        ([1, 2], [0.0, 1.0], NAMES, "labels must be indices"),
        ([1, 2], [0, 2], NAMES, "label 2 is none of the 2 classes"),
        ([1, 2], [-1, 1], NAMES, "label -1"),
        ([1, 2], [0, 0], ("ann",), "at least two classes"),
        ([1, 2], [0, 1], ("ann", "ann"), "'ann' occurs more than once"),
    ],
)
def test_malformed_examples_are_refused(items: Any, labels: Any, names: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Examples(np.array(items), np.array(labels), names)
    with pytest.raises(ValueError, match="index of shape"):
        Examples(np.zeros(2), [0, 1], NAMES, index=[1])


@pytest.mark.parametrize(
    ("pool", "test"),
    [
        (np.zeros((3, 2, 2)), np.zeros((1, 2, 2))),
        (np.array(["one", "longer", "x"]), np.array(["x"])),
        (np.array(["one", "longer", "x"]), np.array(["x"], object)),
        (np.array([b"1", b"2", b"3"], object), np.array([b"3"], object)),
        (np.arange(3), np.array([2], np.int32)),
        (np.arange(3, dtype=np.uint8), np.array([2])),
        (np.array([0.5, 0.25, 0.125], np.float32), np.array([0.125])),
    ],
)
def test_identical_content_in_pool_and_test_is_refused(pool: np.ndarray, test: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"1 test items .* test item 0 \(ann\) .* pool item 2"):
        refuse_shared(Examples(pool, [0, 1, 1], NAMES), Examples(test, [0], NAMES))


def test_a_shared_index_is_refused_even_if_the_content_differs() -> None:
    pool = Examples(np.array([1.0, 2.0]), [0, 1], NAMES, index=[3, 4])
    test = Examples(np.array([5.0, 6.0]), [0, 1], NAMES, index=[4, 5])
    with pytest.raises(ValueError, match="1 test items .* first index 4"):
        refuse_shared(pool, test)
    refuse_shared(pool, test.take([1]))
    refuse_shared(pool, Examples(test.items, test.labels, NAMES))


def test_repeated_items_within_the_test_are_allowed() -> None:
    refuse_shared(Examples([1, 2], [0, 1], NAMES), Examples([3, 3], [0, 1], NAMES))


def test_shape_and_kind_are_part_of_the_content() -> None:
    flat, square = np.zeros((1, 4)), np.zeros((1, 2, 2))
    assert content_hashes(flat) != content_hashes(square)
    assert content_hashes(np.array(["a"])) != content_hashes(np.array([b"a"], object))
    with pytest.raises(ValueError, match="not dict"):
        content_hashes(np.array([{}], object))


def test_the_fingerprint_changes_with_items_labels_names_and_order() -> None:
    plain = Examples([1, 2], [0, 1], NAMES)
    others = [
        Examples([1, 3], [0, 1], NAMES),
        Examples([1, 2], [1, 1], NAMES),
        Examples([1, 2], [0, 1], ("ann", "bea")),
        plain.take([1, 0]),
    ]
    prints = [fingerprint(e) for e in (plain, *others)]
    assert len(set(prints)) == len(prints)
    assert fingerprint(plain.take([0, 1])) == prints[0]
    assert re.fullmatch("[0-9a-f]{16}", prints[0])


def test_counts_include_classes_without_an_item() -> None:
    examples = Examples([1, 2, 3], [2, 0, 2], ("a", "b", "c"))
    assert examples.counts().tolist() == [1, 0, 2]


def test_parts_are_laid_out_one_after_the_other_and_items_are_positions() -> None:
    random = np.random.default_rng(0)
    parts = [
        LabelledImages(random.integers(0, 256, (n, 2, 2, 1), np.uint8), np.arange(n) % 2, ("a", "b")) for n in (5, 3)
    ]
    images, (first, second) = laid_out(*parts)
    for part, examples in zip(parts, (first, second), strict=True):
        assert np.array_equal(images[examples.items], part.images) and np.array_equal(examples.labels, part.labels)
    refuse_shared(first, second)
    with pytest.raises(ValueError, match="same classes in the same order"):
        laid_out(parts[0], LabelledImages(parts[1].images, parts[1].labels, ("b", "a")))
