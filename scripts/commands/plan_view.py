"""Prints plan, progress and outcome for people. Knows nothing of AWS; prints what it is given."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.text import Text

from infrastructure.planning.apply import Outcome, Progress, Report, Result
from infrastructure.planning.compare import ABSENT, Difference, element_name
from infrastructure.planning.destroy import Destruction
from infrastructure.planning.plan import Action, Plan, Step
from infrastructure.planning.resource import Resource

_MARKS = {Action.CREATE: ("+", "green"), Action.UPDATE: ("~", "yellow"), Action.DELETE: ("-", "red")}
_VERBS = {Action.CREATE: "created", Action.UPDATE: "changed", Action.DELETE: "removed", Action.NONE: "kept"}
_TYPE_WIDTH = 30
_LONGEST_NEW = 500  # characters shown of one new value


class PlanView:
    """Prints to rich consoles. parts: the order in which they are shown; outcome: for how it ended and for what fails,
    where that is another console than the rest's; verbose: new resources property by property too."""

    def __init__(
        self, console: Console, parts: Sequence[str], outcome: Console | None = None, verbose: bool = False
    ) -> None:
        self._console = console
        self._outcome = outcome or console
        self._parts = parts
        self._verbose = verbose

    def show_plan(self, plan: Plan) -> None:
        """The sum first, then every change by part: created, changed (old -> new) or removed; then what this endpoint
        does not support.
        """
        self._outcome.print(f"\n{_plan_summary(plan)}")
        for part, steps in self._by_part(plan.changes):
            self._console.print(f"\n[bold]{part}[/]")
            for step in steps:
                self._show_step(step)
        self._show_left_over(plan)
        self._show_foreign(plan)
        self._show_unsupported({step.resource: step.unsupported for step in plan.unsupported})

    def _show_step(self, step: Step) -> None:
        mark, color = _MARKS[step.action]
        self._print(_resource_line(mark, color, step.resource))
        if step.refusal:
            refusal = Text.assemble((f"AWS will refuse this: {step.refusal.what}. ", "bold red"), step.refusal.todo)
            self._console.print(Padding(refusal, (0, 0, 0, 6)))
        if step.action is Action.DELETE or (step.action is Action.CREATE and not self._verbose):
            return
        told = list(_told(step))
        width = max((len(difference.path) for difference in told), default=0)
        for difference in told:
            blocked = difference.path.split(".", 1)[0] in step.blocked
            line = Text.assemble("      ", (f"{difference.path:<{width}}  ", "dim"))
            self._print(line + _values(step.action, difference, blocked))

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Shown while the account is read, on a terminal only."""
        with self._console.status("reading what exists"):
            yield

    @contextmanager
    def progress(self, changes: int) -> Iterator[Progress]:
        """While changes are made: a line for each as it ends; on a terminal, below them, those under way."""
        lock = threading.Lock()
        running: dict[str, str] = {}
        ended = 0
        with self._console.status("starting") as status:

            def show(result: Result) -> None:
                nonlocal ended
                with lock:
                    if result.outcome is Outcome.STARTED:
                        running[result.resource.id] = result.resource.name
                    else:
                        ended += 1
                        running.pop(result.resource.id, None)
                        self.show_progress(result)
                    status.update(f"{ended} of {changes} done; working on {escape(', '.join(running.values()))}")

            yield show

    def show_progress(self, result: Result) -> None:
        """One line for each resource as it ends."""
        resource = result.resource
        if result.outcome is Outcome.DONE:
            mark, color = _MARKS[result.action]
            verb = _VERBS[result.action]
            self._print(_resource_line(mark, color, resource, f"{verb} in {result.seconds:.1f} s"))
        elif result.outcome is Outcome.FAILED and result.error:
            self._tell(_resource_line("✗", "bold red", resource, "failed"))
            detail = Text.assemble((f"{result.error.what}. ", "red"), result.error.todo)
            self._outcome.print(Padding(detail, (0, 0, 0, 6)))
        elif result.outcome is Outcome.SKIPPED:
            self._tell(_resource_line("✗", "red", resource, f"not tried: {result.note}"))
        elif result.outcome is Outcome.DELETION_PENDING:
            self._print(_resource_line("-", "red", resource, result.note))

    def show_outcome(self, report: Report, seconds: float) -> None:
        """The number of changes made, and what this endpoint could not do."""
        self._show_unsupported(
            {
                result.resource: dict(result.unsupported) or {"": result.note}
                for result in report.of(Outcome.UNSUPPORTED)
            }
        )
        counts = [
            f"{sum(result.action is action for result in report.of(Outcome.DONE))} {verb}"
            for action, verb in _VERBS.items()
            if action is not Action.NONE
        ]
        failed = len(report.of(Outcome.FAILED, Outcome.SKIPPED))
        style = "red" if failed else "green"
        counts.append(f"{failed} failed")
        self._outcome.print(f"\n[bold {style}]Done:[/] {', '.join(counts)} in {seconds:.1f} s.")

    def show_bill(self, total: Decimal, services: Mapping[str, Decimal], rate: int) -> None:
        """What all of it costs a month on paper, in dollars, and the services that cost most."""
        most = sorted(services.items(), key=lambda each: -each[1])[:4]
        told = ", ".join(f"{name} {cost:,.0f}" for name, cost in most)
        self._console.print(
            f"\n[bold]Costs[/] about {total:,.0f} USD a month at {rate:,} transactions a second (EXPECTED_TPS), "
            f"on paper: {told}. The command estimate tells more."
        )

    def show_links(self, links: Iterable[tuple[str, str]]) -> None:
        """Where to look in AWS's console."""
        self._console.print("\n[bold]In the console[/]")
        for title, url in links:
            self._print(Text.assemble("  ", (f"{title:<16}", "dim"), (url, f"link {url}")))

    def show_destruction(self, destruction: Destruction) -> None:
        """What will be removed and what is kept, before anything is removed."""
        kept = [step for step in destruction.steps if step.actual is not None and step.action is Action.NONE]
        self._outcome.print(f"\n[bold]Destroy:[/] {len(destruction.deletions)} to remove, {len(kept)} kept.")
        for part, steps in self._by_part(destruction.deletions):
            self._console.print(f"\n[bold]{part}[/]")
            for step in steps:
                self._print(_resource_line("-", "red", step.resource))
        if kept:
            self._console.print("\n[bold]kept[/] [dim](--delete-data removes what holds data)[/]")
        for step in kept:
            self._print(_resource_line(" ", "dim", step.resource, destruction.kept[step.resource.id]))

    def show_warning(self, text: str) -> None:
        """What is about to be lost."""
        self._tell(Text(f"\n{text}", "yellow"))

    def show_pending_deletions(self, report: Report) -> None:
        """What has to stay for now, and until when."""
        pending = report.of(Outcome.DELETION_PENDING)
        bound = [result for result in report.of(Outcome.KEPT) if result.action is Action.DELETE]
        if not pending and not bound:
            return
        self._outcome.print("\n[bold]Must stay for now[/]")
        told = [(result.resource, result.note) for result in pending]
        told += [(result.resource, f"{result.resource.name} stays: {result.note}") for result in bound]
        for resource, note in told:
            self._tell(Text.assemble("  ", (f"{_short(resource.type):<{_TYPE_WIDTH}} ", "dim"), note))

    def _show_left_over(self, plan: Plan) -> None:
        if plan.left_over:
            self._console.print("\n[bold]kept[/] [dim](the settings leave it out, and it holds data)[/]")
        for step in plan.left_over:
            self._print(_resource_line(" ", "dim", step.resource, step.resource.keep))

    def _show_foreign(self, plan: Plan) -> None:
        found = [(step.resource, text) for step in plan.steps for text in step.foreign]
        if found:
            self._console.print("\n[bold cyan]set by others[/] [dim](left alone)[/]")
        for resource, text in found:
            self._print(_resource_line("·", "cyan", resource, text))

    def _show_unsupported(self, found: dict[Resource, dict[str, str]]) -> None:
        if not found:
            return
        self._console.print("\n[bold magenta]not supported by this endpoint[/] [dim](no change)[/]")
        for resource, reasons in found.items():
            for name, reason in reasons.items():
                note = f"{name}: {reason}" if name else reason
                self._print(_resource_line("·", "magenta", resource, note))

    def _print(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True)  # a name is never cut in two

    def _tell(self, line: Text) -> None:
        self._outcome.print(line, soft_wrap=True)

    def _by_part(self, steps: Iterable[Step]) -> Iterator[tuple[str, list[Step]]]:
        all_steps = list(steps)
        for part in self._parts:
            found = [step for step in all_steps if step.resource.part == part]
            if found:
                yield part, found


