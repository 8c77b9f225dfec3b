"""Wheels pinned by their hashes, got from the package index once and kept: what is shipped is the same everywhere."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infrastructure.errors import PlatformError


@dataclass(frozen=True, slots=True)
class PinnedWheels:
    """Wheels for one Python on one kind of machine.

    requirements: a file of NAME==VERSION lines, each with the hashes that are allowed. version: Python's, e.g. "3.11".
    platforms: names in wheels, the newest first. kept: the folder where they are kept. what: what they are for, for
    messages.
    """

    requirements: Path
    version: str
    platforms: Sequence[str]
    kept: Path
    what: str

    def files(self) -> list[Path]:
        """One wheel for each distribution, by name; their hashes are checked whether they were kept or not.

        Raises PlatformError if one cannot be had.
        """
        found = self.those_kept()
        if found is None:
            self._download()
            found = self.those_kept()
        if found is None:
            where = f"{self.kept} lacks wheels of {self.requirements.name}"
            raise PlatformError(self.what, where, "Delete it and build again")
        return found

    def those_kept(self) -> list[Path] | None:
        """The kept wheels; None unless all are there."""
        wanted = self._wanted()
        found: dict[str, Path] = {}
        for wheel in sorted(self.kept.glob("*.whl")):
            name = wheel.name.split("-")[0].replace("_", "-")
            if hashlib.sha256(wheel.read_bytes()).hexdigest() in wanted.get(name, ()):
                found[name] = wheel
        return [found[name] for name in sorted(found)] if found.keys() == wanted.keys() else None

    def _wanted(self) -> dict[str, set[str]]:
        """Distribution -> the allowed hashes of its wheels."""
        wanted: dict[str, set[str]] = {}
        for line in self.requirements.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
            words = line.split("#")[0].split()
            if words:
                wanted[words[0].split("==")[0]] = {word.removeprefix("--hash=sha256:") for word in words[1:]}
        return wanted

    def _download(self) -> None:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
        command += ["--no-deps", "--only-binary=:all:", "--require-hashes", "--requirement", str(self.requirements)]
        command += ["--python-version", self.version, "--implementation", "cp", "--dest", str(self.kept)]
        for platform in self.platforms:
            command += ["--platform", platform]
        shutil.rmtree(self.kept, ignore_errors=True)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            last = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "no message")
            raise PlatformError(
                self.what,
                f"pip could not get the wheels for Python {self.version} on {self.platforms[0]} ({last.strip()})",
                "Let pip reach a package index; once got, the wheels are kept under build/",
            )
