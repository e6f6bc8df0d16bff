"""The wheel, installed in a fresh environment elsewhere, carries the recipes and runs."""

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def command(tmp_path_factory) -> Path:
    """Build the wheel, install it into an environment of its own, and give its `auxtask`.

    The dependencies come from the environment of this test through a path file: nothing is downloaded. A checkout
    that is installed here (`pip install -e`) is on that path by a file of its own, which is not followed.
    """
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", folder / "env"], check=True)
    python = folder / "env" / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True)
    own = next((folder / "env" / "lib").glob("python*/site-packages"))
    (own / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "env" / "bin" / "auxtask"


def call(command: Path, cwd: Path, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run([command, *words], cwd=cwd, capture_output=True, text=True, timeout=900)


def test_the_wheel_lists_copies_and_runs_its_recipes(command: Path, tmp_path: Path) -> None:
    listed = call(command, tmp_path, "ls")
    recipes = [path.stem for path in (ROOT / "recipes").glob("*.py")]
    assert listed.returncode == 0 and all(name in listed.stdout for name in recipes)
    copied = call(command, tmp_path, "cp", "face_recognition", "mine.py")
    assert copied.returncode == 0, copied.stderr
    assert (tmp_path / "mine.py").read_bytes() == (ROOT / "recipes/face_recognition.py").read_bytes()
    ran = call(command, tmp_path, "run", "mine.py", "quick=true", "--out", "out")
    assert ran.returncode == 0, ran.stderr
    assert '"status": "finished"' in (tmp_path / "out" / "result.json").read_text()


def test_the_installed_package_is_the_one_that_runs(command: Path, tmp_path: Path) -> None:
    python = command.with_name("python")
    where = "import auxtask; print(auxtask.__file__)"
    done = subprocess.run([python, "-c", where], cwd=tmp_path, capture_output=True, text=True)
    assert str(command.parents[1]) in done.stdout
