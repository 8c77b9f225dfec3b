"""What people read: the plan, the progress, the outcome."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from infrastructure.errors import PlatformError
from infrastructure.planning.apply import execute
from infrastructure.planning.destroy import plan_destruction
from infrastructure.planning.plan import make_plan
from infrastructure.planning.resource import DeletionPending, Ref
from scripts.commands.plan_view import PlanView
from tests.unit.in_memory_account import Account, Thing

PARTS = ("security", "data_storage")


class Screen:
    """A console of 100 columns whose output can be read."""

    def __init__(self, verbose: bool = False) -> None:
        self._file = io.StringIO()
        self.console = PlanView(Console(file=self._file, width=100), PARTS, verbose=verbose)

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self._file.getvalue().splitlines()]


@pytest.fixture
def screen() -> Screen:
    return Screen()


class Refused(Thing):
    """AWS would refuse it, and a read tells."""

    def refusal(self, properties: Any, actual: Any) -> PlatformError:
        return PlatformError(self.name, "the quota is used up", "Raise it.")


def test_what_aws_will_refuse_is_told_with_a_remedy(screen: Screen) -> None:
    lines = planned(screen, Refused(name="a", account=Account({"a": {"Size": 1}}), properties={"Size": 4}))
    assert "      AWS will refuse this: the quota is used up. Raise it." in lines


def planned(screen: Screen, *things: Thing) -> list[str]:
    screen.console.show_plan(make_plan(list(things)))
    return screen.lines


def test_what_the_settings_leave_out_and_holds_data_is_told_with_its_reason(screen: Screen) -> None:
    lines = planned(screen, Thing(name="a", account=Account({"a": {}}), wanted=False, keep="it holds alerts"))
    assert "kept (the settings leave it out, and it holds data)" in lines
    assert [line.split() for line in lines if "holds alerts" in line] == [["Test::Thing", "a", "it", "holds", "alerts"]]


def test_a_creation_is_one_line_below_the_sum(screen: Screen) -> None:
    assert planned(screen, Thing(name="a", account=Account(), properties={"Size": 4})) == [
        "",
        "Plan: 1 to create, 0 to change, 0 to remove.",
        "",
        "security",
        "  + Test::Thing                    a",
    ]


def test_a_creation_lays_out_every_property_if_asked_to() -> None:
    policy = {"Statement": [{"Sid": "A", "Effect": "Deny"}, {"Sid": "B", "Effect": "Deny"}]}
    properties: dict[str, Any] = {
        "Size": 4,
        "Block": {"Acls": True},
        "Policy": policy,
        "Rules": [{"ID": "all", "Days": 7}],
        "Members": ["a", "b"],
        "Tags": {"Project": "p", "Environment": "dev"},
        "Nothing": None,
    }
    lines = planned(Screen(verbose=True), Thing(name="a", account=Account(), properties=properties))
    assert lines == [
        "",
        "Plan: 1 to create, 0 to change, 0 to remove.",
        "",
        "security",
        "  + Test::Thing                    a",
        "      Size              4",
        "      Block.Acls        true",
        "      Policy.Statement  A, B",
        "      Rules[all].Days   7",
        "      Members           a, b",
        "      Tags              Project=p, Environment=dev",
    ]


def test_a_long_new_value_is_cut_and_a_changed_one_is_not() -> None:
    screen = Screen(verbose=True)
    long = {"Widgets": [{"text": "x" * 2000}]}
    assert len(max(planned(screen, Thing(name="a", account=Account(), properties=long)), key=len)) < 600
    changed = Thing(name="a", account=Account({"a": {"Widgets": []}}), properties=long)
    assert any("x" * 2000 in line for line in planned(screen, changed))


def test_a_change_shows_old_and_new_by_path(screen: Screen) -> None:
    account = Account({"a": {"Hours": 24, "Engine": "x"}})
    lines = planned(screen, Thing(name="a", account=account, properties={"Hours": 168, "Engine": "y"}))
    assert "      Hours   24 -> 168" in lines
    assert "      Engine  x -> y  cannot be changed in place" in lines


def test_what_is_not_known_yet_says_so(screen: Screen) -> None:
    account = Account({"b": {"Key": "old"}})
    key = Thing(name="a", account=account)
    lines = planned(screen, key, Thing(name="b", account=account, properties={"Key": Ref(key.id, "Arn")}))
    assert "      Key  old -> (known after apply)" in lines


def test_parts_stand_in_their_order_whatever_the_order_of_work(screen: Screen) -> None:
    account = Account()
    lines = planned(
        screen,
        Thing(name="a", account=account, part="data_storage"),
        Thing(name="b", account=account, part="security"),
    )
    assert lines.index("security") < lines.index("data_storage")


def test_no_change_says_so(screen: Screen) -> None:
    lines = planned(screen, Thing(name="a", account=Account({"a": {"Size": 1}}), properties={"Size": 1}))
    assert lines[-1] == "No changes. What exists is as it should be."


def test_what_is_not_supported_is_listed_with_its_reason(screen: Screen) -> None:
    account = Account(faults={"read a": NotImplementedError("The get_thing action has not been implemented")})
    lines = planned(screen, Thing(name="a", account=account))
    assert "not supported by this endpoint (no change)" in lines
    assert any(line.endswith("a  The get_thing action has not been implemented") for line in lines)
    assert lines[1] == "No changes. What exists is as it should be."


def test_values_are_printed_as_they_are_and_not_as_markup() -> None:
    lines = planned(
        Screen(verbose=True), Thing(name="[bold]a[/]", account=Account(), properties={"Text": "[red]x[/] :smile:"})
    )
    assert "  + Test::Thing                    [bold]a[/]" in lines
    assert "      Text  [red]x[/] :smile:" in lines


def test_a_failure_says_what_happened_and_what_to_do(screen: Screen) -> None:
    from infrastructure.errors import PlatformError

    account = Account(faults={"create a": PlatformError("a", "is broken", "Mend it.")})
    a = Thing(name="a", account=account)
    report = execute(
        make_plan([a, Thing(name="b", account=account, depends_on=(a.id,))]), on_progress=screen.console.show_progress
    )
    screen.console.show_outcome(report, 1.0)
    assert "      is broken. Mend it." in screen.lines
    assert any("not tried: needs Test::Thing/a, which failed" in line for line in screen.lines)
    assert screen.lines[-1] == "Done: 0 created, 0 changed, 0 removed, 2 failed in 1.0 s."


def test_destroy_shows_what_goes_what_is_kept_and_what_must_stay(screen: Screen) -> None:
    account = Account({"a": {}, "b": {}, "c": {}})
    things = [
        Thing(name="a", account=account),
        Thing(name="b", account=account, keep="it holds data"),
        Thing(name="c", account=account, remains=DeletionPending("c is deleted on 2030-01-01")),
    ]
    destruction = plan_destruction(things, {thing.id for thing in things})
    screen.console.show_destruction(destruction)
    screen.console.show_pending_deletions(destruction.carry_out())
    text = "\n".join(screen.lines)
    assert "  - Test::Thing                    a\n" in text
    assert "b  it holds data" in text
    assert "Destroy: 2 to remove, 1 kept." in text
    assert f"  {'Test::Thing':<30} c is deleted on 2030-01-01" in text


def test_what_is_needed_by_something_bound_tells_by_what_and_until_when(screen: Screen) -> None:
    account = Account({"key": {}, "bucket": {}})
    key = Thing(name="key", account=account)
    held = DeletionPending("bucket is locked", needs_dependencies=True, until="until 2027-11-24")
    bucket = Thing(name="bucket", account=account, depends_on=(key.id,), remains=held)
    screen.console.show_pending_deletions(plan_destruction([key, bucket], {key.id, bucket.id}).carry_out())
    assert screen.lines[-1] == f"  {'Test::Thing':<30} key stays: needed by bucket until 2027-11-24"


def test_long_names_are_never_broken(screen: Screen) -> None:
    name = "n" * 150
    assert any(line.endswith(name) for line in planned(screen, Thing(name=name, account=Account())))


def test_links_stand_one_to_a_line(screen: Screen) -> None:
    screen.console.show_links([("stream", "https://example.com/" + "x" * 120), ("alarms", "https://example.com/a")])
    assert screen.lines[-2:] == [
        f"  stream          https://example.com/{'x' * 120}",
        "  alarms          https://example.com/a",
    ]


def test_progress_prints_each_end_once_and_no_start(screen: Screen) -> None:
    account = Account()
    with screen.console.progress(2) as on_progress:
        execute(
            make_plan([Thing(name="a", account=account), Thing(name="b", account=account)]), on_progress=on_progress
        )
    lines = [line.split("  created")[0] for line in screen.lines]
    assert sorted(lines) == ["  + Test::Thing                    a", "  + Test::Thing                    b"]
