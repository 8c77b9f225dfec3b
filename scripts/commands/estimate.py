"""estimate: what the platform would cost a month, where its first limit is, and which setting changes most."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

from data_storage.s3_bucket_setup import BUCKETS
from infrastructure.errors import PlatformError
from infrastructure.settings import ENVIRONMENTS, Settings
from infrastructure.settings_source import read_environment, settings_from
from monitoring.cost_counts import SECONDS_AN_HOUR, Workload
from monitoring.cost_estimate import Change, Estimate, changes, estimate, price_table
from monitoring.cost_limits import Limit, first_reached, limits
from scripts.commands.terminal import EXIT_OK, Parser, add_output_options, console, outcome, print_json

MOVES = {purpose: BUCKETS[purpose].moves for purpose in ("raw", "curated")}
_YEARS = (1, 3, 7)
_RECORD_BYTES, _PEAK = 500, 3.0
_TOLD = 4
_MOST_TPS = 1_000_000
_CENT = Decimal("0.01")


class _Currency(NamedTuple):
    """A currency, and how much of it a dollar costs."""

    code: str
    rate: Decimal

    def of(self, dollars: Decimal) -> Decimal:
        return (dollars * self.rate).quantize(_CENT)


def add_commands(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add estimate; sets run(arguments) -> exit status."""
    parser = commands.add_parser(
        "estimate",
        help="what it would cost a month, by traffic; needs no account",
        description="What the platform would cost a month with the settings of .env, where its first limit is, and "
        "which setting changes most. On paper: list prices of one region, before discounts (docs/cost.md).",
    )
    traffic = parser.add_mutually_exclusive_group()
    traffic.add_argument(
        "--tps", type=_positive, metavar="N", help="transactions a second, on average; default: EXPECTED_TPS of .env"
    )
    traffic.add_argument("--hours", metavar="FILE", help="transactions in each hour, a number a line; they repeat")
    parser.add_argument(
        "--bytes", type=int, default=_RECORD_BYTES, metavar="N", help="of a record (default %(default)s)"
    )
    parser.add_argument("--packed", action="store_true", help="the producer packs records (produce --pack)")
    parser.add_argument(
        "--peak", type=_positive, default=_PEAK, metavar="X",
        help="the busiest minute beside the average, or beside the file's busiest hour (default 3)",
    )  # fmt: skip
    parser.add_argument(
        "--currency", type=_currency, default=_Currency("USD", Decimal(1)), metavar="CODE[=RATE]",
        help="USD (default), or another with what a dollar costs in it: EUR=0.87",
    )  # fmt: skip
    parser.add_argument("--environment", choices=ENVIRONMENTS, help="default: ENVIRONMENT of .env, else dev")
    parser.add_argument("--region", help="whose quotas count; default: AWS_REGION, else us-east-1")
    add_output_options(parser, as_json=True)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Estimate and print."""
    settings = settings_from(read_environment(), environment=arguments.environment, region=arguments.region)
    traffic = workload(arguments, settings)
    found = estimate(settings, traffic, MOVES, _YEARS)
    effects, near = changes(settings, traffic, MOVES), limits(settings, traffic)
    total = arguments.currency.of(found.total)
    outcome(arguments).print(f"[bold]{total:,.2f} {arguments.currency.code} a month[/] for {_told(traffic)}")
    show(console(arguments), settings, traffic, found, effects, near, arguments.currency)
    if arguments.json:
        print_json(document(traffic, found, effects, near, arguments.currency))
    return EXIT_OK


def expected(settings: Settings) -> Estimate:
    """The bill of a month at EXPECTED_TPS, with the command's defaults."""
    return estimate(settings, Workload([settings.expected_tps], _RECORD_BYTES, settings.expected_tps * _PEAK), MOVES)


def workload(arguments: argparse.Namespace, settings: Settings) -> Workload:
    """The traffic that the options describe. Raises PlatformError on a file without a number of each line."""
    if not 1 <= arguments.bytes <= 10 * 1024**2:
        raise PlatformError("--bytes", f"is {arguments.bytes}", "A record on the stream has 1 byte to 10 MiB")
    if arguments.hours:
        hours = [count / SECONDS_AN_HOUR for count in _counts(Path(arguments.hours))]
    else:
        hours = [arguments.tps or settings.expected_tps]
    peak = max(hours) * arguments.peak
    if not 0 < peak <= _MOST_TPS * arguments.peak:
        raise PlatformError("traffic", f"has a busiest hour of {max(hours):,.0f} a second", f"0 < tps <= {_MOST_TPS:,}")
    return Workload(hours, arguments.bytes, peak, arguments.packed)


