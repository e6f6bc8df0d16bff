"""A head on standardised features, given for the features as they are, scores the same."""

import numpy as np
import pytest

from auxtask.evaluation.layer_features import UPPER_LAYERS, StandardisedLayers, side_by_side
from auxtask.evaluation.probes import logistic_head

RANDOM = np.random.default_rng(0)
LAYERS = {"embeddings": RANDOM.normal(3, 2, (40, 5)), "layer0": RANDOM.normal(-1, [[1, 9, 0.1]], (40, 3))}
LABELS = np.arange(40) % 2


def test_the_first_items_set_mean_and_variance() -> None:
    layers = StandardisedLayers(LAYERS, 30)
    for rows in layers.rows.values():
        np.testing.assert_allclose(rows[:30].mean(0), 0, atol=1e-6)
        np.testing.assert_allclose(rows[:30].std(0), 1, atol=1e-4)
    assert list(layers.last) == ["layer0"]


def test_what_does_not_vary_among_the_first_items_is_not_blown_up_elsewhere() -> None:
    constant = np.full((40, 3), [0.1, 0.0, 1e-4], np.float32)
    constant[30:] += 0.5  # of items that set no mean
    layers = StandardisedLayers({"layer0": np.concatenate([LAYERS["layer0"].astype(np.float32), constant], 1)}, 30)
    assert (layers.rows["layer0"][:, 3:] == 0).all() and np.abs(layers.rows["layer0"]).max() < 10
    kernel, _ = layers.head("layer0", np.arange(20), LABELS[:20], 0.1)
    assert (kernel[3:] == 0).all() and kernel[:3].all()


def test_a_head_on_the_output_itself_scores_as_that_on_standardised_rows() -> None:
    layers, items = StandardisedLayers(LAYERS, 30), np.arange(20)
    kernel, bias = layers.head("layer0", items, LABELS[items], 0.1)
    own_kernel, own_bias = logistic_head(layers.rows["layer0"][items], LABELS[items], 0.1)
    expected = layers.rows["layer0"] @ own_kernel + own_bias
    np.testing.assert_allclose(LAYERS["layer0"] @ kernel + bias, expected, atol=1e-4)


def test_side_by_side_the_upper_half_weighs_as_much_as_one_layer() -> None:
    many = {**LAYERS, "layer1": RANDOM.normal(2, 3, (40, 3)), "layer2": RANDOM.normal(0, 5, (40, 4))}
    layers = StandardisedLayers(many, 30)
    rows = layers.side_by_side[UPPER_LAYERS]
    expected = np.concatenate([layers.rows["layer1"], layers.rows["layer2"] / np.sqrt(4 / 3)], axis=1) / np.sqrt(2)
    np.testing.assert_allclose(rows, expected, atol=1e-6)
    assert UPPER_LAYERS not in layers.rows
    kernel, bias = layers.head(UPPER_LAYERS, np.arange(20), LABELS[:20], 0.1)
    own_kernel, own_bias = logistic_head(rows[:20], LABELS[:20], 0.1)
    raw = np.concatenate([many["layer1"], many["layer2"]], axis=1)
    np.testing.assert_allclose(raw @ kernel + bias, rows @ own_kernel + own_bias, atol=1e-4)


def test_of_a_single_layer_the_upper_half_is_that_layer() -> None:
    layers = StandardisedLayers({"layer0": LAYERS["layer0"]}, 30)
    np.testing.assert_array_equal(layers.side_by_side[UPPER_LAYERS], layers.rows["layer0"])


def test_side_by_side_a_wide_table_has_no_more_say_than_a_narrow_one() -> None:
    narrow, wide = RANDOM.normal(0, 1, (500, 3)), RANDOM.normal(0, 1, (500, 300))
    rows = side_by_side([narrow, wide])
    says = (rows[:, :3].var(0).sum(), rows[:, 3:].var(0).sum())
    np.testing.assert_allclose(says, 1.5, rtol=0.15)  # half of what the first has alone, which is its 3 columns
    np.testing.assert_array_equal(side_by_side([narrow]), narrow)


@pytest.mark.parametrize("tables", [[], [np.zeros((4, 2)), np.zeros((5, 2))]])
def test_tables_of_other_items_are_not_put_side_by_side(tables: list[np.ndarray]) -> None:
    with pytest.raises(ValueError, match="one or more tables of the same items"):
        side_by_side(tables)
