"""Settings of a recipe: typed by its Config, refused in one line that says what would be valid."""

from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auxtask.runs.config import (
    check_config_class,
    describe,
    differences,
    option,
    parse_overrides,
    to_json,
    write_value,
)


@dataclass(frozen=True)
class Config:
    dataset: str = option("drawn", "where the photos come from", choices=("drawn", "lfw", "folder"))
    budgets: tuple[int, ...] = option((1, 3), "photos per person", at_least=1)
    arms: tuple[str, ...] = option((), "arms", choices=("probe", "scratch"))
    rate: float = option(0.1, "learning rate", at_least=0.0)
    source: str | None = option(None, "an earlier run")
    limit: int | None = option(None, "how many")
    mode: Literal["fast", "slow"] = "fast"
    quick: bool = option(False, "about a minute")


def test_values_are_typed_by_the_config() -> None:
    words = "dataset=lfw budgets=1,3,5,10 rate=1e-3 source=a=b limit=7 quick=true arms=probe mode=slow"
    config = parse_overrides(Config, words.split())
    assert config == Config("lfw", (1, 3, 5, 10), ("probe",), 1e-3, "a=b", 7, "slow", True)


def test_defaults_stand_without_overrides() -> None:
    assert parse_overrides(Config, []) == Config()


def test_none_and_the_empty_tuple_can_be_written() -> None:
    config = parse_overrides(Config, ["limit=none", "budgets=", "source=none"])
    assert config.limit is None and config.source is None and config.budgets == ()


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("budgts=1", ["'budgts'", "Did you mean 'budgets'?", "dataset, budgets, arms, rate"]),
        ("dataset=lwf", ["'lwf'", "Did you mean 'lfw'?", "drawn, lfw, folder"]),
        ("arms=probe,scrtch", ["'scrtch'", "Did you mean 'scratch'?"]),
        ("mode=quick", ["'quick'", "fast, slow"]),
        ("rate=high", ["rate=high", "float"]),
        ("rate=nan", ["rate=nan", "finite"]),
        ("budgets=1,two", ["budgets=1,two", "integer"]),
        ("budgets=1.5", ["budgets=1.5", "integer"]),
        ("budgets=3,0", ["budgets=3,0: must be at least 1"]),
        ("budgets=3,1,3", ["budgets=3,1,3: 3 stands there twice"]),
        ("arms=probe,probe", ["probe stands there twice"]),
        ("rate=-1", ["rate=-1: must be at least 0"]),
        ("quick=perhaps", ["quick=perhaps", "bool"]),
        ("limit=", ["limit=", "integer"]),
        ("quick", ["'quick'", "key=value"]),
        ("seed=3", ["--seed"]),
        ("=3", ["unknown setting ''"]),
    ],
)
def test_a_wrong_word_is_refused_in_one_line(word: str, said: list[str]) -> None:
    with pytest.raises(ValueError) as refusal:
        parse_overrides(Config, [word])
    message = str(refusal.value)
    assert "\n" not in message
    for part in said:
        assert part in message


def test_advice_follows_the_choices() -> None:
    @dataclass(frozen=True)
    class Advised:
        dataset: str = option(
            "drawn", "texts", choices=("drawn", "hub"), advice="On the hub: dataset=hub path=OWNER/NAME"
        )

    with pytest.raises(ValueError) as refusal:
        parse_overrides(Advised, ["dataset=some/set"])
    assert str(refusal.value).endswith("Valid values: drawn, hub. On the hub: dataset=hub path=OWNER/NAME")
    assert parse_overrides(Advised, ["dataset=hub"]) == Advised("hub")


def test_a_setting_that_would_be_ignored_is_refused_and_help_says_where_it_is_not() -> None:
    @dataclass(frozen=True)
    class Own:
        dataset: str = option("drawn", "texts", choices=("drawn", "csv", "jsonl", "hub"))
        path: str = option("", "that file", only={"dataset": ("csv", "jsonl", "hub")})

    with pytest.raises(ValueError) as refusal:
        parse_overrides(Own, ["path=MINE"])
    assert str(refusal.value) == "path= is for dataset=csv, jsonl or hub, not for drawn"
    assert parse_overrides(Own, ["path=MINE", "dataset=jsonl"]) == Own("jsonl", "MINE")
    assert parse_overrides(Own, ["path="]) == Own()
    assert describe(Own)[1].help == "dataset=csv, jsonl or hub: that file"


def test_a_key_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="rate is given twice"):
        parse_overrides(Config, ["rate=1", "rate=2"])


@given(
    budgets=st.lists(st.integers(1, 10**6), unique=True).map(tuple),
    rate=st.floats(0, allow_infinity=False),
    limit=st.none() | st.integers(),
    quick=st.booleans(),
)
def test_what_is_written_is_read_back(budgets, rate, limit, quick) -> None:
    config = Config(budgets=budgets, rate=rate, limit=limit, quick=quick)
    words = [f"{key}={write_value(value)}" for key, value in to_json(config).items()]
    assert parse_overrides(Config, words) == config


def test_the_description_is_what_help_shows() -> None:
    by_name = {each.name: each for each in describe(Config)}
    assert (by_name["budgets"].type, by_name["budgets"].default) == ("int,…", "1,3")
    assert (by_name["limit"].type, by_name["limit"].default) == ("int or none", "none")
    assert by_name["dataset"].choices == ("drawn", "lfw", "folder")
    assert by_name["mode"].choices == ("fast", "slow")
    assert by_name["rate"].help == "learning rate"


def test_differences_are_said_in_words() -> None:
    said = differences(to_json(Config()), to_json(Config(rate=0.2, budgets=(5,))))
    assert said == ["budgets was 1,3 and is now 5", "rate was 0.1 and is now 0.2"]


def test_a_config_must_be_a_frozen_dataclass_with_defaults() -> None:
    @dataclass
    class Loose:
        x: int = 1

    @dataclass(frozen=True)
    class Incomplete:
        x: int

    for wrong, said in ((Loose, "frozen"), (Incomplete, "default for x"), (int, "dataclass")):
        with pytest.raises(ValueError, match=said):
            check_config_class(wrong, "recipe.py")
