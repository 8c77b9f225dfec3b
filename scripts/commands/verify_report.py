"""The report of verify as a page that an assessor can keep: one file, without scripts, that asks no network. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

_TITLES = {"failed": "Failed", "not evaluated": "Not evaluated", "met": "Met", "not asked": "Not asked for"}
_LEADS = {
    "failed": "What these ask does not hold.",
    "not evaluated": "Nothing is known about these here, so they do not count as met.",
    "met": "What these ask holds for every resource that they are about.",
    "not asked": "The settings make nothing that these are about.",
}

_HEADS = "".join(f'<th scope="col">{name}</th>' for name in ("resource", "status", "what was found"))


def report_page(document: Mapping[str, Any]) -> str:
    """The page. document: of scripts/commands/verify.py."""
    summary = document["summary"]
    counts = "".join(
        f"<li class='{_class(status)}'><b>{summary[status]}</b> {escape(title.lower())}</li>"
        for status, title in _TITLES.items()
    )
    parts = [_section(status, document) for status in _TITLES if summary[status]]
    return _PAGE.format(
        title=escape(f"Controls of {document['environment']} in account {document['account']}"),
        facts=_facts(document),
        counts=counts,
        sections="\n".join(parts),
        elsewhere="".join(
            f"<li>{escape(each['requirement'])}: {escape(each['what'])}</li>" for each in document["elsewhere"]
        ),
    )


def _facts(document: Mapping[str, Any]) -> str:
    facts = {
        "Standard": document["standard"],
        "Account": document["account"],
        "Region": document["region"],
        "Environment": document["environment"],
        "Endpoint": "an emulator, not AWS" if document["emulated"] else "AWS",
        "Read at": document["at"],
        "Read by": document["caller"],
    }
    return "".join(
        f"<tr><th scope='row'>{name}</th><td>{escape(str(value))}</td></tr>" for name, value in facts.items()
    )


def _section(status: str, document: Mapping[str, Any]) -> str:
    controls = [each for each in document["controls"] if each["status"] == status]
    bodies = "\n".join(_control(each) for each in controls)
    return f"<h2>{_TITLES[status]}</h2>\n<p>{_LEADS[status]}</p>\n{bodies}"


def _control(control: Mapping[str, Any]) -> str:
    told = " · ".join((control["requirement"], *control["standards"], control["severity"], control["id"]))
    resources = "".join(_resource(each) for each in control["resources"])
    exempt = "".join(
        f"<p>Left out: {escape(part.strip('-'))} ({escape(why)}).</p>" for part, why in control["exempt"].items()
    )
    return f"""<details id="{escape(control["id"])}" class="{_class(control["status"])}"{_open(control)}>
<summary><span class="mark">{escape(control["status"])}</span> {escape(control["what"])}
<small>{escape(told)}</small></summary>
{_todo(control)}{exempt}
<p>Seen by: <code>{escape(control["evidence_command"])}</code></p>
<table><thead><tr>{_HEADS}</tr></thead><tbody>{resources}</tbody></table>
</details>"""


def _todo(control: Mapping[str, Any]) -> str:
    return f"<p>What to do: {escape(control['remedy'])}</p>" if control["status"] == "failed" else ""


def _open(control: Mapping[str, Any]) -> str:
    return " open" if control["status"] in ("failed", "not evaluated") else ""


def _resource(resource: Mapping[str, Any]) -> str:
    faults = "".join(f"<p>{escape(fault)}</p>" for fault in resource["faults"])
    evidence = json.dumps(resource["looked_at"], indent=1, sort_keys=True)
    shown = f"<pre tabindex='0'>{escape(evidence)}</pre>" if resource["looked_at"] else ""
    return (
        f"<tr><th scope='row'>{escape(resource['name'])}</th>"
        f"<td class='{_class(resource['status'])}'>{escape(resource['status'])}</td><td>{faults}{shown}</td></tr>"
    )


def _class(status: str) -> str:
    return status.replace(" ", "-")


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
:root {{ --ink: #1b1f24; --dim: #57606a; --paper: #fff; --line: #d0d7de; --soft: #f6f8fa;
  --met: #116329; --failed: #b3001e; --unknown: #7a4d00; }}
@media (prefers-color-scheme: dark) {{ :root {{ --ink: #e6edf3; --dim: #9da7b1; --paper: #0d1117; --line: #3d444d;
  --soft: #161b22; --met: #56d364; --failed: #ff8182; --unknown: #e3b341; }} }}
body {{ font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 72rem;
  margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; table-layout: auto; }}
th, td {{ border: 1px solid var(--line); padding: .3rem .6rem; text-align: left; vertical-align: top;
  overflow-wrap: anywhere; font-weight: normal; }}
thead th {{ color: var(--dim); }}
.facts {{ width: auto; }}
.facts th {{ color: var(--dim); white-space: nowrap; }}
details table {{ table-layout: fixed; }}
details th:nth-child(1) {{ width: 35%; }}
details th:nth-child(2) {{ width: 8rem; }}
code {{ overflow-wrap: anywhere; }}
@media (max-width: 40rem) {{ details th:nth-child(2) {{ width: 5rem; }} }}
.counts {{ display: flex; flex-wrap: wrap; gap: 1.5rem; list-style: none; padding: 0; }}
.counts b {{ font-size: 1.6rem; }}
details {{ border: 1px solid var(--line); border-radius: .4rem; margin: .4rem 0; padding: .3rem .8rem; }}
details[open] {{ background: var(--soft); padding-bottom: .8rem; }}
summary {{ cursor: pointer; overflow-wrap: anywhere; }}
summary small {{ display: block; color: var(--dim); }}
.mark, td.met, td.failed, td.not-evaluated {{ font-weight: 600; }}
.met > summary .mark, td.met, li.met b {{ color: var(--met); }}
.failed > summary .mark, td.failed, li.failed b {{ color: var(--failed); }}
.not-evaluated > summary .mark, td.not-evaluated, li.not-evaluated b {{ color: var(--unknown); }}
td p {{ margin: 0 0 .3rem; }}
pre {{ margin: 0; max-height: 16rem; overflow: auto; font-size: .8rem; white-space: pre-wrap; }}
:focus-visible {{ outline: 2px solid var(--dim); outline-offset: 2px; }}
@media print {{ details {{ break-inside: avoid; }} pre {{ max-height: none; }} }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<table class="facts"><tbody>{facts}</tbody></table>
<ul class="counts" aria-label="Controls by status">{counts}</ul>
{sections}
<h2>Left to the account</h2>
<p>These belong to the account and not to this platform.</p>
<ul>{elsewhere}</ul>
</main>
</body>
</html>
"""
