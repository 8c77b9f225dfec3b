"""The function's zip for a Lambda runtime and an architecture: the same bytes on every build.

Three things make it repeatable: dependencies are pinned by the hash of each wheel (scripts/lambda_requirements.txt);
entries are sorted by name and have one fixed time and mode; .pyc files are compiled by the runtime's own Python version
with unchecked hashes, so that they hold no times and Lambda compiles nothing at a cold start.

The zip holds the modules of the platform and of Powertools that the handler imports, directly or not, and the other
dependencies whole. boto3 is the runtime's own. Wheels are kept under build/, so only the first build of a version asks
the package index.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from infrastructure.code_package import imported_files, zip_of
from infrastructure.errors import PlatformError

ROOT = Path(__file__).resolve().parents[1]
HANDLER_MODULE = "data_ingestion.process_transaction_lambda"
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


def build_zip(runtime: str, architecture: str) -> bytes:
    """The zip for a runtime (python3.11) and an architecture (arm64, x86_64).

    Raises PlatformError if a wheel cannot be had, or if the runtime's Python version is not there to compile with.
    """
    python = _interpreter(runtime)
    wheels = _wheels(runtime, architecture)
    with tempfile.TemporaryDirectory() as directory:
        stage = Path(directory)
        for wheel in wheels:
            _unpack(wheel, stage)
        _copy_platform(stage)
        _keepimported_files(stage)
        _compile(python, stage)
        return zip_of(stage, (path for path in stage.rglob("*") if path.is_file()), compressed=True)


def write_zip(runtime: str, architecture: str, output: Path) -> Path:
    """Build and write the zip; returns its path."""
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(build_zip(runtime, architecture))
    return output


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


def _wheels(runtime: str, architecture: str) -> list[Path]:
    """The pinned wheels, from build/ or else from the package index; their hashes are checked in both cases."""
    if architecture not in ARCHITECTURES:
        raise PlatformError(
            "Lambda architecture", f"{architecture!r} is none", "Set LAMBDA_ARCHITECTURE: arm64, x86_64"
        )
    wanted = _wanted()
    cache = BUILD / f"{runtime}-{architecture}"
    kept = _kept(cache, wanted)
    if kept is None:
        _download(_version(runtime), ARCHITECTURES[architecture], cache)
        kept = _kept(cache, wanted)
    if kept is None:
        raise PlatformError("Lambda zip", f"{cache} lacks wheels of {REQUIREMENTS.name}", "Delete it and build again")
    return kept


def _wanted() -> dict[str, set[str]]:
    """Distribution -> the allowed hashes of its wheels."""
    wanted: dict[str, set[str]] = {}
    for line in REQUIREMENTS.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        words = line.split("#")[0].split()
        if words:
            wanted[words[0].split("==")[0]] = {word.removeprefix("--hash=sha256:") for word in words[1:]}
    return wanted


def _kept(cache: Path, wanted: dict[str, set[str]]) -> list[Path] | None:
    """One wheel with an allowed hash for each distribution; None unless all are there."""
    found: dict[str, Path] = {}
    for wheel in sorted(cache.glob("*.whl")):
        name = wheel.name.split("-")[0].replace("_", "-")
        if hashlib.sha256(wheel.read_bytes()).hexdigest() in wanted.get(name, ()):
            found[name] = wheel
    return [found[name] for name in sorted(found)] if found.keys() == wanted.keys() else None


def _download(version: str, machine: str, cache: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-deps", "--only-binary=:all:", "--require-hashes", "--requirement", str(REQUIREMENTS)]
    command += ["--python-version", version, "--implementation", "cp", "--dest", str(cache)]
    for platform in _platforms(version, machine):
        command += ["--platform", platform]
    shutil.rmtree(cache, ignore_errors=True)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "no message")
        raise PlatformError(
            "Lambda zip",
            f"pip could not get the wheels for Python {version} on {machine} ({last.strip()})",
            "Let pip reach a package index; once got, the wheels are kept under build/",
        )


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


def _copy_platform(stage: Path) -> None:
    """The platform's own modules that the handler imports."""
    for path in imported_files([HANDLER_MODULE], ROOT):
        target = stage / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def _keepimported_files(stage: Path) -> None:
    """Drop the modules of Powertools that nothing here imports, even inside a function."""
    kept = set(imported_files([HANDLER_MODULE], stage))
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
