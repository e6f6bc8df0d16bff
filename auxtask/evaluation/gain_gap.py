"""The closing sentence: does reuse help one kind of network more than another, and by how much?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from auxtask.evaluation.statistics import paired_differences, t_interval

__all__ = ["gap_sentence"]


def gap_sentence(gains: Mapping[str, Sequence[float]], over: str, reached: Mapping[str, float]) -> str:
    """Compare two kinds of network by what reuse gained each over the same network from scratch.

    The sentence ends with what each reached, since a network that is worse from scratch has more to gain.

    Parameters
    ----------
    gains : mapping of the network's name to its gains, two of them
        Accuracy with reuse minus accuracy from scratch, paired: of the same draws, or of the same pairs of classes. The
        first is the one of which more is expected.
    over : str
        What the interval is over, plural: "draws".
    reached : mapping of the same names to float
        Mean accuracy with reuse.

    Raises
    ------
    ValueError
        Not two networks, other names, or different numbers of gains.
    """
    if set(reached) != set(gains):
        raise ValueError(f"gains are of {', '.join(gains)}, what was reached of {', '.join(reached)}")
    if len(gains) != 2:
        raise ValueError(f"two networks are compared, not {len(gains)}")
    (better, first), (worse, second) = gains.items()
    if len(first) != len(second):
        raise ValueError(f"{better} has {len(first)} gains, {worse} {len(second)}: they are not paired")
    mean, low, high = t_interval(paired_differences(first, second))
    each = ", ".join(f"{name} nets {100 * sum(own) / len(own):+.2f} points" for name, own in gains.items())
    levels = " and ".join(f"{name} nets {100 * reached[name]:.2f} %" for name in gains)
    opening = f"reuse gained {each} over scratch and brought {levels}"
    if low is None or high is None:
        return f"On this data {opening}; one of the {over} only, so nothing follows."
    interval = f"(95 % interval over {len(first)} {over}: {100 * low:+.2f} to {100 * high:+.2f})"
    if low > 0 or high < 0:
        how = "worse" if low > 0 else "better"
        size = f"{100 * abs(mean):.2f} points {interval}"
        return f"On this data {worse} nets transfer {how} than {better} nets, by {size}: {opening}."
    return (
        f"On this data it is not shown that {worse} nets transfer worse than {better} nets: {opening}, a difference of "
        f"{100 * mean:+.2f} points {interval}."
    )
