"""Translates Redshift's SQL to PostgreSQL's, for the embedded warehouse.

Knows the statements and functions that this platform uses and refuses every other one. Also refuses what PostgreSQL
would accept and Redshift would not, so that what runs here can be expected to run there. Clauses without a counterpart
(DISTKEY, SORTKEY, ENCODE) and keys, which Redshift does not enforce, are dropped.

Every change is recorded with its place in the text, so that an error's position refers to the statement as written.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Self

from data_storage.sql_statements import Token, split_statements, tokens
from infrastructure.local.redshift.literals import untyped_output
from infrastructure.local.redshift.vocabulary import (
    FRAMED_FUNCTIONS,
    NOT_IN_REDSHIFT,
    RENAMED_FUNCTIONS,
    REPLACED_CALLS,
    REPLACED_WORDS,
    RESERVED_WORDS,
    SHARED_FUNCTIONS,
    WORDS_BEFORE_PARENTHESIS,
)


class Kind(Enum):
    """How a statement has to be run."""

    PLAIN = "plain"
    COPY = "copy"  # by infrastructure/local/redshift/copy_command.py
    TRUNCATE = "truncate"  # commits the surrounding transaction
    ALTER = "alter"  # may require the view over the table to be renewed
    OUTSIDE_TRANSACTION = "outside transaction"  # VACUUM
    POLICY = "policy"  # masks and row-level security, by infrastructure/local/redshift/policies.py
    NOTHING = "nothing"  # about IAM roles, which PostgreSQL does not have


class UnknownSqlError(Exception):
    """SQL that Redshift does not have, or that this dialect does not know. position: 1-based, in the statement."""

    def __init__(self, what: str, position: int = 1) -> None:
        super().__init__(what)
        self.position = position


@dataclass(frozen=True, slots=True)
class Edit:
    """sql[start:end] becomes text."""

    start: int
    end: int
    text: str


@dataclass(slots=True)
class Rewriting:
    """A text with non-overlapping edits applied in order."""

    sql: str
    edits: list[Edit]

    @classmethod
    def of(cls, sql: str, edits: list[Edit]) -> Self:
        parts, at = [], 0
        for edit in edits:
            parts += [sql[at : edit.start], edit.text]
            at = edit.end
        return cls("".join([*parts, sql[at:]]), edits)

    def original_position(self, position: int) -> int:
        """The position in the original text for a 1-based position in the translated text."""
        offset = position - 1
        shift = 0
        for edit in self.edits:
            start = edit.start + shift
            if offset < start:
                break
            if offset < start + len(edit.text):
                return edit.start + 1
            shift += len(edit.text) - (edit.end - edit.start)
        return offset - shift + 1


@dataclass(slots=True)
class Translation(Rewriting):
    """A statement translated to PostgreSQL's SQL. followed_by runs after it, in the same transaction."""

    kind: Kind = Kind.PLAIN
    followed_by: list[str] = field(default_factory=list)


def translate(sql: str) -> Translation:
    """Translate one statement of Redshift's SQL. Raises UnknownSqlError."""
    if len(split_statements(sql)) != 1:
        raise UnknownSqlError("exactly one statement is expected")
    words = [token for token in tokens(sql) if token.text != ";"]
    for token in words:
        if token.text in ("'", '"', "$"):
            raise UnknownSqlError("unterminated literal", token.start + 1)
    handler = _handler(words)
    if (bare := untyped_output(words)) is not None:
        raise UnknownSqlError(
            "a literal that another query reads has no type in Redshift: CAST it", words[bare].start + 1
        )
    return handler(_Statement(sql, words))


class _Statement:
    """The statement under translation: its tokens, and the edits made so far."""

    def __init__(self, sql: str, words: list[Token]) -> None:
        self.sql = sql
        self.tokens = words
        self.words = [token.word for token in words]
        self.edits: list[Edit] = []

    def word(self, index: int) -> str:
        return self.words[index] if 0 <= index < len(self.words) else ""

    def find(self, *sequence: str, start: int = 0) -> int:
        """The index of the first token of a sequence of words, or -1."""
        with suppress(ValueError):  # no further token begins it
            while True:
                start = self.words.index(sequence[0], start)
                if tuple(self.words[start : start + len(sequence)]) == sequence:
                    return start
                start += 1
        return -1

    def closing(self, opening: int) -> int:
        """The index of the parenthesis that closes the one at this index."""
        depth = 0
        for index in range(opening, len(self.tokens)):
            depth += {"(": 1, ")": -1}.get(self.tokens[index].text, 0) if self.tokens[index].kind == "symbol" else 0
            if depth == 0:
                return index
        raise self.unknown("unbalanced parenthesis", opening)

    def drop(self, first: int, last: int) -> None:
        """Replace tokens by blanks, so that positions stay the same."""
        start, end = self.tokens[first].start, self.tokens[last].end
        self.replace(first, last, "".join(c if c == "\n" else " " for c in self.sql[start:end]))

    def replace(self, first: int, last: int, text: str) -> None:
        self.edits.append(Edit(self.tokens[first].start, self.tokens[last].end, text))

    def unknown(self, what: str, index: int = 0) -> UnknownSqlError:
        return UnknownSqlError(what, self.tokens[index].start + 1)

    def translation(self, kind: Kind = Kind.PLAIN) -> Translation:
        translation = Translation.of(self.sql, sorted(self.edits, key=lambda edit: edit.start))
        translation.kind = kind
        return translation


