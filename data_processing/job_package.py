"""What the Glue job runs: its script, and a zip of the project's modules that it needs; the same bytes each time.

The modules are found by following imports from the script, so that nothing is missing and nothing of the command line,
the provisioning or the Lambda is shipped. Members are stored, not compressed: compressors differ between machines.
"""

from __future__ import annotations

import ast
import functools
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "data_processing" / "etl_transaction_processing.py"

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip can hold
_READABLE = 0o644 << 16


@functools.cache
def job_zip(script: Path = SCRIPT) -> bytes:
    """The zip for --extra-py-files. Built once in a process."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path in modules_of(script):
            member = zipfile.ZipInfo(path.relative_to(ROOT).as_posix(), _EPOCH)
            member.external_attr = _READABLE
            archive.writestr(member, path.read_bytes())
    return buffer.getvalue()


def modules_of(script: Path) -> list[Path]:
    """The project's files that a script imports, directly or not, with their packages' __init__.py; sorted."""
    found: set[Path] = set()
    waiting = [script]
    while waiting:
        for path in _imported(waiting.pop()):
            if path not in found:
                found.add(path)
                waiting.append(path)
    return sorted(found - {script})


def _imported(path: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            yield from _files(name)


def _files(name: str) -> Iterator[Path]:
    """The file of a module of this project and those of the packages around it; nothing for any other module."""
    parts = name.split(".")
    if not (ROOT / parts[0] / "__init__.py").exists():
        return
    for depth in range(1, len(parts) + 1):
        place = ROOT.joinpath(*parts[:depth])
        if (place / "__init__.py").exists():
            yield place / "__init__.py"
        elif place.with_suffix(".py").exists():
            yield place.with_suffix(".py")
