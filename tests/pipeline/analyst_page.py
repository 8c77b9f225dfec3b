"""The questions of docs/analyst.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "analyst.md").read_text(encoding="utf-8")


_QUESTION = re.compile(r"^\*\*(\d+)\. [^\n]*\*\*(?: \(`(\w+)`\))?\n\n```sql\n(.*?)```", re.MULTILINE | re.DOTALL)


class Question(NamedTuple):
    """A question: its number, the role that asks ("" on the lake), the query."""

    number: int
    role: str
    sql: str


QUESTIONS = [
    Question(int(number), role or "", sql.strip())
    for number, role, sql in re.findall(
        r"^\*\*(\d+)\. [^\n]*\*\*(?: \(`(\w+)`\))?\n\n```sql\n(.*?)```", PAGE, re.M | re.S
    )
]
IN_WAREHOUSE = [each for each in QUESTIONS if each.role]
ON_LAKE = [each for each in QUESTIONS if not each.role]
