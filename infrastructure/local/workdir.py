"""The directory that keeps an embedded stack's state as ordinary files.

    s3/<bucket>/<key>   the objects         warehouse/   the PostgreSQL data directory
    report.html         the last run, to look at          run.json     the same figures, for a program
    function.log        the landing function's log        secrets.json the stand-in for Secrets Manager (mode 600)
    fraud.log           the fraud function's log          fraud_table.json  what its table held when the last run ended
    webhook.log         what was posted to a webhook
    state.json          stream incarnations and what was produced into each

Never among them: the stream's records and the input, which hold clear card numbers. Nobody but the user may enter the
directory: tokens and the key that makes them lie in it side by side.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

from data_governance.control_totals import ControlTotals
from infrastructure.errors import PlatformError
from infrastructure.local.redshift.postgresql_server import Server

_TIMESTAMP = "%Y%m%dT%H%M%SZ"
_LOCK = ".lock"
RUN_FILE, PAGE_FILE = "run.json", "report.html"
_FRAUD_TABLE = "fraud_table.json"
_KEPT = (
    "s3",
    "staging",
    "tmp",
    "warehouse",
    "function.log",
    "fraud.log",
    "webhook.log",
    _FRAUD_TABLE,
    RUN_FILE,
    PAGE_FILE,
    "state.json",
    "secrets.json",
)


@dataclass(slots=True)
class Incarnation:
    """One life of the emulated stream. complete: everything that was produced into it has been delivered.

    A killed run leaves it incomplete. What had not landed was lost with the stream, so only what landed counts.
    """

    id: str
    complete: bool = False
    produced: list[dict[str, Any]] = field(default_factory=list)
    put_again: list[dict[str, Any]] = field(default_factory=list)


class Workdir:
    """Opens and locks the directory; without a name, a temporary one that is removed at the end.

    fresh: remove first what earlier runs kept in it.
    """

    def __init__(self, directory: str | None, fresh: bool = False) -> None:
        self.kept = directory is not None
        self.path = _temporary() if directory is None else _private(_usable(directory))
        self._lock = self._take_lock()
        if fresh:
            self._empty()
        self.incarnations = [Incarnation(**row) for row in self._read("state.json").get("incarnations", [])]

    @property
    def objects(self) -> Path:
        return self.path / "s3"

    @property
    def warehouse(self) -> Path:
        return self.path / "warehouse"

    @property
    def function_log(self) -> Path:
        """The Lambda function's output: a JSON line per batch, and its metrics in CloudWatch's embedded format."""
        return self.path / "function.log"

    @property
    def fraud_log(self) -> Path:
        """The fraud function's output, in the same form."""
        return self.path / "fraud.log"

    @property
    def webhook_log(self) -> Path:
        """The output of the function that posts alerts, in the same form."""
        return self.path / "webhook.log"

    def fraud_items(self) -> list[dict[str, Any]]:
        """What the fraud function's table held when the last run ended, in DynamoDB's form."""
        items: list[dict[str, Any]] = self._read(_FRAUD_TABLE).get("items", [])
        return items

    def keep_fraud_items(self, items: list[dict[str, Any]]) -> None:
        self._write_text(_FRAUD_TABLE, json.dumps({"items": items}))

    def begin_incarnation(self) -> Incarnation:
        """A new stream's id: its creation time as in AWS, always later than the one before."""
        now = datetime.now(UTC).replace(microsecond=0)
        if self.incarnations:
            last = datetime.strptime(self.incarnations[-1].id, _TIMESTAMP).replace(tzinfo=UTC)
            now = max(now, last + timedelta(seconds=1))
        self.incarnations.append(Incarnation(now.strftime(_TIMESTAMP)))
        self._save_state()
        return self.incarnations[-1]

    def complete_incarnation(self, produced: ControlTotals, put_again: ControlTotals) -> None:
        """Record that everything produced into the current stream has been delivered."""
        self.incarnations[-1].produced = produced.rows()
        self.incarnations[-1].put_again = put_again.rows()
        self.incarnations[-1].complete = True
        self._save_state()

    def produced(self, streamed: dict[str, ControlTotals]) -> ControlTotals:
        """What was produced into all incarnations; of an incomplete one, what landed (streamed, by incarnation)."""
        total = ControlTotals()
        for incarnation in self.incarnations:
            if incarnation.complete:
                total += ControlTotals.from_rows(incarnation.produced)
            else:
                total += streamed.get(incarnation.id, ControlTotals())
        return total

    def put_again(self) -> ControlTotals:
        """What was put again after a lost answer, over all incarnations."""
        total = ControlTotals()
        for incarnation in self.incarnations:
            total += ControlTotals.from_rows(incarnation.put_again)
        return total

    def secret(self, of: str = "tokenization") -> str | None:
        """The secret that an earlier run made here. of: tokenization or webhook."""
        return self._read("secrets.json").get(of)

    def keep_secret(self, value: str, of: str = "tokenization") -> None:
        self._write("secrets.json", self._read("secrets.json") | {of: value})

    def write_run(self, run: dict[str, Any], page: str) -> None:
        """Keep a run's figures, and its page as HTML."""
        self._write(RUN_FILE, run)
        self._write_text(PAGE_FILE, page)

    def close(self) -> None:
        self._lock.close()
        if not self.kept:
            self._remove_warehouse()
            shutil.rmtree(self.path, ignore_errors=True)

    def _remove_warehouse(self) -> None:
        shutil.rmtree(self.warehouse.resolve(), ignore_errors=True)  # it may be a link to a directory elsewhere

    def _empty(self) -> None:
        """Remove all that runs keep, but for the lock that is held. Raises PlatformError while somebody is querying."""
        if process := Server(self.warehouse.resolve()).process():
            self._lock.close()
            raise PlatformError(str(self.warehouse), f"is in use by process {process}", "Wait for it to end, or end it")
        self._remove_warehouse()
        for path in map(self.path.joinpath, _KEPT):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def _save_state(self) -> None:
        self._write("state.json", {"incarnations": [asdict(incarnation) for incarnation in self.incarnations]})

    def _read(self, name: str) -> dict[str, Any]:
        path = self.path / name
        try:
            content: dict[str, Any] = json.loads(path.read_text())
        except FileNotFoundError:
            return {}
        except (ValueError, OSError) as error:
            raise PlatformError(
                str(path), f"cannot be read ({type(error).__name__})", "Use another --workdir, or remove this one"
            ) from None
        return content

    def _write(self, name: str, content: dict[str, Any]) -> None:
        self._write_text(name, json.dumps(content, indent=2) + "\n")

    def _write_text(self, name: str, text: str) -> None:
        path = self.path / name
        beside = path.with_suffix(".new")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        beside.replace(path)

    def _take_lock(self) -> TextIO:
        lock = (self.path / _LOCK).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise PlatformError(
                str(self.path), "another run is using this workdir", "Wait for it to end or choose another --workdir"
            ) from None
        return lock


