"""A run folder: what it holds, whole or not at all, and when it may be taken over."""

import io
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from auxtask.runs.folder import Run, checked_rows
from auxtask.runs.opening import open_run
from auxtask.runs.whole_files import plain_json, read_npz, whole_file, write_npz


@dataclass(frozen=True)
class Config:
    rate: float = 0.1
    budgets: tuple[int, ...] = (1, 3)


def opened(folder: Path, config: Config = Config(), **changes) -> Run:  # noqa: B008 (frozen)
    return open_run(folder, config, recipe="toy", console=Console(file=io.StringIO()), **changes)


def result_of(folder: Path) -> dict:
    return json.loads((folder / "result.json").read_text())


def row(**changes) -> dict:
    return {"arm": "probe", "budget": 3, "metric": "rank1", "mean": 0.5, **changes}


def test_a_finished_run_leaves_every_file_and_nothing_unfinished(tmp_path: Path) -> None:
    run = opened(tmp_path / "a" / "b", seed=7)
    with run.stage("one"):
        run.log(loss=0.5)
    run.add_rows([row()])
    run.note("a sentence")
    run.note("a sentence")
    run.save_predictions({"probe/3/0": {"item": [1, 2], "label": ["x", "y"]}})
    run.finish("finished")
    names = {path.name for path in run.folder.iterdir()}
    assert names == {
        *("config.json", "environment.json", "metrics.jsonl", "result.json", "predictions.npz"),
        "report.html",
    }
    assert json.loads((run.folder / "config.json").read_text()) == {"rate": 0.1, "budgets": [1, 3]}
    environment = json.loads((run.folder / "environment.json").read_text())
    assert environment["seed"] == 7 and environment["packages"]["numpy"] == np.__version__
    result = result_of(run.folder)
    assert list(result) == ["recipe", "status", "seconds", "rows", "findings", "notes"]
    assert (result["recipe"], result["status"], result["notes"]) == ("toy", "finished", ["a sentence"])
    assert set(result["seconds"]) == {"one"}
    assert list(result["rows"][0]) == [*("arm", "budget", "budget_unit", "metric", "mean", "low", "high", "values")]


