"""Finds literals without a type where Redshift needs one.

Redshift gives a quoted literal, and NULL, no type of its own: it stays "unknown" until its context decides. If another
query reads it as an output column (of a derived table, of CREATE TABLE AS, of a branch of a UNION), nothing decides,
and Redshift fails with 'failed to find conversion function from "unknown" to character varying'. PostgreSQL takes it
for text. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from data_storage.sql_statements import Token

_SET_OPERATORS = frozenset({"UNION", "INTERSECT", "EXCEPT", "MINUS"})
_BEHIND_THE_OUTPUT = _SET_OPERATORS | {"FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT"}


def untyped_output(statement: Sequence[Token]) -> int | None:
    """The index of the first bare literal that is such an output column; None if there is none."""
    depths = list(_depths(statement))
    united = any(not depth and one.word in _SET_OPERATORS for depth, one in zip(depths, statement, strict=True))
    is_read = united or statement[0].word == "CREATE"
    for index, token in enumerate(statement):
        if token.word == "SELECT" and (is_read or depths[index]):
            for first, last in _output_columns(statement, depths, index):
                if _is_bare_literal(statement[first:last]):
                    return first
    return None


def _depths(statement: Sequence[Token]) -> Iterator[int]:
    """For each token, the number of parentheses around it; a parenthesis is outside of its own pair."""
    depth = 0
    for token in statement:
        depth -= token.word == ")"
        yield depth
        depth += token.word == "("


def _output_columns(statement: Sequence[Token], depths: Sequence[int], select: int) -> Iterator[tuple[int, int]]:
    """The bounds of each expression between SELECT and the end of its list."""
    first = select + 1
    if statement[first].word in ("DISTINCT", "ALL"):
        first += 1
    elif statement[first].word == "TOP":
        first += 2
    for index in range(first, len(statement)):
        beside = depths[index] == depths[select]
        if depths[index] < depths[select] or (beside and statement[index].word in _BEHIND_THE_OUTPUT):
            yield first, index
            return
        if beside and statement[index].word == ",":
            yield first, index
            first = index + 1
    yield first, len(statement)


def _is_bare_literal(column: Sequence[Token]) -> bool:
    """Whether the expression is a literal, followed by nothing or by its alias."""
    if not column or not (column[0].kind == "string" or column[0].word == "NULL"):
        return False
    name = column[2:] if len(column) > 1 and column[1].word == "AS" else column[1:]
    return len(name) <= 1 and all(token.kind in ("word", "quoted") for token in name)