def _resource_line(mark: str, color: str, resource: Resource, note: str = "") -> Text:
    line = Text.assemble(
        "  ", (mark, color), " ", (f"{_short(resource.type):<{_TYPE_WIDTH}} ", "dim"), (resource.name, color)
    )
    if note:
        line.append(f"  {note}", "dim")
    return line


def _short(type_: str) -> str:
    return type_.removeprefix("AWS::")


def _told(step: Step) -> Iterator[Difference]:
    """The differences as they are shown: a new object property by property, a policy by the names of its statements."""
    for difference in step.differences:
        if difference.old != ABSENT or step.action is not Action.CREATE:
            yield difference
        elif difference.path in step.resource.policies:
            yield Difference(f"{difference.path}.Statement", ABSENT, _statement_names(difference.new))
        elif difference.new not in (None, {}, []):
            yield from _laid_out(difference.path, difference.new)


def _laid_out(path: str, value: Any) -> Iterator[Difference]:
    if path == "Tags":
        yield Difference(path, ABSENT, ", ".join(f"{key}={item}" for key, item in value.items()))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _laid_out(f"{path}.{key}", item)
    elif isinstance(value, list) and all(isinstance(item, str) for item in value):
        yield Difference(path, ABSENT, ", ".join(value))
    elif isinstance(value, list) and (name := element_name(value)):
        for item in value:
            rest = {key: inner for key, inner in item.items() if key != name}
            yield from _laid_out(f"{path}[{item[name]}]", rest)
    else:
        yield Difference(path, ABSENT, value)