def _query(statement: _Statement) -> Translation:
    _check_vocabulary(statement)
    return statement.translation()


def _check_vocabulary(statement: _Statement, start: int = 0) -> None:
    """Allow only known functions, in Redshift's form, and nothing that only PostgreSQL has."""
    for sequence in NOT_IN_REDSHIFT:
        if (found := statement.find(*sequence, start=start)) >= 0:
            raise statement.unknown(f"Redshift has no {' '.join(sequence).strip('( [')}", found)
    for index in range(start, len(statement.tokens)):
        word = statement.word(index)
        if statement.tokens[index].kind == "word" and word in REPLACED_WORDS:
            statement.replace(index, index, REPLACED_WORDS[word])
        if statement.tokens[index].kind == "word" and statement.word(index + 1) == "(":
            _check_call(statement, index, word)
        if word in RESERVED_WORDS and statement.word(index - 1) == "AS":
            raise statement.unknown(f"{statement.tokens[index].text} is a reserved word in Redshift", index)


def _check_call(statement: _Statement, index: int, word: str) -> None:
    if word in WORDS_BEFORE_PARENTHESIS or statement.word(index - 1) in (".", "INTO", "TABLE", "REFERENCES"):
        return
    if word in RENAMED_FUNCTIONS:
        statement.replace(index, index, RENAMED_FUNCTIONS[word])
    elif word in REPLACED_CALLS:
        statement.replace(index, statement.closing(index + 1), REPLACED_CALLS[word])
    elif word not in SHARED_FUNCTIONS:
        raise statement.unknown(f"function {statement.tokens[index].text} is not known here", index)
    if word in FRAMED_FUNCTIONS:
        _check_frame(statement, index, word)


def _check_frame(statement: _Statement, index: int, word: str) -> None:
    over = statement.closing(index + 1) + 1
    if statement.word(over) != "OVER":
        return
    window = range(over + 1, statement.closing(over + 1))
    ordered = any(statement.word(place) == "ORDER" for place in window)
    if ordered and not any(statement.word(place) == "ROWS" for place in window):
        raise statement.unknown(f"{word} over an ORDER BY needs a frame clause in Redshift", over)


def _delete(statement: _Statement) -> Translation:
    _check_vocabulary(statement)
    after = _relation_end(statement, 2 if statement.word(1) == "FROM" else 1)
    if statement.word(after) not in ("", "USING", "WHERE"):
        raise statement.unknown("DELETE takes no alias in Redshift", after)
    return statement.translation()


def _relation_end(statement: _Statement, index: int) -> int:
    """The index after a possibly qualified name."""
    while statement.word(index + 1) == ".":
        index += 2
    return index + 1


def _create_table(statement: _Statement) -> Translation:
    if statement.word(1) in ("LOCAL", "GLOBAL"):
        raise statement.unknown("write CREATE TEMP TABLE", 1)
    table = statement.find("TABLE")
    name = table + 1
    if statement.word(name) == "IF":
        name += 3
    after = _relation_end(statement, name)
    body_end = after - 1
    if statement.word(after) == "(":
        body_end = statement.closing(after)
        _drop_from_columns(statement, after, body_end)
    at = _drop_table_attributes(statement, body_end + 1)
    if at < len(statement.tokens) and statement.word(at) != "AS":
        raise statement.unknown(f"unknown table attribute {statement.tokens[at].text}", at)
    _check_vocabulary(statement, start=after if body_end >= after else at)
    return statement.translation()


def _drop_table_attributes(statement: _Statement, at: int) -> int:
    """Blank out DISTSTYLE, DISTKEY, SORTKEY, BACKUP and ENCODE AUTO after the columns; returns the index after them."""
    while at < len(statement.tokens):
        first, word = at, statement.word(at)
        if word in ("DISTSTYLE", "ENCODE", "BACKUP"):
            at += 2
        elif word in ("COMPOUND", "INTERLEAVED", "DISTKEY", "SORTKEY"):
            at += word in ("COMPOUND", "INTERLEAVED")
            at = at + 2 if statement.word(at + 1) == "AUTO" else statement.closing(at + 1) + 1
        else:
            return at
        statement.drop(first, at - 1)
    return at


