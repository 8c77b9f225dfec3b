"""Splits SQL text into tokens, and a script into statements. Pure; standard library only.

Recognises what can hide a semicolon or a word: string literals, quoted identifiers, comments and dollar-quoted bodies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_TOKEN = re.compile(
    r"""
      (?P<space>\s+|--[^\n]*|/\*.*?\*/)
    | (?P<string>'(?:[^']|'')*')
    | (?P<quoted>"(?:[^"]|"")*")
    | (?P<body>\$(?P<tag>[A-Za-z_]*)\$.*?\$(?P=tag)\$)
    | (?P<number>\d+(?:\.\d+)?)
    | (?P<word>[A-Za-z_\#][A-Za-z0-9_$]*)
    | (?P<symbol>::|<>|<=|>=|!=|\|\||->>|->|!~\*?|~\*|.)
    """,
    re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
    """A token that is neither white space nor comment. start and end are offsets in the text."""

    kind: str  # string, quoted, body, number, word or symbol
    text: str
    start: int
    end: int

    @property
    def word(self) -> str:
        """The keyword or name in upper case, or the symbol itself; "" for any other kind."""
        return self.text.upper() if self.kind in ("word", "symbol") else ""


def tokens(sql: str) -> list[Token]:
    """The text's tokens. An unclosed literal yields a lone quote symbol, which no dialect accepts."""
    return [
        Token(match.lastgroup if match.lastgroup != "tag" else "body", match.group(), match.start(), match.end())
        for match in _TOKEN.finditer(sql)
        if match.lastgroup and match.lastgroup != "space"
    ]


def split_statements(sql: str) -> list[str]:
    """The statements of a script in order, without their semicolons and without comments before them."""
    return [sql[first.start : last.end] for first, last in _statement_bounds(sql)]


def _statement_bounds(sql: str) -> Iterator[tuple[Token, Token]]:
    first: Token | None = None
    last: Token | None = None
    for token in tokens(sql):
        if token.kind == "symbol" and token.text == ";":
            if first is not None and last is not None:
                yield first, last
            first = last = None
            continue
        first = first or token
        last = token
    if first is not None and last is not None:
        yield first, last