def test_json_never_holds_nan(tmp_path: Path) -> None:
    run = opened(tmp_path)
    run.log(loss=float("nan"), rate=np.float32("inf"), good=np.float32(0.5))
    run.add_rows([row(mean=float("nan"), values=[float("inf"), 1.0])])
    run.finish("finished")
    logged = json.loads((tmp_path / "metrics.jsonl").read_text())
    assert (logged["loss"], logged["rate"], logged["good"]) == (None, None, 0.5)
    assert result_of(tmp_path)["rows"][0]["values"] == [None, 1.0]
    assert "NaN" not in (tmp_path / "result.json").read_text()
    with pytest.raises(TypeError, match="object"):
        plain_json({"x": object()})


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([row(), row()], "two result rows"),
        ([row(budgets=3)], "unknown"),
        ([{"arm": "x", "metric": "y"}], "missing"),
        ([row(budget="3")], "integer"),
        ([row(budget=True)], "integer"),
        ([row(budget=3.5)], "integer"),
    ],
)
def test_wrong_rows_are_refused(rows: list[dict], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        checked_rows(rows)


def test_a_variant_tells_two_rows_apart() -> None:
    assert len(checked_rows([row(), row(variant="a"), row(variant="b"), row(budget=None)])) == 4


def test_a_cell_is_computed_once_and_kept_for_resuming(tmp_path: Path) -> None:
    calls = []

    def compute() -> dict:
        calls.append(1)
        return {"scores": np.arange(3.0), "name": "x"}

    key = "probe/3/../0"
    first = opened(tmp_path).cell(key, compute)
    again = opened(tmp_path, resume=True).cell(key, compute)
    assert len(calls) == 1
    np.testing.assert_array_equal(first["scores"], again["scores"])
    assert [path.parent for path in tmp_path.rglob("*.npz")] == [tmp_path / "cells"]


def test_a_run_keeps_to_the_data_it_began_with(tmp_path: Path) -> None:
    opened(tmp_path).keep_to("texts", "abc")
    opened(tmp_path, resume=True).keep_to("texts", "abc")
    with pytest.raises(ValueError, match="not the texts that this run began with"):
        opened(tmp_path, resume=True).keep_to("texts", "abd")


def test_a_damaged_cell_is_computed_again_and_said(tmp_path: Path) -> None:
    run = opened(tmp_path)
    run.cell("a", lambda: {"x": 1})
    next((tmp_path / "cells").iterdir()).write_bytes(b"PK damaged")
    assert run.cell("a", lambda: {"x": 2})["x"] == 2
    assert "could not be read" in run.notes[0]


def test_whatever_is_wrong_with_a_cell_it_is_computed_again(tmp_path: Path) -> None:
    run = opened(tmp_path)
    run.cell("a", lambda: {"x": np.arange(50)})
    path = next((tmp_path / "cells").iterdir())
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        np.testing.assert_array_equal(run.cell("a", lambda: {"x": np.arange(50)})["x"], np.arange(50))


def test_a_failing_cell_leaves_no_file(tmp_path: Path) -> None:
    def fail() -> dict:
        raise RuntimeError

    run = opened(tmp_path)
    with pytest.raises(RuntimeError):
        run.cell("a", fail)
    with pytest.raises(ValueError, match="Python objects"):
        run.cell("a", lambda: {"x": np.array([object()])})
    assert not list((tmp_path / "cells").iterdir())


def test_a_non_empty_folder_is_refused_unless_resumed_or_overwritten(tmp_path: Path) -> None:
    opened(tmp_path).cell("a", lambda: {"x": 1})
    with pytest.raises(ValueError, match="--resume.*--overwrite"):
        opened(tmp_path)
    opened(tmp_path, resume=True)
    assert (tmp_path / "cells").exists()
    opened(tmp_path, overwrite=True)
    assert not (tmp_path / "cells").exists()
    with pytest.raises(ValueError, match="one of them"):
        opened(tmp_path, overwrite=True, resume=True)


def test_resuming_another_config_says_what_differs(tmp_path: Path) -> None:
    opened(tmp_path)
    with pytest.raises(ValueError, match="rate was 0.1 and is now 0.2; --seed was 0 and is now 1"):
        opened(tmp_path, Config(rate=0.2), resume=True, seed=1)


def test_resuming_adds_to_the_seconds_keeps_notes_and_figures_not_findings_and_removes_what_a_kill_left(
    tmp_path: Path,
) -> None:
    run = opened(tmp_path)
    run.seconds["one"] = 100.0
    run.note("said before")
    run.finding("found in half of the cells")
    run.figure("curve", Figure())
    run.finish("interrupted")
    for left in (".unfinished-1-model", "tokens/.unfinished-2-train", ".model.abc.partial/.unfinished-3-weights"):
        (tmp_path / left).mkdir(parents=True)
    run.log(epoch=1)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"time": 3, "lo')  # a disk that was full
    run = opened(tmp_path, resume=True)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line.get("resumed") for line in lines] == [None, True]
    with run.stage("one"):
        pass
    assert result_of(tmp_path)["seconds"]["one"] >= 100
    assert result_of(tmp_path)["notes"][0] == "said before"
    assert result_of(tmp_path)["findings"] == []  # what was found is found again, from all cells
    assert run.figures == {"curve": tmp_path / "figures" / "curve.png"}
    assert not [*tmp_path.rglob(".unfinished*"), *tmp_path.rglob(".*.partial")]


def test_overwriting_never_empties_a_folder_that_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="not a run folder"):
        opened(tmp_path, overwrite=True)
    assert (tmp_path / "thesis.txt").exists()


@pytest.mark.parametrize("content", ["{}", "[]", "no JSON", '{"recipe": "x"}'])
def test_nor_one_that_has_a_file_of_that_name_only(content: str, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(content)
    for changes in ({"overwrite": True}, {"resume": True}):
        with pytest.raises(ValueError, match="not a run folder"):
            opened(tmp_path, **changes)
    assert (tmp_path / "result.json").read_text() == content


def test_a_run_killed_as_it_began_can_be_resumed_and_overwritten(tmp_path: Path, monkeypatch) -> None:
    def killed(*given: object) -> None:
        raise KeyboardInterrupt

    for changes in ({"resume": True}, {"overwrite": True}):
        folder = tmp_path / next(iter(changes))
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr("auxtask.runs.opening.describe_environment", killed)
            opened(folder)
        assert not (folder / "environment.json").exists()
        assert opened(folder, **changes).folder == folder
        assert (folder / "environment.json").exists()


def test_another_process_is_kept_out_until_the_run_is_finished(tmp_path: Path) -> None:
    def try_to_resume() -> str:
        program = (
            "import sys; sys.path[:0] = sys.argv[2:]; from pathlib import Path; from tests.runs.test_folder import *\n"
            "opened(Path(sys.argv[1]), resume=True).finish('interrupted')"
        )
        words = [sys.executable, "-c", program, str(tmp_path), str(Path(__file__).parents[2])]
        return subprocess.run(words, capture_output=True, text=True).stderr

    run = opened(tmp_path)
    assert "another process is running there" in try_to_resume()
    run.finish("interrupted")
    assert try_to_resume() == ""
    assert result_of(tmp_path)["status"] == "interrupted" and not (tmp_path / ".lock").exists()


def test_a_run_resumed_under_other_code_says_what_has_changed(tmp_path: Path) -> None:
    opened(tmp_path).finish("interrupted")
    file = tmp_path / "environment.json"
    environment = json.loads(file.read_text())
    packages = environment["packages"] | {"tensorflow": "2.0"}
    file.write_text(json.dumps(environment | {"commit": "a" * 40, "packages": packages, "recipe_sha256": "other"}))
    (said,) = opened(tmp_path, resume=True).notes
    assert "the recipe's file, commit aaaaaaaaaaaa became" in said and "tensorflow 2.0 became" in said
    assert said.startswith("resumed under other code") and said.endswith("kept cells come from the earlier one")


def test_overwriting_does_not_follow_links_out_of_the_folder(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    opened(tmp_path / "run")
    (tmp_path / "run" / "link").symlink_to(outside)
    opened(tmp_path / "run", overwrite=True)
    assert (outside / "kept").exists() and not (tmp_path / "run" / "link").exists()


def test_out_may_not_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="is a file"):
        opened(tmp_path / "file")


def test_a_folder_that_cannot_be_written_is_said_at_once(tmp_path: Path, monkeypatch) -> None:
    def refuse(*_, **__):
        raise PermissionError(30, "Read-only file system")

    monkeypatch.setattr("auxtask.runs.opening.write_json", refuse)
    with pytest.raises(PermissionError, match="cannot write to --out .*: Read-only file system"):
        opened(tmp_path / "x")


def test_files_appear_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(RuntimeError), whole_file(tmp_path / "file") as file:
        file.write(b"half")
        raise RuntimeError
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]
    with whole_file(tmp_path / "file") as file:
        file.write(b"whole")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "whole")]


