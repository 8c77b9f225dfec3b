"""The libraries that the Glue job brings along: a zip of wheels, so that the job needs no package index.

Glue 5.0 and later install a NAME.gluewheels.zip that --additional-python-modules names: wheels/*.whl, and
wheels/requirements.txt, which says what of them to install. boto3, requests, click, pyparsing and python-dateutil are
Glue's own.
"""

from __future__ import annotations

import functools
import io
import zipfile
from pathlib import Path

from infrastructure.wheels import PinnedWheels

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "scripts" / "glue_requirements.txt"
NAME = "libraries.gluewheels.zip"
# Glue 5.0 and 5.1: Amazon Linux 2023 (glibc 2.34) on x86_64, Python 3.11.
_WHEELS = PinnedWheels(
    REQUIREMENTS,
    "3.11",
    ("manylinux_2_28_x86_64", "manylinux_2_24_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"),
    ROOT / "build" / "glue",
    "Glue job's wheels",
)
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


@functools.cache
def wheels_zip() -> bytes:
    """The zip, the same bytes each time. Raises PlatformError if a wheel cannot be had."""
    members = {f"wheels/{wheel.name}": wheel.read_bytes() for wheel in _WHEELS.files()}
    members["wheels/requirements.txt"] = _names().encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            archive.writestr(zipfile.ZipInfo(name, _ZIP_TIME), members[name])
    return buffer.getvalue()


def _names() -> str:
    """NAME==VERSION of each wheel."""
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    return "".join(f"{line.split()[0]}\n" for line in lines if "==" in line)
