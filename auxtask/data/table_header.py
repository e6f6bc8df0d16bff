"""What is wrong with a table's header: other delimiters than expected, columns that are not there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

LONGEST_NAME = 40  # characters of a column's name in a message: without a header it may be a whole text


def require_column(column: str, present: Iterable[str], where: str, hint: str = "") -> None:
    """Refuse a column that is not there, naming those that are.

    Raises
    ------
    ValueError
        Beginning with `where`, ending with the most similar name, or with `hint` where none is.
    """
    names = [str(name) for name in present]
    if column in names:
        return
    close = difflib.get_close_matches(column, names, 1)
    hint = f"; did you mean {close[0]!r}?" if close else hint
    raise ValueError(f"{where}: no column {column!r} (there are: {', '.join(map(_short, names)) or 'none'}){hint}")


def refuse_other_delimiter(line: str, delimiter: str, columns: Sequence[str], where: str) -> None:
    """Refuse a header that another character divides: spreadsheets of many countries write semicolons.

    Parameters
    ----------
    line : str
        The file's first.
    delimiter : str
        What is expected.
    columns : sequence of str
        Those asked for; one of this very name is let through.
    where : str
        The file.

    Raises
    ------
    ValueError
    """
    if delimiter in line or line.strip() in columns:
        return
    for other in ";\t,":
        if other in line:
            raise ValueError(
                f"{where}: its columns are divided by {other!r}, expected {delimiter!r}; save it with commas as .csv, "
                "or with tabs as .tsv"
            )


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
