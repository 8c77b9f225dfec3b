"""Lets somebody edit records in their editor: a line of JSON each, in a file that only they can read."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from infrastructure.errors import PlatformError


def edited(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows after $VISUAL or $EDITOR has closed; a line that was taken out is left as it is in quarantine.

    Raises PlatformError if there is no editor, it fails, or a line is no JSON object.
    """
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        raise PlatformError("--edit", "no editor is set", "Set EDITOR, for example: export EDITOR=nano")
    with tempfile.TemporaryDirectory(prefix="banking-data-") as directory:
        path = Path(directory) / "corrected.ndjson"
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        try:
            ended = subprocess.run([*shlex.split(editor), str(path)])
        except OSError as error:
            raise PlatformError("--edit", f"{editor} cannot be run ({error.strerror})", "Set EDITOR") from None
        if ended.returncode:
            raise PlatformError("--edit", f"{editor} ended with status {ended.returncode}", "Nothing was written")
        lines = path.read_text(encoding="utf-8").splitlines()
    return [_parsed(number, line) for number, line in enumerate(lines, 1) if line.strip()]


def _parsed(number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict):
        raise PlatformError(f"--edit, line {number}", "is no JSON object", "Nothing was written; edit again")
    return row