def _drop_from_columns(statement: _Statement, opening: int, closing: int) -> None:
    """Blank out ENCODE and keys inside the parentheses, and the comma of each table constraint that is dropped."""
    index = opening + 1
    while index < closing:
        word = statement.word(index)
        previous = statement.word(index - 1)
        if word == "ENCODE":
            statement.drop(index, index + 1)
            index += 2
        elif word in ("DISTKEY", "SORTKEY"):
            statement.drop(index, index)
            index += 1
        elif word in ("PRIMARY", "FOREIGN", "UNIQUE", "REFERENCES"):
            last = _constraint_end(statement, index, word)
            statement.drop(index - 1 if previous == "," else index, last)
            index = last + 1
        else:
            index += 1


def _constraint_end(statement: _Statement, index: int, word: str) -> int:
    last = index + 1 if word in ("PRIMARY", "FOREIGN") else index
    if statement.word(last + 1) == "(":
        last = statement.closing(last + 1)
    if word == "REFERENCES" or (word == "FOREIGN" and statement.word(last + 1) == "REFERENCES"):
        last = _relation_end(statement, last + (1 if word == "REFERENCES" else 2)) - 1
        if statement.word(last + 1) == "(":
            last = statement.closing(last + 1)
    return last


def _merge(statement: _Statement) -> Translation:
    """MERGE has both WHEN clauses or REMOVE DUPLICATES, a table as its source, and no alias for the target."""
    if statement.word(1) != "INTO":
        raise statement.unknown("MERGE INTO is expected", 1)
    using = _relation_end(statement, 2)
    if statement.word(using) != "USING":
        raise statement.unknown("MERGE takes no alias for its target in Redshift", using)
    if statement.word(using + 1) == "(":
        raise statement.unknown("MERGE's source must be a table in Redshift", using + 1)
    if (simplified := statement.find("REMOVE", "DUPLICATES")) >= 0:
        return _merge_simplified(statement, using, simplified)
    matched, unmatched = statement.find("WHEN", "MATCHED"), statement.find("WHEN", "NOT", "MATCHED")
    if matched < 0 or unmatched < 0 or unmatched < matched:
        raise statement.unknown("MERGE needs WHEN MATCHED, then WHEN NOT MATCHED in Redshift")
    for clause in (matched + 2, unmatched + 3):
        if statement.word(clause) != "THEN":
            raise statement.unknown("WHEN MATCHED takes no further condition in Redshift", clause)
    if statement.find("WHEN", "MATCHED", start=matched + 1) >= 0:
        raise statement.unknown("MERGE takes one clause of each kind in Redshift", unmatched)
    _check_match(statement, statement.find("ON", start=using), matched)
    _check_vocabulary(statement)
    return statement.translation()


def _check_match(statement: _Statement, on: int, end: int) -> None:
    """ON takes equalities between source and target; further predicates may compare the target with literals."""
    words = [statement.word(index) for index in range(on + 1, end)]
    if "=" not in words or {"OR", "SELECT", "EXISTS"} & set(words):
        raise statement.unknown("MERGE matches by equality of columns in Redshift", max(on, 0))


def _merge_simplified(statement: _Statement, using: int, simplified: int) -> Translation:
    """REMOVE DUPLICATES: delete the target's matching rows, then insert the source's distinct rows."""
    if simplified + 2 != len(statement.tokens) or statement.find("WHEN") >= 0:
        raise statement.unknown("MERGE ... REMOVE DUPLICATES takes no WHEN in Redshift", simplified)
    on = statement.find("ON", start=using)
    _check_match(statement, on, simplified)
    _check_vocabulary(statement)
    target, source = (
        statement.sql[statement.tokens[first].start : statement.tokens[last].end]
        for first, last in ((2, using - 1), (using + 1, on - 1))
    )
    statement.replace(0, 1, "DELETE FROM")
    statement.drop(simplified, simplified + 1)
    statement.replace(on, on, "WHERE")
    translation = statement.translation()
    translation.followed_by.append(f"INSERT INTO {target} SELECT DISTINCT * FROM {source}")
    return translation


def _plain(statement: _Statement) -> Translation:
    return statement.translation()


def _lock(statement: _Statement) -> Translation:
    first = 2 if statement.word(1) == "TABLE" else 1
    if _relation_end(statement, first) != len(statement.tokens):
        raise statement.unknown("LOCK takes tables and no mode in Redshift", first)
    return statement.translation()


