"""The closing sentence: does reuse help one kind of network more than another, and by how much?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from auxtask.evaluation.class_pairs import pairs_mean
from auxtask.evaluation.crossed import crossed_mean
from auxtask.evaluation.statistics import Interval

__all__ = ["gap_over_pairs", "gap_over_seeds"]


def gap_over_seeds(gains: Mapping[str, np.ndarray], reached: Mapping[str, float], pretrainings: int = 1) -> str:
    """Compare two kinds of network by what reuse gained each over the same network from scratch, on one task.

    The interval takes seeds, test items and pretrained networks as random, see `crossed_mean`. The sentence ends with
    what each reached, since a network that is worse from scratch has more to gain.

    Parameters
    ----------
    gains : mapping of the network's name to float [num_draws, num_test], two of them
        As `paired_right` gives, of the same draws and test items. The first is the one of which more is expected.
    reached : mapping of the same names to float
        Mean accuracy with reuse.
    pretrainings : int
        Over how many pretrained networks of each kind the draws rotate. With 1 the interval says nothing of others,
        and the sentence says so.

    Raises
    ------
    ValueError
        Not two networks, other names, or tables of different shapes.
    """
    _check_names(gains, reached)
    first, second = gains.values()
    if np.shape(first) != np.shape(second):
        shapes = ", ".join(f"{name} {np.shape(table)}" for name, table in gains.items())
        raise ValueError(f"the gains are not paired: {shapes}")
    table = np.subtract(first, second, dtype=np.float64)
    over = f"{len(table)} seed{'s' * (len(table) > 1)}, {table.shape[1]:,} test images"
    over += f" and {pretrainings} pretrainings" if pretrainings > 1 else ""
    interval = Interval(float(table.mean()), None, None)
    if len(table) > 1:
        interval = Interval(interval.mean, *crossed_mean(table, pretrainings).interval())
    more = "" if pretrainings > 1 else " All seeds of a network share one pretraining: of others nothing is said."
    return _sentence({name: float(np.mean(own)) for name, own in gains.items()}, reached, over, interval) + more


def gap_over_pairs(gains: Mapping[str, Mapping[tuple[str, ...], float]], reached: Mapping[str, float]) -> str:
    """Compare two kinds of network as `gap_over_seeds` does, over pairs of classes; `pairs_mean` gives the interval.

    Parameters
    ----------
    gains : mapping of the network's name to (mapping of pair of classes to gain), two of them
        Accuracy with reuse minus accuracy from scratch. The first is the one of which more is expected.
    reached : mapping of the same names to float
        Mean accuracy with reuse.

    Raises
    ------
    ValueError
        Not two networks, other names, or other pairs.
    """
    _check_names(gains, reached)
    first, second = gains.values()
    if first.keys() != second.keys():
        raise ValueError(f"the gains are not paired: {len(first)} and {len(second)} pairs, not the same")
    interval = pairs_mean({pair: gain - second[pair] for pair, gain in first.items()})
    num_classes = len({name for pair in first for name in pair})
    over = f"{len(first)} pairs of {num_classes} classes"
    return _sentence({name: float(np.mean([*own.values()])) for name, own in gains.items()}, reached, over, interval)


def _check_names(gains: Mapping[str, object], reached: Mapping[str, object]) -> None:
    if set(reached) != set(gains):
        raise ValueError(f"gains are of {', '.join(gains)}, what was reached of {', '.join(reached)}")
    if len(gains) != 2:
        raise ValueError(f"two networks are compared, not {len(gains)}")


def _sentence(gains: Mapping[str, float], reached: Mapping[str, float], over: str, interval: Interval) -> str:
    better, worse = gains
    each = ", ".join(f"{name} nets {100 * gain:+.2f} points" for name, gain in gains.items())
    levels = " and ".join(f"{name} nets {100 * reached[name]:.2f} %" for name in gains)
    opening = f"reuse gained {each} over scratch and brought {levels}"
    mean, low, high = interval
    if low is None or high is None:
        return f"On this data {opening}; of {over} there is no interval, so nothing follows."
    bounds = f"(95 % interval over {over}: {100 * low:+.2f} to {100 * high:+.2f})"
    if low > 0 or high < 0:
        how = "worse" if low > 0 else "better"
        size = f"{100 * abs(mean):.2f} points {bounds}"
        return f"On this data {worse} nets transfer {how} than {better} nets, by {size}: {opening}."
    return (
        f"On this data it is not shown that {worse} nets transfer worse than {better} nets: {opening}, a difference of "
        f"{100 * mean:+.2f} points {bounds}."
    )
