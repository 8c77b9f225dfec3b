"""quarantine list, show, fix: what was refused and why, a record with its fault marked, corrected lines for replay."""

from __future__ import annotations

import argparse
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from data_catalog.lake_layout import CORRECTED_PREFIX
from data_catalog.transaction_contract import QUARANTINE_REASONS
from data_governance.display_masking import masked_payload
from data_governance.lake_reader import LakeReader
from data_governance.quarantine_remedies import QUARANTINE_REMEDIES
from data_ingestion.corrections import SETTABLE, checked_line, draft, place_of, position_text
from data_ingestion.quarantined_records import QuarantinedRecord, quarantined_on
from infrastructure.errors import PlatformError
from scripts.commands.context import CommandContext, open_context
from scripts.commands.editor import edited
from scripts.commands.terminal import (
    EXIT_ERROR,
    EXIT_OK,
    Parser,
    add_account_options,
    add_output_options,
    did_you_mean,
    outcome,
    print_json,
)

_GROUPS = ("reason", "day", "channel", "stage", "field")
_DAYS = 30
_SHOWN = 3
_NAMED_PROBLEMS = 10


# The IAM actions that it needs.
PERMISSIONS = "glue:GetTable kms:Decrypt kms:GenerateDataKey s3:GetObject s3:ListBucket s3:PutObject"


