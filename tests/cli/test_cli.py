"""The command line as a user meets it: each call in a process of its own."""

import json
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def result_in(folder: Path) -> dict:
    return json.loads((folder / "result.json").read_text())


def one_line(done) -> str:
    """Return standard error, which must be one line without a traceback."""
    assert done.stderr.count("\n") == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_slow_import_would_be_seen(auxtask, tmp_path: Path) -> None:
    script = tmp_path / "slow.py"
    script.write_text("import sklearn")
    assert "IMPORTED sklearn" in auxtask(script=script).stdout.splitlines()


def test_help_and_ls_import_no_framework(auxtask) -> None:
    for words in (["--help"], ["ls"], []):
        done = auxtask(*words)
        assert (done.returncode, done.stderr) == (0, "")
        assert "IMPORTED" not in done.stdout
    assert {"ls", "cp", "run", "validate", "bench"} <= set(auxtask("--help").stdout.split())


def test_ls_lists_recipes_tasks_plans_and_data_with_a_line_each(auxtask) -> None:
    lines = auxtask("ls").stdout.splitlines()
    for name in ("face_recognition", "at.SameFace", "probe_then_tune", "at.FaceData"):
        (line,) = [line for line in lines if line.split()[:1] == [name]]
        assert len(line.split()) > 3
    # A wrapped first paragraph is joined; what a task measures is no task.
    for line in lines:
        assert not line.startswith(" ") or line.endswith((".", "?")), line
    assert not any("at.MaskedAccuracy" in line for line in lines)


def test_an_unknown_verb_suggests_one(auxtask) -> None:
    done = auxtask("lss")
    assert done.returncode == 2 and "Did you mean" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["bogus=1"], "unknown setting 'bogus'"),
        (["datset=drawn"], "Did you mean 'dataset'?"),
        (["dataset=dawn"], "Did you mean 'drawn'?"),
        (["draws=many"], "wanted: int"),
        (["--sed", "1"], "Did you mean '--seed'?"),
        (["--seed", "x"], "invalid int value"),
        (["--seed", "-1"], "--seed -1 is negative"),
        (["--data-root", "nowhere"], "there is no folder nowhere"),
        (["--resume"], "--out DIR"),
    ],
)
def test_the_real_recipe_refuses_at_once_and_without_tensorflow(auxtask, words, said) -> None:
    done = auxtask("run", "face_recognition", *words)
    assert done.returncode == 2 and said in one_line(done)
    assert "--debug shows" not in done.stderr  # our own errors say what to do
    assert "IMPORTED" not in done.stdout


@pytest.mark.parametrize("name", ["face_recogniton", "nowhere.py", "some/where"])
def test_an_unknown_recipe_is_refused(auxtask, name: str) -> None:
    done = auxtask("run", name)
    assert done.returncode == 2
    assert ("Did you mean 'face_recognition'?" if name == "face_recogniton" else name) in one_line(done)


def test_run_without_a_recipe_lists_them(auxtask) -> None:
    assert (auxtask("run").returncode, auxtask("run", "--help").returncode) == (2, 0)
    assert "face_recognition" in auxtask("run").stdout


def test_a_recipes_help_lists_its_settings(auxtask, recipe: Path) -> None:
    for done in (auxtask("run", recipe, "--help"), auxtask("--help", script=recipe)):
        assert done.returncode == 0
        for text in ("Adds numbers", "budgets", "int,…", "1,3", "numbers to add", "one of: drawn, lfw", "--resume"):
            assert text in done.stdout
        assert "dataset=drawn quick=true" in done.stdout


@pytest.mark.parametrize("as_script", [False, True])
def test_a_run_leaves_its_folder(auxtask, recipe: Path, tmp_path: Path, as_script: bool) -> None:
    words = ["budgets=2,4", "--seed", 5]
    done = auxtask(*words, script=recipe) if as_script else auxtask("run", recipe, *words)
    assert (done.returncode, done.stderr) == (0, "")
    (folder,) = (tmp_path / "cwd" / "runs" / "toy").iterdir()
    assert result_in(folder)["status"] == "finished"
    assert [row["budget"] for row in result_in(folder)["rows"]] == [2, 4]
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["seed"] == 5 and environment["recipe_sha256"]


