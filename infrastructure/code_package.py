"""Which of the project's files a program imports, and a zip of files that is the same bytes each time it is written."""

from __future__ import annotations

import ast
import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold
_READABLE_FILE = 0o100644 << 16
_UNIX = 3


def imported_files(modules: Iterable[str], root: Path) -> list[Path]:
    """The files under root of these modules and of everything they import, directly or not, at any place in their code.

    Includes the __init__.py of their packages. Sorted.
    """
    waiting = list(modules)
    seen: set[str] = set()
    files: set[Path] = set()
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        file = _file_of(module, root)
        if file is None:
            continue
        files.add(file)
        package = module if file.name == "__init__.py" else module.rpartition(".")[0]
        waiting.extend(_parents(module))
        waiting.extend(_names_imported(ast.parse(file.read_bytes()), package))
    return sorted(files)


def _file_of(module: str, root: Path) -> Path | None:
    path = root.joinpath(*module.split("."))
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)


def _parents(module: str) -> Iterator[str]:
    while module := module.rpartition(".")[0]:
        yield module


def _names_imported(tree: ast.AST, package: str) -> Iterator[str]:
    """Every dotted name that might be a module: "from a import b" may import a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def zip_of(
    root: Path, files: Iterable[Path], *, compressed: bool, others: Mapping[str, bytes] = MappingProxyType({})
) -> bytes:
    """A zip of files below root and of others (name -> content), sorted by name, all with the same time and mode.

    compressed: at the highest level. Stored members are the same bytes on every machine, whatever its zlib.
    """
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    contents = {path.relative_to(root).as_posix(): path.read_bytes() for path in files} | dict(others)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in sorted(contents.items()):
            entry = zipfile.ZipInfo(name, _ZIP_TIME)
            entry.create_system = _UNIX
            entry.external_attr = _READABLE_FILE
            archive.writestr(entry, content, method, 9 if compressed else None)
    return buffer.getvalue()
