"""Errors of others in one line."""

from __future__ import annotations


def first_line(error: BaseException) -> str:
    """Give an exception's first line of text, or its class where it has none."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
