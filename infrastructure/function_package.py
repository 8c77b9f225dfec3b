"""A Lambda function's zip for a runtime and an architecture: the same bytes on every build.

Three things make it repeatable: dependencies are pinned by the hash of each wheel (scripts/lambda_requirements.txt);
entries are sorted by name and have one fixed time and mode; .pyc files are compiled by the runtime's own Python version
with unchecked hashes, so that they hold no times and Lambda compiles nothing at a cold start.

The zip holds the modules of the platform and of Powertools that the handler imports, directly or not, and the other
dependencies whole. boto3 is the runtime's own. Wheels are kept under build/, so only the first build of a version asks
the package index.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from infrastructure.code_package import imported_files, zip_of
from infrastructure.errors import PlatformError
from infrastructure.wheels import PinnedWheels

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "scripts" / "lambda_requirements.txt"
BUILD = ROOT / "build" / "lambda"
ARCHITECTURES = {"arm64": "aarch64", "x86_64": "x86_64"}  # Lambda's name -> the name in wheel platforms

_TRIMMED = "aws_lambda_powertools"  # 3.5 MB, most of it not imported here
_NOT_SHIPPED = (".pyi", ".c", ".h", ".pyx", ".typed")
_LICENSES = ("METADATA", "LICENSE", "NOTICE", "COPYING")
_COMPILE = """
import compileall, py_compile, sys
ok = compileall.compile_dir(sys.argv[1], quiet=1, force=True, stripdir=sys.argv[1], prependdir="/var/task",
                            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
sys.exit(not ok)
"""


def build_zip(runtime: str, architecture: str, module: str, others: Mapping[str, bytes] | None = None) -> bytes:
    """The zip for a runtime (python3.11) and an architecture (arm64, x86_64).

    module: the handler's. others: further files, by their paths in the zip. Raises PlatformError if a wheel cannot be
    had, or if the runtime's Python version is not there to compile with.
    """
    python = _interpreter(runtime)
    wheels = _wheels(runtime, architecture).files()
    with tempfile.TemporaryDirectory() as directory:
        stage = Path(directory)
        for wheel in wheels:
            _unpack(wheel, stage)
        _copy_platform(module, stage)
        _keep_imported_files(module, stage)
        for name, content in (others or {}).items():
            stage.joinpath(name).write_bytes(content)
        _compile(python, stage)
        return zip_of(stage, (path for path in stage.rglob("*") if path.is_file()), compressed=True)


def _version(runtime: str) -> str:
    version = runtime.removeprefix("python")
    if not runtime.startswith("python3.") or not version[2:].isdigit():
        raise PlatformError(
            "Lambda runtime", f"{runtime!r} is no Python runtime", "Set LAMBDA_RUNTIME, e.g. python3.11"
        )
    return version


def _interpreter(runtime: str) -> str:
    """A Python of the runtime's version, because the runtime ignores .pyc files of any other."""
    version = _version(runtime)
    for python in (sys.executable, shutil.which(f"python{version}")):
        if python and _is_version(python, version):
            return python
    raise PlatformError(
        "Lambda zip",
        f"there is no python{version} to compile with for the runtime {runtime}",
        f"Install Python {version}, or set LAMBDA_RUNTIME to the version at hand",
    )


def _is_version(python: str, version: str) -> bool:
    """Asks the program itself, because pyenv puts programs on the PATH that do not run."""
    program = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([python, "-S", "-c", program], capture_output=True, text=True, check=False)
    return done.stdout.strip() == version


def _platforms(version: str, machine: str) -> list[str]:
    """Wheel platforms that the runtime's glibc can load: 2.26 for Python 3.11 (Amazon Linux 2), 2.34 from 3.12 on.

    From 3.12 on both names are given: with only the older one, pip silently takes old releases.
    """
    newer = [f"manylinux_2_28_{machine}"] if int(version.split(".")[1]) >= 12 else []
    return [*newer, f"manylinux2014_{machine}"]


def _wheels(runtime: str, architecture: str) -> PinnedWheels:
    if architecture not in ARCHITECTURES:
        raise PlatformError(
            "Lambda architecture", f"{architecture!r} is none", "Set LAMBDA_ARCHITECTURE: arm64, x86_64"
        )
    version = _version(runtime)
    platforms = _platforms(version, ARCHITECTURES[architecture])
    return PinnedWheels(REQUIREMENTS, version, platforms, BUILD / f"{runtime}-{architecture}", "Lambda zip")


def _unpack(wheel: Path, stage: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            path = Path(name)
            if name.endswith("/") or path.suffix in _NOT_SHIPPED or path.parts[0].endswith(".data"):
                continue
            if path.parts[0].endswith(".dist-info") and not path.name.startswith(_LICENSES):
                continue
            target = stage / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(archive.read(name))


def _copy_platform(module: str, stage: Path) -> None:
    """The platform's own modules that the handler imports."""
    for path in imported_files([module], ROOT):
        target = stage / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def _keep_imported_files(module: str, stage: Path) -> None:
    """Drop the modules of Powertools that nothing here imports, even inside a function."""
    kept = set(imported_files([module], stage))
    for path in sorted((stage / _TRIMMED).rglob("*")):
        if path.is_file() and path not in kept:
            path.unlink()


def _compile(python: str, stage: Path) -> None:
    """Compile in a new interpreter with a fixed hash seed, because .pyc files can show what a process did before."""
    environment = {"PATH": os.environ.get("PATH", ""), "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        [python, "-S", "-c", _COMPILE, str(stage)], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        fault = f"{done.stdout} {done.stderr}".strip().replace(str(stage), "").splitlines()
        raise PlatformError("Lambda zip", f"{python} could not compile: {fault[-1:]}", "Mend it and build again")
