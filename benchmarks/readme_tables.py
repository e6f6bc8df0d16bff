"""Fill README's tables from kept results, so that no number stands there that no command produced.

    python benchmarks/readme_tables.py keep RUN_FOLDER NAME   # copies the run's result, with its command, to results/
    python benchmarks/readme_tables.py                        # fills README.md
    python benchmarks/readme_tables.py --check                # fails if README.md is not what this would write

README.md marks a table by `<!-- table: NAME -->` … `<!-- /table -->`; `<!-- table: NAME accuracy auc -->` picks
metrics, the first one of the result otherwise. NAME is a file `benchmarks/results/NAME.json` of `result.json`'s form.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from auxtask.runs.catalogue import list_programs
from auxtask.runs.program import make_parser
from auxtask.runs.report import ReportTable, tables_of
from auxtask.runs.whole_files import whole_file, write_json

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
BLOCK = re.compile(r"(<!-- table: (\S+)((?: \S+)*) -->\n).*?(<!-- /table -->)", re.DOTALL)
MARK = re.compile(r"<!-- (?:table: .*?|/table) -->")


def keep(run_folder: Path, name: str, results: Path = RESULTS) -> Path:
    """Copy a finished run's result, its command and machine to `results/NAME.json`.

    Raises
    ------
    ValueError
        The run is not finished, or its code was changed since its commit.
    """
    result = json.loads((run_folder / "result.json").read_text())
    if result["status"] != "finished":
        raise ValueError(f"{run_folder} is {result['status']}: only a finished run makes a table")
    environment = json.loads((run_folder / "environment.json").read_text())
    part = environment
    while part is not None:  # a resumed run keeps cells of the earlier one
        if part["changed_since_commit"]:
            raise ValueError(f"{run_folder} ran code changed since commit {part['commit']}: no one could repeat it")
        part = part.get("resumed_from")
    result["command"] = kept_command(environment["command"], result["recipe"])
    result["commit"] = environment["commit"]
    result["processor"] = f"{environment['machine']['processor']}, {environment['machine']['cores']} cores"
    results.mkdir(exist_ok=True)
    path = results / f"{name}.json"
    write_json(path, result)
    return path


def kept_command(command: Sequence[str], program: str) -> str:
    """Write the command that repeats a run from the one that was typed.

    How a run was resumed, and folders on this machine, are nobody else's business and would not help to repeat it:
    options but `--seed` go, and a path becomes a word in capitals.

    Parameters
    ----------
    command : sequence of str
        As in `environment.json`: `auxtask run NAME key=value …`, or `NAME.py key=value …` for a file that was run.
    program : str
        NAME, the recipe or benchmark.
    """
    arguments = make_parser().parse_intermixed_args(list(command[1:]))
    verb = "bench" if program in list_programs("benchmarks") else "run"
    settings = [_without_path(word) for word in arguments.overrides if "=" in word]
    seed = ["--seed", str(arguments.seed)] if arguments.seed else []
    return " ".join(["auxtask", verb, program, *settings, *seed])


def _without_path(setting: str) -> str:
    key, _, value = setting.partition("=")
    # A relative word with a slash may be a name on the Hugging Face hub; a folder of that name is a folder.
    if not (value.startswith(("/", "./", "../", "~")) or ("/" in value and Path(value).exists())):
        return setting
    return f"{key}={'PYTHON' if Path(value).name.startswith('python') else key.upper()}"


def markdown_table(table: ReportTable) -> str:
    """Write one metric's table in Markdown."""
    heads = table.columns if table.columns != ("",) else (table.title,)
    first = table.title if table.columns != ("",) else "arm"
    lines = [[first, *heads], ["---", *["---:"] * len(heads)]]
    for name, cells in table.lines:
        bold = "**" if name == "chosen" else ""
        lines.append([f"{bold}{text}{bold}" if text else "" for text in (name, *cells)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def markdown(result: Mapping[str, Any], metrics: Sequence[str], name: str) -> str:
    """Write the tables of a result in Markdown, with the command that makes them."""
    tables = tables_of(result["rows"])
    if not tables:
        raise ValueError(f"{name}: the result has no rows")
    for metric in metrics:
        if metric not in tables:
            raise ValueError(f"{name}: no row has the metric {metric!r}; there are {', '.join(tables)}")
    text = "\n\n".join(markdown_table(tables[metric]) for metric in metrics or list(tables)[:1])
    if result.get("command"):
        text += f"\n\nMade by `{result['command']}`"
        text += f" ({result['processor']})." if result.get("processor") else "."
    return text


def filled(readme: str, results: Path = RESULTS) -> str:
    """Return README's text with every marked table filled.

    Raises
    ------
    ValueError, FileNotFoundError
        For a mark without its end, a metric that is not there, a result that was not kept.
    """

    def fill(match: re.Match[str]) -> str:
        start, name, metrics, end = match.groups()
        path = results / f"{name}.json"
        if not path.is_file():
            raise FileNotFoundError(f"README.md: table {name} has no benchmarks/results/{name}.json")
        return f"{start}{markdown(json.loads(path.read_text()), metrics.split(), name)}\n{end}"

    text, number = BLOCK.subn(fill, readme)
    if len(MARK.findall(readme)) != 2 * number:
        raise ValueError("README.md: a table's mark has no partner: <!-- table: NAME --> … <!-- /table -->")
    return text


def main(words: Sequence[str]) -> int:
    """Run the command line; returns the exit status."""
    readme = ROOT / "README.md"
    try:
        if len(words) == 3 and words[0] == "keep":
            keep(Path(words[1]), words[2])
        elif words not in ([], ["--check"]):
            raise ValueError("usage: python benchmarks/readme_tables.py [--check | keep RUN_FOLDER NAME]")
        before = readme.read_text()
        after = filled(before)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if words == ["--check"]:
        if before != after:
            print("README.md is out of date: run python benchmarks/readme_tables.py", file=sys.stderr)
        return int(before != after)
    with whole_file(readme) as file:
        file.write(after.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