def _truncate(statement: _Statement) -> Translation:
    return statement.translation(Kind.TRUNCATE)


def _copy(statement: _Statement) -> Translation:
    return statement.translation(Kind.COPY)


def _policy(statement: _Statement) -> Translation:
    return statement.translation(Kind.POLICY)


def _external_schema(statement: _Statement) -> Translation:
    """Make an empty schema: there is no Spectrum here, but privileges on the schema can be granted."""
    name = 6 if statement.word(3) == "IF" else 3
    if statement.word(name + 1) != "FROM":
        raise statement.unknown("CREATE EXTERNAL SCHEMA name FROM is expected", name)
    statement.drop(1, 1)
    statement.drop(name + 1, len(statement.tokens) - 1)
    return statement.translation()


def _alter_table(statement: _Statement) -> Translation:
    after = _relation_end(statement, 2)
    if statement.word(after) == "ROW":
        return statement.translation(Kind.POLICY)
    if (statement.word(after), statement.word(after + 1)) == ("RENAME", "TO"):
        return statement.translation()
    if (statement.word(after), statement.word(after + 1)) != ("ADD", "COLUMN"):
        raise statement.unknown("ALTER TABLE is known here for ADD COLUMN, RENAME TO and ROW LEVEL SECURITY", after)
    if (encoding := statement.find("ENCODE", start=after)) >= 0:
        statement.drop(encoding, encoding + 1)
    return statement.translation(Kind.ALTER)


def _create_user(statement: _Statement) -> Translation:
    if [statement.word(index) for index in range(3, len(statement.tokens))] != ["PASSWORD", "DISABLE"]:
        raise statement.unknown("CREATE USER is known here with PASSWORD DISABLE")
    statement.replace(1, 1, "ROLE")
    statement.replace(3, 4, "LOGIN")
    return statement.translation()


def _create_role(statement: _Statement) -> Translation:
    if len(statement.tokens) != 3:
        raise statement.unknown("CREATE ROLE takes a name and no IF NOT EXISTS in Redshift")
    return statement.translation()


def _grant(statement: _Statement) -> Translation:
    """Translate GRANT and REVOKE: PostgreSQL names roles and users alike, and grants a role without the word ROLE."""
    if statement.word(1) == "ASSUMEROLE":
        return statement.translation(Kind.NOTHING)
    if statement.word(1) == "IGNORE":
        return statement.translation(Kind.POLICY)
    for index in range(1, len(statement.tokens)):
        if statement.word(index) == "ROLE":
            statement.drop(index, index)
    return statement.translation()


def _vacuum(statement: _Statement) -> Translation:
    return statement.translation(Kind.OUTSIDE_TRANSACTION)


_HANDLERS: dict[tuple[str, ...], Callable[[_Statement], Translation]] = {
    ("SELECT",): _query,
    ("WITH",): _query,
    ("INSERT", "INTO"): _query,
    ("UPDATE",): _query,
    ("DELETE",): _delete,
    ("MERGE",): _merge,
    ("COPY",): _copy,
    ("LOCK",): _lock,
    ("TRUNCATE",): _truncate,
    ("ANALYZE",): _plain,
    ("VACUUM",): _vacuum,
    ("CREATE", "SCHEMA"): _plain,
    ("CREATE", "EXTERNAL", "SCHEMA"): _external_schema,
    ("CREATE", "TABLE"): _create_table,
    ("CREATE", "TEMP", "TABLE"): _create_table,
    ("CREATE", "TEMPORARY", "TABLE"): _create_table,
    ("COMMENT", "ON"): _plain,
    ("CREATE", "VIEW"): _query,
    ("CREATE", "OR", "REPLACE", "VIEW"): _query,
    ("CREATE", "ROLE"): _create_role,
    ("CREATE", "USER"): _create_user,
    ("GRANT",): _grant,
    ("REVOKE",): _grant,
    **{
        (verb, kind, "POLICY"): _policy
        for verb in ("CREATE", "ATTACH", "DETACH", "DROP")
        for kind in ("MASKING", "RLS")
    },
    ("ALTER", "TABLE"): _alter_table,
    ("DROP", "ROLE"): _plain,
    ("DROP", "USER"): _plain,
    ("DROP", "TABLE"): _plain,
    ("DROP", "VIEW"): _plain,
    ("DROP", "SCHEMA"): _plain,
}


def _handler(words: list[Token]) -> Callable[[_Statement], Translation]:
    for length in (4, 3, 2, 1):
        found = _HANDLERS.get(tuple(token.word for token in words[:length]))
        if found is not None:
            return found
    raise UnknownSqlError(f"statement {' '.join(token.text for token in words[:3])} is not known here")
