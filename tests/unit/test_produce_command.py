"""produce, interrupted: it tells the line to go on from, and not to begin again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data_ingestion.transaction_producer import ProduceReport
from infrastructure.settings import Settings
from scripts.commands import produce
from scripts.commands.account import Account
from scripts.orchestrate_pipeline import main


@pytest.fixture
def feed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file to put in an account that nobody asks."""

    def found(*arguments: Any, **options: Any) -> Account:
        return Account(Settings(), lambda service: None, "nobody")  # type: ignore[arg-type]

    monkeypatch.setattr(produce, "find_account", found)
    file = tmp_path / "feed.ndjson"
    file.write_text("{}\n" * 100)
    return file


def interrupted_after(*reports: ProduceReport) -> Callable[..., ProduceReport]:
    def put(lines: Any, kinesis: Any, stream: str, on_progress: Callable[[ProduceReport], None], **_: Any) -> Any:
        for report in reports:
            on_progress(report)
        raise KeyboardInterrupt

    return put


@pytest.mark.parametrize(
    ("reports", "told"),
    [
        ([], "0 records were acknowledged; go on with --from-line 20"),
        ([ProduceReport(records=41, next_line=61)], "41 records were acknowledged; go on with --from-line 61"),
    ],
    ids=["at once", "after a while"],
)
def test_ctrl_c_tells_the_line_to_go_on_from(
    reports: list[ProduceReport],
    told: str,
    feed: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(produce, "produce", interrupted_after(*reports))
    assert main(["produce", "--input", str(feed), "--from-line", "20"]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == f"interrupted: {told}"