def _counts(file: Path) -> list[float]:
    try:
        lines = [line.strip() for line in file.read_text().splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise PlatformError(str(file), f"can't be read ({error})", "Name a text file, a number a line") from None
    found = []
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            found.append(_positive_or_zero(line))
        except ValueError:
            raise PlatformError(
                f"{file}, line {number}", f"is {line[:40]!r}", "Write how many transactions it had"
            ) from None
    if not found:
        raise PlatformError(str(file), "has no line", "Write how many transactions each hour had, a number a line")
    return found


def _positive_or_zero(text: str) -> float:
    value = float(text)
    if not math.isfinite(value) or value < 0:
        raise ValueError(text)
    return value


def _positive(text: str) -> float:
    try:
        value = _positive_or_zero(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= _MOST_TPS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0 and up to {_MOST_TPS:,}")
    return value


def _currency(text: str) -> _Currency:
    code, given, rate = text.partition("=")
    try:
        value = Decimal(rate) if given else Decimal(1)
    except InvalidOperation:
        value = Decimal(0)
    if len(code) != 3 or not code.isascii() or not code.isupper() or not value.is_finite() or value <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no currency; write EUR=0.87, say")
    if not given and code != "USD":
        raise argparse.ArgumentTypeError(f"the prices are in dollars: write {code}=RATE, what a dollar costs in it")
    return _Currency(code, value)


def show(
    out: Console,
    settings: Settings,
    traffic: Workload,
    found: Estimate,
    effects: Sequence[Change],
    near: Sequence[Limit],
    currency: _Currency,
) -> None:
    """The lines of the bill, what is stored later, limits, and what other settings would do, for 80 columns."""
    made = found.counts
    code = currency.code
    out.print(
        f"{settings.environment}: {made.shards:,} shards, {made.batches:,.0f} batches of "
        f"{made.records / made.batches:,.0f}, {made.runs:,.0f} runs of the job\n"
    )
    bill = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name, right in (("service", False), ("what", False), ("quantity", True), ("unit", False), (code, True)):
        bill.add_column(name, justify="right" if right else "left", no_wrap=right)
    for line in found.lines:
        bill.add_row(line.service, line.what, _quantity(line.quantity), line.unit, f"{currency.of(line.cost):,.2f}")
    out.print(bill)
    stored = ", ".join(f"{currency.of(cost):,.0f} after {year} y" for year, cost in found.storage.items())
    out.print(f"Storage grows: {stored} ({code} a month).\n")
    limit, average = first_reached(settings, traffic)
    out.print(f"[bold]First limit[/] at {average:,.0f} a second on average: {limit.name}")
    if over := [limit.name for limit in near if limit.share > 1]:
        out.print(f"[bold red]These settings can't keep up:[/] {', '.join(over)}")
    rows = _rows("used", "of", "limit", "what moves it")
    for limit in near[:_TOLD]:
        rows.add_row(f"{limit.share:,.0%}", f"{_quantity(limit.most)} {limit.unit}", limit.name, limit.remedy)
    out.print(rows)
    out.print("[bold]What changes most[/]")
    rows = _rows(code, "setting", "otherwise")
    for change in sorted(effects, key=lambda each: -abs(each.difference))[:_TOLD]:
        rows.add_row(f"{currency.of(change.difference):+,.2f}", change.told, change.otherwise)
    out.print(rows)
    table = price_table()
    out.print(f"List prices of {table['region']}, {table['date']}. Not in it: queries, support, taxes, discounts.")


def _told(traffic: Workload) -> str:
    of = f"{traffic.average:,.0f} transactions a second of {traffic.record_bytes} bytes"
    return f"{of}, {traffic.peak:,.0f} at the peak"


def _rows(first: str, *others: str) -> Table:
    rows = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    rows.add_column(first, justify="right", no_wrap=True)
    for name in others:
        rows.add_column(name)
    return rows


def _quantity(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.3g}"


def document(
    traffic: Workload, found: Estimate, effects: Sequence[Change], near: Sequence[Limit], currency: _Currency
) -> dict[str, Any]:
    """The same for a program; amounts as text."""
    table = price_table()
    made = found.counts
    return {
        "currency": currency.code,
        "total": str(currency.of(found.total)),
        "prices": {name: table[name] for name in ("region", "date")},
        "traffic": {"average": traffic.average, "peak": traffic.peak, "record_bytes": traffic.record_bytes},
        "counts": {name: round(getattr(made, name), 3) for name in made.__slots__},
        "lines": [
            {"service": line.service, "what": line.what, "quantity": round(line.quantity, 3), "unit": line.unit,
             "cost": str(currency.of(line.cost))}
            for line in found.lines
        ],
        "storage_after_years": {str(year): str(currency.of(cost)) for year, cost in found.storage.items()},
        "limits": [
            {"limit": limit.name, "used": round(limit.used, 3), "most": limit.most, "unit": limit.unit,
             "share": round(limit.share, 4), "remedy": limit.remedy}
            for limit in near
        ],
        "changes": [
            {"setting": change.setting, "value": change.value, "difference": str(currency.of(change.difference))}
            for change in effects
        ],
    }  # fmt: skip
