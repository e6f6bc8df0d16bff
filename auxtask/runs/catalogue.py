"""Find recipes and benchmarks by listing their folder, and describe them without importing them."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from auxtask.runs.config import check_config_class, closest

LONGEST_SUMMARY = 120


@dataclass(frozen=True)
class Program:
    """A recipe or benchmark that was imported: its `main(config, run)`, its `Config`, and `check` if it has one."""

    name: str
    path: Path
    main: Callable[..., Any]
    config_class: type
    check: Callable[..., Any] | None
    doc: str


def programs_folder(kind: str) -> Path:
    """Return the folder of `recipes` or `benchmarks`: inside the installed wheel, or beside the package."""
    package = Path(__file__).resolve().parents[1]
    inside = package / f"_{kind}"
    return inside if inside.is_dir() else package.parent / kind


def list_programs(kind: str) -> dict[str, str]:
    """Return the programs of a folder by name, with the first paragraph of their docstring; nothing is imported."""
    found = {}
    for path in sorted(programs_folder(kind).glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
        if {"main", "Config"} <= names:
            found[path.stem] = summary(tree)
    return found


def summary(node: ast.Module | ast.ClassDef | ast.FunctionDef) -> str:
    """Return a parsed docstring's first paragraph in one line, of a long one its first sentence; empty without any."""
    paragraph = " ".join((ast.get_docstring(node) or "").partition("\n\n")[0].split())
    if len(paragraph) <= LONGEST_SUMMARY:
        return paragraph
    # A full stop before a capital: "et al. (2017)" ends no sentence.
    return re.split(r"(?<=\.) (?=[A-Z])", paragraph, maxsplit=1)[0]


def find_program(name: str, kind: str = "recipes") -> Path:
    """Return the file meant by a recipe's name or a path.

    Raises
    ------
    ValueError
        If there is no recipe of that name: with the closest one and all there are.
    FileNotFoundError
        If a path (with a slash or `.py`) names no file.
    """
    path = Path(name)
    if path.suffix == ".py" or len(path.parts) > 1:
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {name}")
        return path
    known = list_programs(kind)
    if name not in known:
        valid = ", ".join(known) or "none"
        raise ValueError(f"there is no {kind.removesuffix('s')} {name!r}.{closest(name, known)} There are: {valid}")
    return programs_folder(kind) / f"{name}.py"


def load_program(path: Path) -> Program:
    """Import a recipe's file by its path.

    Raises
    ------
    ValueError
        If it does not parse, or has no `main` or `Config`.
    """
    module_name = f"auxtask_program_{path.stem}"
    spec = spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is not a Python file")
    module = module_from_spec(spec)
    sys.modules[module_name] = module  # dataclasses and type hints look their module up here
    # As with `python FILE`, its neighbours can be imported; last, so that none can shadow an installed package.
    sys.path.append(str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise ValueError(f"{path}, line {error.lineno}: {error.msg}") from error
    return program_of(module, path)


def program_of(module: Any, path: Path) -> Program:
    """Read `main`, `Config` and `check` from an imported recipe."""
    for name in ("main", "Config"):
        if not callable(getattr(module, name, None)):
            raise ValueError(f"{path} is not a recipe: it has no {name}")
    check_config_class(module.Config, str(path))
    return Program(
        name=path.stem,
        path=path,
        main=module.main,
        config_class=module.Config,
        check=getattr(module, "check", None),
        doc=module.__doc__ or "",
    )
