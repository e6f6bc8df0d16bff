"""Arrays, tf.data and datasets all become one batched dataset."""

from __future__ import annotations

import numpy as np
import pytest

from auxtask.framework import tf
from auxtask.training.inputs import as_dataset

X = np.arange(20, dtype="float32").reshape(10, 2)
Y = np.arange(10)


def labels_of(dataset):
    return np.concatenate([np.asarray(y) for _, y in dataset])


def test_arrays_come_in_order_and_whole():
    batches = list(as_dataset((X, Y), batch_size=4))
    assert [len(y) for _, y in batches] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate([x for x, _ in batches]), X)
    np.testing.assert_array_equal(labels_of(as_dataset((X, Y))), Y)


def test_shuffling_is_seeded_new_in_each_epoch_and_keeps_pairs():
    first, second = (as_dataset((X, Y), 3, shuffle=True, seed=5) for _ in range(2))
    epochs = [labels_of(first), labels_of(first)]
    np.testing.assert_array_equal([labels_of(second), labels_of(second)], epochs)
    assert not np.array_equal(*epochs)
    assert sorted(epochs[0]) == list(range(10))
    for x, y in first:
        np.testing.assert_array_equal(x[:, 0], 2 * tf.cast(y, tf.float32))


def test_several_inputs_weights_and_text():
    dicts = next(iter(as_dataset(({"a": X, "b": X + 1}, Y), 4)))
    assert set(dicts[0]) == {"a", "b"}
    (left, right), y, weight = next(iter(as_dataset(([X, X * 2], Y, np.ones(10)), 4)))
    np.testing.assert_array_equal(left * 2, right)
    assert y.shape == weight.shape == (4,)
    text, _ = next(iter(as_dataset((["one", "two"], [0, 1]), 2)))
    assert text.numpy().tolist() == [b"one", b"two"]
    assert len(next(iter(as_dataset(X, 4)))) == 1


def test_a_tf_dataset_passes_through():
    dataset = tf.data.Dataset.from_tensor_slices((X, Y)).batch(3)
    assert as_dataset(dataset, batch_size=99) is dataset


def test_a_hugging_face_dataset_is_read_by_columns():
    datasets = pytest.importorskip("datasets")
    table = datasets.Dataset.from_dict({"ids": X.tolist(), "label": Y.tolist(), "note": ["n"] * 10})
    x, y = next(iter(as_dataset(table, 10, columns=("ids", "label"))))
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, Y)
    with pytest.raises(ValueError, match=r"no column 'x'.*has: ids, label, note\. .*at\.as_dataset\(data, columns="):
        as_dataset(table)
    with pytest.raises(ValueError, match=r"a streamed datasets.IterableDataset has no length"):
        as_dataset(table.to_iterable_dataset(), columns=("ids", "label"))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((X, Y[:5]), r"different numbers of examples: \[10, 5\]"),
        ((X[:0], Y[:0]), "empty"),
        ("photos", "data is a str; valid"),
        ((X, Y, Y, Y), "tuple of 4; valid"),
        (([[1], [1, 2]], [0, 1]), "different shapes"),
        ((X, 3), "single value"),
    ],
)
def test_bad_data_is_refused(data, message):
    with pytest.raises(ValueError, match=message):
        as_dataset(data)


@pytest.mark.parametrize("size", [0, -1, 2.0, True])
def test_a_bad_batch_size_is_refused(size):
    with pytest.raises(ValueError, match="batch_size"):
        as_dataset((X, Y), batch_size=size)


def test_the_order_depends_on_the_seed_alone_whatever_ran_before() -> None:
    orders = []
    for before in (None, 1, 2):
        if before is not None:
            tf.random.set_seed(before)
            tf.random.uniform(())
        batches = as_dataset(np.arange(50), 10, shuffle=True, seed=7)
        orders.append([np.concatenate([x.numpy() for (x,) in batches]).tolist() for _ in range(2)])
    assert orders[0] == orders[1] == orders[2]
    assert orders[0][0] != orders[0][1]  # each pass has its own