def test_arrays_of_any_name_come_back(tmp_path: Path) -> None:
    arrays = {"file": np.arange(3), "a/b": np.array(["é", "x"]), "allow_pickle": np.float32(1)}
    write_npz(tmp_path / "x.npz", arrays)
    back = read_npz(tmp_path / "x.npz")
    assert set(back) == set(arrays)
    for name, value in arrays.items():
        np.testing.assert_array_equal(back[name], value)


def test_a_failure_keeps_its_traceback(tmp_path: Path) -> None:
    run = opened(tmp_path)
    run.finish("failed", RuntimeError("why"))
    assert "why" in (tmp_path / "error.txt").read_text()
    assert result_of(tmp_path)["status"] == "failed"


def test_a_run_that_was_mended_has_no_traceback_any_more(tmp_path: Path) -> None:
    opened(tmp_path).finish("failed", RuntimeError("why"))
    opened(tmp_path, resume=True).finish("finished")
    assert not (tmp_path / "error.txt").exists()


def test_a_finished_runs_figures_stay_until_a_resumed_one_has_its_own(tmp_path: Path) -> None:
    run = opened(tmp_path)
    run.add_rows([row(), row(metric="seconds", mean=7.0)])
    run.finish("finished")
    run = opened(tmp_path, resume=True)
    run.add_rows([row(mean=0.75)])
    run.finish("failed", ValueError("these are not the texts that this run began with"))
    assert {one["metric"]: one["mean"] for one in result_of(tmp_path)["rows"]} == {"rank1": 0.75, "seconds": 7.0}
    assert "75.0" in (tmp_path / "report.html").read_text()
    run = opened(tmp_path, resume=True)
    run.add_rows([row(mean=0.25)])
    run.finish("finished")
    assert [one["mean"] for one in result_of(tmp_path)["rows"]] == [0.25]


def test_predictions_are_saved_beside_earlier_ones(tmp_path: Path) -> None:
    run = opened(tmp_path)
    run.save_predictions({"easy-probe-1-draw0": np.arange(3)})
    path = run.save_predictions({"hard-probe-1-draw0": np.arange(4)})
    assert {name: len(array) for name, array in read_npz(path).items()} == {
        "easy-probe-1-draw0": 3,
        "hard-probe-1-draw0": 4,
    }


def test_resuming_what_is_not_there_starts_anew_and_says_so(tmp_path: Path) -> None:
    run = opened(tmp_path / "mistyped", resume=True)
    assert any("there was no run in" in note for note in run.notes)


def test_a_setting_that_needs_data_is_refused_without_and_else_told_where_they_lie(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^dataset=imdb needs --data-root DIR .* with DIR/text/imdb$"):
        opened(tmp_path / "a").required_data_root("dataset=imdb", "text/imdb")
    run = opened(tmp_path / "b", data_root=tmp_path)
    assert run.required_data_root("dataset=imdb", "text/imdb") == tmp_path


def test_a_folder_of_something_else_is_not_gone_on_with(tmp_path: Path) -> None:
    opened(tmp_path)
    with pytest.raises(ValueError, match="is a run of toy, not of other"):
        open_run(tmp_path, Config(), recipe="other", resume=True, console=Console(file=io.StringIO()))
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(ValueError, match="config.json does not hold a JSON object"):
        opened(tmp_path, resume=True)