def _temporary() -> Path:
    """A new directory in the system's temporary one; in the user's state folder where that can't be written."""
    try:
        return Path(tempfile.mkdtemp(prefix="banking-data-"))
    except OSError:
        state = _found(os.environ.get("XDG_STATE_HOME") or "~/.local/state")
        return Path(tempfile.mkdtemp(prefix="run-", dir=_writable(state / "banking-data")))


def _usable(directory: str) -> Path:
    if not directory:
        raise PlatformError("--workdir", "is empty", "Name a directory")
    path = _writable(_found(directory))
    if not (path / _LOCK).exists() and any(path.iterdir()):
        raise PlatformError(
            str(path), "holds other files", "Choose an empty --workdir, or one that an earlier run made"
        )
    return path


def _private(path: Path) -> Path:
    """The directory, made the user's alone, as also one that an earlier version left open to others."""
    try:
        path.chmod(0o700)
    except OSError as error:
        raise PlatformError(
            str(path), f"cannot be closed to others ({error.strerror})", "Choose a --workdir of your own"
        ) from None
    return path


def _found(directory: str) -> Path:
    try:
        return Path(directory).expanduser().resolve()
    except RuntimeError as error:
        raise PlatformError(directory, f"is unknown here ({error})", "Name a --workdir without ~") from None


def _writable(path: Path) -> Path:
    """The directory, made where it is missing."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except (FileExistsError, NotADirectoryError):
        raise PlatformError(str(path), "is not a directory", "Choose another --workdir") from None
    except OSError as error:
        raise PlatformError(
            str(path), f"cannot be written ({error.strerror})", "Choose a --workdir that you may write to"
        ) from None
    return path