def add_commands(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add quarantine with its three commands; each sets run(arguments) -> exit status."""
    top = commands.add_parser(
        "quarantine",
        help="list what was refused, show a record with its fault marked, write corrected lines for replay",
        description="What is in quarantine, of both stages, and not replayed yet.",
    )
    parts: argparse._SubParsersAction[Parser] = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    listing = parts.add_parser("list", help="how many records were refused, by reason, day or producing channel")
    listing.add_argument("--by", choices=_GROUPS, default=_GROUPS[0], help="what to count by (default reason)")
    listing.set_defaults(run=run_list)
    showing = parts.add_parser("show", help="records, masked, with the fault marked and what to do about it")
    showing.add_argument("--limit", type=int, default=_SHOWN, metavar="N", help=f"at most so many (default {_SHOWN})")
    showing.set_defaults(run=run_show)
    fixing = parts.add_parser(
        "fix",
        help="write corrected lines, which replay puts in again",
        description="Write corrected lines into the quarantine bucket. Each is held to all that a replay asks of it; "
        "those that are still at fault are named and left out. Exit status: 0 where every record could be corrected.",
    )
    fixing.add_argument(
        "--set", dest="values", action="append", default=[], type=_assignment, metavar="FIELD=VALUE",
        help="a value for every record; FIELD= takes the field away; may be given several times",
    )  # fmt: skip
    fixing.add_argument("--edit", action="store_true", help="open the lines in $EDITOR before they are written")
    fixing.add_argument("--dry-run", action="store_true", help="say what would be written, and write nothing")
    fixing.set_defaults(run=run_fix)
    for parser in (listing, showing, fixing):
        parser.add_argument(
            "--where", action="append", default=[], type=_assignment, metavar="NAME=VALUE",
            help="reason, stage, field, transaction_id, day, or a field of the record; may be given several times",
        )  # fmt: skip
        period = parser.add_mutually_exclusive_group()
        period.add_argument("--date", type=_date, metavar="D", help="only what arrived on that day, YYYY-MM-DD in UTC")
        period.add_argument(
            "--days", type=int, default=_DAYS, metavar="N", help=f"what arrived in so many days (default {_DAYS})"
        )
        parser.add_argument("--workdir", metavar="DIR", help="in what `local --workdir DIR` kept, not in an account")
        add_account_options(parser)
        add_output_options(parser, as_json=True)


def _assignment(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE")
    return name, value


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date of the form YYYY-MM-DD") from None


def _check_conditions(arguments: argparse.Namespace) -> None:
    for name, value in arguments.where:
        if name == "reason" and value not in QUARANTINE_REASONS:
            meant = did_you_mean(value, QUARANTINE_REASONS)
            raise PlatformError("--where", f"there is no reason {value}{meant}", "See `quarantine list`")


def _found(context: CommandContext, arguments: argparse.Namespace) -> list[QuarantinedRecord]:
    """What the options choose, in the order of arrival, but for what was replayed."""
    today = datetime.now(UTC).date()
    days = [arguments.date] if arguments.date else [today - timedelta(days=n) for n in range(arguments.days)]
    lake = LakeReader(context.s3, context.settings, context.tables)
    chosen = [
        record
        for record in quarantined_on(lake, days)
        if not record.is_replayed and all(record.value(name) == value for name, value in arguments.where)
    ]
    return sorted(chosen, key=lambda record: (record.arrival_time, record.position))


def run_list(arguments: argparse.Namespace) -> int:
    """Count, and print the greatest first."""
    _check_conditions(arguments)
    with open_context(arguments) as context:
        found = _found(context, arguments)
    counts = Counter(record.value(arguments.by) or "(unreadable)" for record in found)
    ordered = counts.most_common() if arguments.by != "day" else sorted(counts.items())
    if arguments.json:
        print_json([{arguments.by: value, "records": count} for value, count in ordered])
        return EXIT_OK
    out = outcome(arguments)
    if not found:
        out.print("Nothing is in quarantine that was not replayed.")
        return EXIT_OK
    table = Table(box=box.SIMPLE_HEAD, header_style="bold")
    table.add_column(arguments.by)
    table.add_column("records", justify="right", no_wrap=True)
    if arguments.by == "reason":
        table.add_column("what it means")
    for value, count in ordered:
        table.add_row(value, f"{count:,}", *([QUARANTINE_REASONS.get(value, "")] if arguments.by == "reason" else []))
    out.print(table)
    out.print(f"{len(found):,} records. See some: quarantine show --where {arguments.by}={ordered[0][0]}")
    return EXIT_OK


def run_show(arguments: argparse.Namespace) -> int:
    """Print the newest records that were chosen."""
    _check_conditions(arguments)
    with open_context(arguments) as context:
        found = _found(context, arguments)
    shown = found[-arguments.limit :] if arguments.limit > 0 else []
    if arguments.json:
        print_json([_as_json(record) for record in shown])
        return EXIT_OK if shown else EXIT_ERROR
    out = outcome(arguments)
    for record in shown:
        _show(record, out)
    out.print(f"{len(shown):,} of {len(found):,} records; accounts, texts and card numbers are masked")
    return EXIT_OK if shown else EXIT_ERROR


def _as_json(record: QuarantinedRecord) -> dict[str, Any]:
    return {
        "reason": record.reason,
        "meaning": QUARANTINE_REASONS.get(record.reason, ""),
        "todo": QUARANTINE_REMEDIES.get(record.reason, ""),
        "stage": record.stage,
        "field": record.field,
        "transaction_id": record.transaction_id,
        "position": position_text(record.position),
        "arrival_time": record.arrival_time.isoformat(),
        "payload": masked_payload(record.payload),
    }


def _show(record: QuarantinedRecord, out: Console) -> None:
    out.print(Text.assemble((record.reason, "bold"), f": {QUARANTINE_REASONS.get(record.reason, '')}"), soft_wrap=True)
    out.print(
        Text(f"  {place_of(record)}, {record.arrival_time:%Y-%m-%d %H:%M:%S} UTC, stage {record.stage}"), soft_wrap=True
    )
    for line, is_fault in _lines(record):
        out.print(
            Text.assemble("  ", ("▶ " if is_fault else "  ", "bold red"), (line, "bold red" if is_fault else "")),
            soft_wrap=True,
        )
    out.print(Text(f"  {QUARANTINE_REMEDIES.get(record.reason, '')}", style="dim"), soft_wrap=True)
    out.print()


def _lines(record: QuarantinedRecord) -> Iterator[tuple[str, bool]]:
    """The masked payload, a field a line where it is a JSON object; whether the line is the fault."""
    masked = QuarantinedRecord(record.reason, record.stage, record.field, None, record.position, record.arrival_time,
                               masked_payload(record.payload))  # fmt: skip
    fields = masked.fields
    if not fields:
        yield masked.payload, record.field is None
        return
    for name, value in fields.items():
        yield f"{name}: {value}", name == record.field
    if record.field and record.field not in fields:
        yield f"{record.field} is missing", True


def run_fix(arguments: argparse.Namespace) -> int:
    """Correct what was chosen; write it unless it is a dry run."""
    _check_conditions(arguments)
    values = dict(arguments.values)
    for name in values:
        if name not in SETTABLE:
            raise PlatformError("--set", f"{name} is no field that can be set{did_you_mean(name, SETTABLE)}",
                                f"One of {', '.join(SETTABLE)}")  # fmt: skip
    if not arguments.where or not (values or arguments.edit):
        raise PlatformError("quarantine fix", "is not told what to change in which records",
                            "Name --where NAME=VALUE, and --set FIELD=VALUE or --edit")  # fmt: skip
    out = outcome(arguments)
    with open_context(arguments, changing=not arguments.dry_run) as context:
        found = _found(context, arguments)
        lines, problems = _corrected(found, values, arguments.edit)
        key = _key(lines)
        if lines and not arguments.dry_run:
            bucket = context.settings.bucket("quarantine")
            context.s3.put_object(Bucket=bucket, Key=key, Body=b"".join(line + b"\n" for line in lines))
    verb = "would be corrected" if arguments.dry_run else "corrected"
    out.print(f"{len(lines):,} of {len(found):,} records {verb}" + (f", into {key}" if lines else ""), soft_wrap=True)
    for problem in problems[:_NAMED_PROBLEMS]:
        out.print(Text(f"  left out: {problem}"), soft_wrap=True)
    if len(problems) > _NAMED_PROBLEMS:
        out.print(f"  and {len(problems) - _NAMED_PROBLEMS:,} more")
    if lines and not arguments.dry_run:
        where = f" --workdir {arguments.workdir}" if arguments.workdir else ""
        out.print(f"To put them in again: banking-data replay --from {key}{where}", soft_wrap=True)
    if arguments.json:
        print_json({"found": len(found), "corrected": len(lines), "key": key if lines else None, "problems": problems,
                    "written": bool(lines) and not arguments.dry_run})  # fmt: skip
    return EXIT_OK if found and not problems else EXIT_ERROR


def _corrected(found: Sequence[QuarantinedRecord], values: dict[str, str], edit: bool) -> tuple[list[bytes], list[str]]:
    """The lines that a replay would take, and what is wrong with the other records."""
    drafts, problems = [], []
    for record in found:
        try:
            drafts.append((place_of(record), draft(record, values)))
        except PlatformError as error:
            problems.append(f"{error.where} {error.what}")
    if edit and drafts:
        drafts = [(f"line {number}", row) for number, row in enumerate(edited([row for _, row in drafts]), 1)]
    lines = []
    for where, row in drafts:
        try:
            lines.append(checked_line(row, where))
        except PlatformError as error:
            problems.append(f"{where} {error.what}")
    return lines, problems


def _key(lines: Sequence[bytes]) -> str:
    """Named by the content: the same correction again is the same object."""
    name = hashlib.sha256(b"\n".join(sorted(lines))).hexdigest()[:16]
    return f"{CORRECTED_PREFIX}{datetime.now(UTC):%Y-%m-%d}/{name}.ndjson"
