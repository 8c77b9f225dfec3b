"""Reads Redshift's statements about policies: names, tables, grantees, expressions in parentheses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from data_storage.sql_statements import tokens
from infrastructure.local.redshift.dialect import UnknownSqlError

STORED_SUFFIX = "_stored"  # suffix of the schema that holds the rows of protected tables


class Table(NamedTuple):
    """A table by schema and name."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f'"{self.schema}"."{self.name}"'

    @property
    def stored(self) -> Table:
        """The table that holds the rows of this protected table."""
        return Table(self.schema + STORED_SUFFIX, self.name)


@dataclass(frozen=True, slots=True)
class Grantee:
    name: str
    type: str  # role, user or public


class StatementReader:
    """Reads a statement word by word."""

    def __init__(self, sql: str) -> None:
        self.sql = sql
        self.words = tokens(sql)
        self.at = 0

    def peek(self) -> str:
        return self.words[self.at].word if self.at < len(self.words) else ""

    def expect(self, *words: str) -> None:
        for word in words:
            if self.peek() != word:
                raise UnknownSqlError(f"{word} is expected", self._position())
            self.at += 1

    def skip(self, *words: str) -> bool:
        """Skip these words if they follow; whether they did."""
        found = tuple(token.word for token in self.words[self.at : self.at + len(words)]) == words
        self.at += len(words) if found else 0
        return found

    def name(self) -> str:
        token = self.words[self.at] if self.at < len(self.words) else None
        if token is None or token.kind not in ("word", "quoted"):
            raise UnknownSqlError("a name is expected", self._position())
        self.at += 1
        return token.text[1:-1] if token.kind == "quoted" else token.text.lower()

    def table(self) -> Table:
        schema = self.name()
        self.expect(".")
        return Table(schema, self.name())

    def names(self) -> list[str]:
        """Names in parentheses."""
        self.expect("(")
        found = [self.name()]
        while self.skip(","):
            found.append(self.name())
        self.expect(")")
        return found

    def grantees(self) -> list[Grantee]:
        found = [self._one_grantee()]
        while self.skip(","):
            found.append(self._one_grantee())
        return found

    def _one_grantee(self) -> Grantee:
        if self.skip("PUBLIC"):
            return Grantee("public", "public")
        type_ = "role" if self.skip("ROLE") else "user"
        return Grantee(self.name(), type_)

    def parenthesised(self) -> str:
        """The text inside the next pair of parentheses."""
        self.expect("(")
        start, depth = self.words[self.at].start, 1
        while depth:
            if self.at >= len(self.words):
                raise UnknownSqlError("unbalanced parenthesis", start + 1)
            depth += {"(": 1, ")": -1}.get(self.words[self.at].text, 0)
            self.at += 1
        return self.sql[start : self.words[self.at - 1].start].strip()

    def integer(self) -> int:
        token = self.words[self.at]
        self.at += 1
        return int(token.text)

    def end(self) -> None:
        if self.at != len(self.words):
            raise UnknownSqlError(f"unexpected {self.words[self.at].text}", self._position())

    def _position(self) -> int:
        return (self.words[self.at].start if self.at < len(self.words) else len(self.sql)) + 1