def _statement_names(policy: Any) -> str:
    statements = policy.get("Statement", []) if isinstance(policy, dict) else []
    return ", ".join(str(statement.get("Sid", "(no Sid)")) for statement in statements)


def _values(action: Action, difference: Difference, blocked: bool) -> Text:
    new = Text(_render(difference.new), "green")
    if action is Action.CREATE:
        # a dashboard's body is long; changed values are always shown in full
        new.truncate(_LONGEST_NEW, overflow="ellipsis")
        return new
    line = Text.assemble((_render(difference.old), "red"), (" -> ", "dim"), new)
    if blocked:
        line.append("  cannot be changed in place", "bold red")
    return line


def _render(value: Any) -> str:
    if value is None:
        return ABSENT
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float | dict | list):
        return json.dumps(value, default=repr)
    return repr(value)


def _plan_summary(plan: Plan) -> str:
    if not plan.changes:
        return "[bold green]No changes.[/] What exists is as it should be."
    counts = {action: sum(step.action is action for step in plan.changes) for action in _MARKS}
    refused = sum(step.refusal is not None for step in plan.changes)
    told = (
        f"[bold]Plan:[/] {counts[Action.CREATE]} to create, {counts[Action.UPDATE]} to change, "
        f"{counts[Action.DELETE]} to remove."
    )
    return told + (f" [bold red]AWS will refuse {refused} of them.[/]" if refused else "")
