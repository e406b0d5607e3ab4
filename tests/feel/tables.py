"""The tables of cases: each line of `cases/*.txt` goes in, an expression and what it equals come out."""

from pathlib import Path
from typing import NamedTuple

CASES = Path(__file__).with_name("cases")
ERROR = "error"
_ARROW = " => "


class Case(NamedTuple):
    """One line of a table: an expression, and an expression of the same value, or `error`."""

    place: str
    expression: str
    equal: str


def cases() -> list[Case]:
    """All lines of all tables, comments left out."""
    found = []
    for table in sorted(CASES.glob("*.txt")):
        for number, line in enumerate(table.read_text(encoding="utf-8").splitlines(), start=1):
            if line and not line.startswith("#"):
                expression, _, equal = line.rpartition(_ARROW)
                found.append(Case(f"{table.stem}:{number}", expression, equal))
    return found
