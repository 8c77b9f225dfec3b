"""The page of a run: one HTML file that holds its styles, scripts and data, and reaches for nothing else.

Its Content-Security-Policy allows what is in the file, by hash. Observable Plot and D3, in vendor/, draw the charts
(docs/decisions/0012-charts-by-observable-plot.md).
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from string import Template

import msgspec

from infrastructure.local.run_page.document import Document

_HERE = Path(__file__).resolve().parent
VENDORED = ("d3.min.js", "plot.umd.min.js")
_SCRIPTS = ("elements.js", "charts.js", "flow.js", "sections.js", "page.js")
_NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:"


def page(document: Document, live: bool = False) -> str:
    """live: the page asks the address that it came from how the run goes on."""
    parts = _parts()
    connect = "; connect-src 'self'" if live else ""
    policy = (
        f"{_NOTHING}{connect}; style-src {_source(parts['style'])}; "
        f"script-src {' '.join(map(_source, (parts['vendor'], parts['script'])))}"
    )
    return Template(parts["page"]).substitute(
        policy=policy, style=parts["style"], vendor=parts["vendor"], script=parts["script"], data=as_json(document)
    )


def as_json(document: Document) -> str:
    """The document as JSON that no HTML parser takes for the end of a script."""
    return msgspec.json.encode(document).decode().replace("<", "\\u003c")


@cache
def _parts() -> dict[str, str]:
    return {
        "page": _read("page/page.html"),
        "style": _read("page/style.css"),
        "vendor": "\n".join(_read(f"vendor/{name}") for name in VENDORED),
        "script": "\n".join(_read(f"page/{name}") for name in _SCRIPTS),
    }


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _source(text: str) -> str:
    """A Content-Security-Policy source: the hash of an inline script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