@pytest.mark.parametrize(
    ("stop", "status", "code"),
    [("user", "failed", 2), ("disk", "failed", 2), ("ctrl-c", "interrupted", 130), ("kill", "interrupted", 130)],
)
def test_an_ended_run_says_one_line_and_can_be_resumed(auxtask, recipe, tmp_path, stop, status, code) -> None:
    out = tmp_path / "out"
    done = auxtask("run", recipe, f"stop={stop}", "--out", out)
    assert done.returncode == code
    line = one_line(done)
    said = {"user": "your photos are upside down (--debug shows where)", "disk": "No space left on device"}
    assert said.get(stop, "--resume") in line
    rows = result_in(out)["rows"]
    assert result_in(out)["status"] == status and len(rows) == 2
    again = auxtask("run", recipe, f"stop={stop}", "--out", out, "--resume")
    assert "computing 1" in done.stdout and "computing" not in again.stdout
    assert again.returncode == code and one_line(again) == line  # it came just as far
    assert result_in(out)["status"] == status and result_in(out)["rows"] == rows


def test_a_bug_shows_its_traceback_and_debug_shows_every_one(auxtask, recipe: Path) -> None:
    done = auxtask("run", recipe, "stop=bug")
    assert done.returncode == 1 and "Traceback" in done.stderr and "KeyError" in done.stderr
    assert "Traceback" in auxtask("run", recipe, "stop=user", "--debug").stderr


def test_a_used_folder_is_refused_and_another_config_too(auxtask, recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert auxtask("run", recipe, "--out", out).returncode == 0
    assert "--overwrite" in one_line(auxtask("run", recipe, "--out", out))
    assert "budgets was 1,3 and is now 5" in one_line(auxtask("run", recipe, "budgets=5", "--out", out, "--resume"))
    assert auxtask("run", recipe, "budgets=5", "--out", out, "--overwrite").returncode == 0


def test_overwriting_never_empties_a_folder_that_is_read_from(auxtask, recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert auxtask("run", recipe, "--out", out).returncode == 0
    inside = out / "mine.py"
    inside.write_text(recipe.read_text())
    assert "--overwrite would empty" in one_line(auxtask("run", inside, "--out", out, "--overwrite"))
    words = ("run", recipe, "--out", out, "--overwrite", "--data-root", out)
    assert "from which the data root" in one_line(auxtask(*words))
    assert inside.exists()


def test_a_setting_that_is_no_utf8_is_named(auxtask, recipe: Path) -> None:
    assert "budgets=b'caf\\xe9' is not UTF-8" in one_line(auxtask("run", recipe, os.fsdecode(b"budgets=caf\xe9")))


def test_an_out_that_cannot_be_made_is_refused_before_any_work(auxtask, recipe: Path) -> None:
    done = auxtask("run", recipe, "--out", "/proc/nowhere")  # nobody, not even root, can write there
    assert done.returncode == 2 and "--out /proc/nowhere" in one_line(done) and "computing" not in done.stdout


def test_validate_checks_config_and_data_and_keeps_nothing(auxtask, recipe: Path, tmp_path: Path) -> None:
    done = auxtask("validate", recipe)
    assert done.returncode == 0 and "config and data are valid" in done.stdout
    assert "computing" not in done.stdout
    assert "needs --data-root" in one_line(auxtask("validate", recipe, "dataset=lfw"))
    assert auxtask("validate", recipe, "dataset=lfw", env={"AUXTASK_DATA": str(tmp_path)}).returncode == 0
    assert "unknown setting" in one_line(auxtask("validate", recipe, "x=1"))
    assert not list((tmp_path / "cwd").iterdir())


def test_cp_copies_a_recipe_to_run_and_never_overwrites(auxtask, tmp_path: Path) -> None:
    assert auxtask("cp", "face_recognition", "mine.py").returncode == 0
    original = (ROOT / "recipes" / "face_recognition.py").read_bytes()
    assert (tmp_path / "cwd" / "mine.py").read_bytes() == original
    assert "exists" in one_line(auxtask("cp", "face_recognition", "mine.py"))
    assert "unknown setting" in one_line(auxtask("run", "mine.py", "bogus=1"))
    assert ".py" in one_line(auxtask("cp", "face_recognition", "mine.txt"))
    assert "no folder" in one_line(auxtask("cp", "face_recognition", "no/mine.py"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def f(:\n", "line 1"),
        ("x = 1\n", "is not a recipe: it has no main"),
        ("def main(c, r): ...\nclass Config: ...\n", "frozen dataclass"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(auxtask, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "cwd" / "bad.py").write_text(text)
    assert said in one_line(auxtask("run", "bad.py"))


def test_bench_runs_one_benchmark_by_file(auxtask, recipe: Path, tmp_path: Path) -> None:
    done = auxtask("bench", recipe, "quick=true", "--out", tmp_path / "out")
    assert done.returncode == 0 and result_in(tmp_path / "out")["recipe"] == "toy"
    assert "name the benchmark" in one_line(auxtask("bench", "--out", "x"))
