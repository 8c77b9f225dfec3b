"""The contract as a page for people: what a producer sends, field by field, and what refuses a record. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from data_catalog.transaction_contract import (
    AMOUNT_PRECISION,
    AMOUNT_SCALE,
    QUARANTINE_REASONS,
    SCHEMA_VERSION,
    TRANSACTION_FIELDS,
    Field,
    Type,
    json_schema,
)

_FORMS = {
    Type.DECIMAL: f"decimal as text, at most {AMOUNT_PRECISION - AMOUNT_SCALE} digits and {AMOUNT_SCALE} decimals",
    Type.TIMESTAMP: "RFC 3339 time with offset",
    Type.DATE: "date `YYYY-MM-DD`",
    Type.INTEGER: "integer",
}


def contract_page() -> str:
    """The page, in Markdown."""
    rows = [
        (f"`{field.name}`", "yes" if field.required else "", form(field), field.since, field.comment)
        for field in TRANSACTION_FIELDS
    ]
    reasons = [(f"`{reason}`", meaning) for reason, meaning in QUARANTINE_REASONS.items()]
    return "\n".join(
        [
            f"# The transaction contract {SCHEMA_VERSION}",
            "",
            "For producers: one JSON object a record, UTF-8. Fields that are not here are not landed.",
            "",
            *table(("field", "required", "form", "since", "what"), rows),
            "",
            "## What refuses a record",
            "",
            *table(("reason", "what"), reasons),
            "",
        ]
    )


def form(field: Field) -> str:
    """What a field's text must look like, in words."""
    if field.values:
        return ", ".join(f"`{value}`" for value in field.values)
    if field.name in ("currency", "merchant_country"):
        known = len([each for each in json_schema()["properties"][field.name]["enum"] if each])
        return f"one of {known} codes"
    if field.type is not Type.STRING:
        return _FORMS[field.type]
    return f"{'ASCII without spaces' if field.ascii else 'text'}, up to {field.max_length} characters"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table. A bar in a cell is escaped, a line feed becomes a space."""
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *cells)]
