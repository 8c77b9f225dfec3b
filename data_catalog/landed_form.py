"""The form of a landed row, as Java regular expressions made from the contract. Pure.

Spark's typed JSON reader repairs what it should refuse: it rounds amounts, accepts "1,234.50", epoch milliseconds and a
bare year as values, drops the second object of a line, takes {} for a row and an array for many. So rows are read as
text. LINE matches exactly what the landing writes, and takes it apart; a row that it does not match is checked field by
field.
"""

from __future__ import annotations

import re

from data_catalog.transaction_contract import LANDED_FIELDS, TRANSACTION_FIELDS, Field, Type, json_schema

# Generous: a landed row whose fields all have their greatest length is below 16 KiB.
MAX_LINE_BYTES = 64 * 1024

_STATED: dict[str, str] = (
    {
        name: property_["pattern"].removeprefix("^").removesuffix("$")
        for name, property_ in json_schema()["properties"].items()
        if "pattern" in property_ and "!-~" not in property_["pattern"]
    }
    | {"card_last4": "[0-9]{4}"}
    | dict.fromkeys(("sequence_number", "replaces_sequence_number"), "0|[1-9][0-9]{0,127}")
)
_TIMESTAMP = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?Z"
_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_INTEGER = "0|[1-9][0-9]{0,17}"
# The characters that JSON need not escape inside a string. Java finds characters that are listed one by one in a table,
# and tries ranges one after the other.
_CONTROLS = "".join(rf"\x{code:02x}" for code in range(0x20))
_UNESCAPED = rf'[^"\\{_CONTROLS}]'
_PRINTABLE = "[" + "".join(re.escape(chr(code)) for code in range(0x21, 0x7F) if chr(code) not in '"\\') + "]"
# A regular expression sees this character for bytes that are not UTF-8; the field by field check tells them apart.
REPLACEMENT = "\ufffd"
# A surrogate means nothing unless its other half follows.
_UNICODE = r"u(?:[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?![dD][89a-fA-F])[0-9a-fA-F]{4})"
_STRING = rf'"{_UNESCAPED}*+(?:\\(?:["\\/bfnrt]|{_UNICODE}){_UNESCAPED}*+)*+"'
_SPACE = r"[ \t\r]*+"


def value_form(field: Field) -> str:
    """The pattern that a field's whole value must match, after escapes are resolved."""
    if field.values:
        return "|".join(field.values)
    if field.name in _STATED:
        return _STATED[field.name]
    if field.type is Type.STRING:
        return rf"[!-~]{{1,{field.max_length}}}" if field.ascii else rf"[^\x00]{{1,{field.max_length}}}"
    return {Type.TIMESTAMP: _TIMESTAMP, Type.DATE: _DATE, Type.INTEGER: _INTEGER}[field.type]


def _member(field: Field) -> str:
    """A member of a JSON line whose value matches the same pattern, if nothing has to be escaped. Its first group is
    the value."""
    form, quote = value_form(field), "" if field.type is Type.INTEGER else '"'
    if field.type is Type.STRING and not field.values and field.name not in _STATED:
        characters = _PRINTABLE if field.ascii else _UNESCAPED.replace("]", REPLACEMENT + "]")
        form = f"{characters}{{1,{field.max_length}}}+"
    return f'"{field.name}":{quote}({form}){quote}'


def whole(pattern: str) -> str:
    """A pattern that must match the whole value; $ would allow a line feed after it."""
    return rf"\A(?:{pattern})\z"


def _in_order() -> list[Field]:
    """The fields as the landing writes them: required ones of a transaction, optional ones, card, position."""
    transaction = {field.name for field in TRANSACTION_FIELDS}
    return sorted(
        LANDED_FIELDS,
        key=lambda field: (field.name not in transaction, not (field.required and field.name in transaction)),
    )


def _line() -> str:
    """A row as the landing writes it, without spaces."""
    members = []
    for field in _in_order():
        member = f",{_member(field)}"
        members.append(member if field.required else f'(?:{member}|,"{field.name}":null)?+')
    return whole(r"\{" + "".join(members).removeprefix(",") + r"\}")


def _values() -> str:
    """What takes the place of a LINE to leave its values: each behind a SEPARATOR, in the order of LANDED_FIELDS."""
    numbers, number = {}, 1
    for field in _in_order():
        numbers[field.name] = number
        number += 1 + re.compile(value_form(field)).groups
    return "".join(f"{SEPARATOR}${numbers[field.name]}" for field in LANDED_FIELDS)


def _flat_object() -> str:
    """Exactly one JSON object: only the contract's fields, each a string or null, the integer fields integers."""
    members = [
        f"{_SPACE}{_names(is_integer)}{_SPACE}:{_SPACE}(?:{value}|null){_SPACE}"
        for is_integer, value in ((False, _STRING), (True, f"(?:{_INTEGER})"))
    ]
    member = f"(?:{members[0]}|{members[1]})"
    return whole(rf"{_SPACE}\{{{member}(?:,{member}){{0,{len(LANDED_FIELDS) - 1}}}+\}}{_SPACE}")


def _names(is_integer: bool) -> str:
    names = [field.name for field in LANDED_FIELDS if (field.type is Type.INTEGER) is is_integer]
    return '"(?:' + "|".join(sorted(names, key=len, reverse=True)) + ')"'


# No value of a LINE holds it.
SEPARATOR = "\x01"
LINE = _line()
VALUES = _values()
FLAT_OBJECT = _flat_object()
