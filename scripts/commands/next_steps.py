"""What to do after a run: commands that can be copied as they are printed."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from data_catalog.lake_tables import BY_KIND
from infrastructure.local.pipeline import Ended, RunOptions
from infrastructure.local.warehouse import embedded_settings
from infrastructure.local.workdir import PAGE_FILE, RUN_FILE

_QUESTION = "SELECT currency, COUNT(*) AS entries, SUM(signed_amount) AS balance FROM booked_transactions GROUP BY 1"


def show_kept(ended: Ended, console: Console) -> None:
    """Where everything lies that the run kept."""
    kept = ended.workdir
    if kept is None:
        console.print(_line("Kept", "nothing: name a --workdir to keep objects, warehouse and report"), soft_wrap=True)
        console.print()
        return
    for what, where in (
        ("Objects", str(kept.objects)),
        ("Warehouse", shlex.join([_beside_python("banking-data"), "query", "--workdir", str(kept.path)])),
        ("Figures", str(kept.path / RUN_FILE)),
        ("Lambda's log", str(kept.function_log)),
    ):
        console.print(_line(what, where), soft_wrap=True)
    console.print()


def show(ended: Ended, options: RunOptions, console: Console) -> None:
    """The next three things to do; none if nothing was kept."""
    if ended.workdir is None or options.workdir is None:
        return
    console.print()
    for what, command in next_steps(ended.workdir.path, options.workdir):
        console.print(_line(what, command), soft_wrap=True)


def next_steps(kept: Path, directory: str) -> list[tuple[str, str]]:
    """(what, command): open the page, ask the warehouse, read the lake. directory: the workdir as it was named; kept:
    its path."""
    python, program = _beside_python("python"), _beside_python("banking-data")
    transactions = BY_KIND["curated"]
    lake = Path("s3", embedded_settings().bucket(transactions.bucket), transactions.prefix, "data")
    reading = (
        f"from pyarrow.dataset import dataset; print(dataset({str(Path(directory) / lake)!r}).head(3).to_pylist())"
    )
    page = (kept / PAGE_FILE).as_uri()
    return [
        ("Open the page", shlex.join([python, "-m", "webbrowser", page])),
        ("Ask", f'{shlex.join([program, "query", "--workdir", directory, "--as", "analyst"])} "{_QUESTION}"'),
        ("Read the lake", f'{shlex.quote(python)} -c "{reading}"'),
    ]


def _beside_python(name: str) -> str:
    """A program of this environment, as it is reached from here."""
    path = Path(sys.executable).with_name(name)
    here = Path.cwd()
    return os.path.relpath(path, here) if path.is_relative_to(here) else str(path)


def _line(what: str, text: str) -> Text:
    return Text.assemble((f"{what:<14}", "bold"), text)
