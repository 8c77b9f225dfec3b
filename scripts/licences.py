"""The licences of what a run installs, from its SBOM: `make sbom`.

python scripts/licences.py build/sbom.cdx.json        # prints a table; exit 1 if one is unknown or forbids our use
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# Licences that ask for the source of whatever is combined with it. LGPL and MPL ask it of themselves alone.
_COPYLEFT = ("AGPL", "GPL")
# Package -> what its metadata does not say, and where it says it.
KNOWN: dict[str, str] = {
    "antlr4-python3-runtime": "BSD-3-Clause",  # License: BSD, in its metadata
    "AWSGlueDataplanePython": "Amazon Software License 1.0",  # License, in its metadata: for use with AWS
}


def components(document: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(name, version, licences) of each component; no licences is "unknown"."""
    for each in document.get("components", []):
        yield each["name"], each.get("version", ""), licences_of(each) or KNOWN.get(each["name"], "unknown")


def licences_of(component: Mapping[str, Any]) -> str:
    """An SPDX expression, or the licences' ids or names."""
    found = []
    for each in component.get("licenses", []):
        licence = each.get("license", {})
        found.append(each.get("expression") or licence.get("id") or licence.get("name") or "")
    return " and ".join(sorted({_short(text) for text in found if text}))


def _short(text: str) -> str:
    """The name of a licence whose whole text stands in the metadata."""
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return first.rpartition(" :: ")[2][:60]


def is_forbidden(licences: str) -> bool:
    """Whether one cannot choose another: all alternatives of an expression ask for our source."""
    return all(
        any(word.strip("()").startswith(_COPYLEFT) for word in alternative.split())
        for alternative in licences.split(" OR ")
    )


def main(path: str) -> int:
    """Print the table; the exit status."""
    rows = sorted(components(json.loads(Path(path).read_text(encoding="utf-8"))), key=lambda row: row[0].lower())
    print(
        "# Licences\n\nOf what a run installs, from its SBOM.\n\n| package | version | licence |\n| --- | --- | --- |"
    )
    for name, version, licences in rows:
        print(f"| {name} | {version} | {licences} |")
    bad = [f"{name}: {licences}" for name, _, licences in rows if licences == "unknown" or is_forbidden(licences)]
    for line in bad:
        print(f"error: {line}", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
