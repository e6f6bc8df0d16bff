"""The house plan, checked: who may import whom, what files may be called, what no tracked file may name."""

import ast
import importlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ORDER = [
    "framework",
    "training",
    "transfer",
    "data",
    "backbones",
    "losses",
    "evaluation",
    "tasks",
    "runs",
    "deployment",
    "cli",
]
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}
FRAMEWORKS = {"tensorflow", "keras", "tf_keras", "tensorflow_addons", "transformers"}


def tracked_files() -> list[Path]:
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True)
    if listed.returncode:  # an unpacked source archive
        return [p for p in ROOT.rglob("*") if p.is_file() and not {".venv", "runs"} & set(p.parts)]
    return [path for name in listed.stdout.splitlines() if (path := ROOT / name).is_file()]


def python_files() -> list[Path]:
    return [path for path in tracked_files() if path.suffix == ".py"]


def imported_modules(source: str, package: tuple[str, ...] = ()) -> Iterator[str]:
    """Give every module that a source names in an import, wherever it stands, `from x import y` as x and x.y."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def without_type_checking(source: str) -> str:
    """Drop `if TYPE_CHECKING:` blocks, which import nothing when the program runs."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    return ast.unparse(tree)


def wrong_arrows(folder: str, source: str) -> list[str]:
    """List imports from `auxtask.<folder>` that point to a folder right of it."""
    allowed = set(ORDER[: ORDER.index(folder) + 1])
    modules = imported_modules(source, ("auxtask", folder))
    targets = {m: m.split(".")[1] for m in modules if m.startswith("auxtask.") and m.count(".")}
    return [module for module, target in targets.items() if target in ORDER and target not in allowed]


def folder_of(path: Path) -> str:
    parts = path.relative_to(ROOT / "auxtask").parts
    return parts[0].removesuffix(".py")


def test_every_folder_of_the_package_has_its_place_in_the_order() -> None:
    found = {folder_of(p) for p in python_files() if p.is_relative_to(ROOT / "auxtask")}
    assert found - {"__init__"} <= set(ORDER)


def test_a_folder_imports_only_from_those_left_of_it() -> None:
    wrong = {
        str(path.relative_to(ROOT)): arrows
        for path in python_files()
        if path.is_relative_to(ROOT / "auxtask") and path != ROOT / "auxtask/__init__.py"
        if (arrows := wrong_arrows(folder_of(path), path.read_text()))
    }
    assert not wrong


@pytest.mark.parametrize(
    ("folder", "source"),
    [
        ("transfer", "from auxtask.data.faces import FaceData"),
        ("transfer", "def f():\n    import auxtask.data.faces"),
        ("transfer", "from auxtask import data"),
        ("transfer", "from ..data import faces"),
        ("evaluation", "from auxtask.runs.folder import Run"),
        ("framework", "import auxtask.training.callbacks"),
    ],
)
def test_a_wrong_arrow_would_be_found(folder: str, source: str) -> None:
    assert wrong_arrows(folder, source)


def test_the_frameworks_are_imported_in_one_place() -> None:
    allowed = {ROOT / "auxtask/framework.py", ROOT / "tests/test_framework.py"}
    # Runs under PyTorch, in a process of its own.
    allowed.add(ROOT / "benchmarks/pytorch_masked_step.py")
    wrong = {
        str(path.relative_to(ROOT)): names
        for path in python_files()
        if path not in allowed
        if (names := {m.split(".")[0] for m in imported_modules(without_type_checking(path.read_text()))} & FRAMEWORKS)
    }
    assert not wrong


def test_recipes_import_only_the_table_of_contents() -> None:
    for path in (ROOT / "recipes").glob("*.py"):
        for module in imported_modules(path.read_text()):
            assert not module.startswith("auxtask."), f"{path.name} imports {module}"


def test_no_file_is_a_drawer_for_anything() -> None:
    assert not [str(p) for p in python_files() if p.stem.strip("_") in FORBIDDEN_NAMES]


def test_no_public_name_is_the_name_of_a_folder() -> None:
    home = table_of_contents()
    assert not set(home) & set(ORDER)


def table_of_contents() -> dict[str, str]:
    for node in ast.parse((ROOT / "auxtask/__init__.py").read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_HOME":
            return ast.literal_eval(node.value)
    raise AssertionError("auxtask/__init__.py has no literal _HOME")


def test_every_public_name_lives_where_the_table_of_contents_says() -> None:
    auxtask = importlib.import_module("auxtask")
    for name, module in table_of_contents().items():
        assert getattr(auxtask, name) is getattr(importlib.import_module(module), name)
        assert name in dir(auxtask)


def test_the_type_checker_sees_every_public_name() -> None:
    source = (ROOT / "auxtask/__init__.py").read_text()
    typed = {
        (alias.asname, node.module)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    assert typed == set(table_of_contents().items())


def test_recipes_and_benchmarks_use_public_names_only() -> None:
    home = table_of_contents()
    for folder in ("recipes", "benchmarks"):
        for path in (ROOT / folder).glob("*.py"):
            nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)]
            # Annotations too, which nothing evaluates until somebody asks for the type hints.
            used = {node.attr for node in nodes if getattr(node.value, "id", "") == "at"}
            assert used <= set(home), path.name


# Written in pieces, so that this file does not find itself.
FORBIDDEN_TEXT = [
    r"(?<![\w.])/(" + "|".join(["wo" + "rk", "ro" + "ot", "ho" + "me", "Us" + "ers"]) + r")/\w",
    "|".join(["py" + r"pi\.org", "python" + "hosted", "npm" + "js", r"deb\.deb" + "ian"]),
    r"--(extra-)?index" + "-url",
    r"\.\./sha" + "red",
]


def test_no_tracked_file_names_a_machine_path_or_a_package_index() -> None:
    found = []
    for path in tracked_files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{path.name}: {m[0]}" for rule in FORBIDDEN_TEXT for m in re.finditer(rule, text)]
    assert not found
