"""Tables of docs/lambda.md, so that tests can hold each of their lines."""

from __future__ import annotations

from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "lambda.md"


def rows(title: str) -> list[list[str]]:
    """The cells of the table whose first column has that title, row by row."""
    table = PAGE.read_text().partition(f"| {title} |")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def first_cells(title: str) -> list[str]:
    """The first cell of each row of that table."""
    return [row[0] for row in rows(title)]
