"""The executor against an account in memory: order, concurrency, failure, resumption."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from infrastructure.errors import PlatformError
from infrastructure.planning import waiting
from infrastructure.planning.apply import Outcome, Report, Result, execute
from infrastructure.planning.plan import make_plan
from infrastructure.planning.resource import Ref, Resource, Unsupported, resource_id
from tests.unit.in_memory_account import Account, NoClients, Thing


def apply(*resources: Resource, **options: Any) -> Report:
    return execute(make_plan(list(resources)), **options)


def outcomes(report: Report) -> dict[str, Outcome]:
    return {result.resource.name: result.outcome for result in report.results}


def id_of(name: str) -> str:
    return resource_id("Test::Thing", name)


def test_what_create_leaves_out_is_passed_to_update() -> None:
    account = Account()
    apply(Thing(name="a", account=account, properties={"Engine": "x", "Size": 4, "Members": ["b"]}))
    assert account.calls == ["create a", "update a Members,Size"]
    assert account.things["a"] == {"Engine": "x", "Size": 4, "Members": ["b"]}


def test_only_what_differs_is_updated() -> None:
    account = Account({"a": {"Size": 1, "Members": ["b"]}})
    apply(Thing(name="a", account=account, properties={"Size": 4, "Members": ["b"]}))
    assert account.calls == ["update a Size"]


def test_a_second_apply_makes_no_call() -> None:
    account = Account()
    things = [
        Thing(name="a", account=account, properties={"Policy": {"Statement": []}}),
        Thing(name="b", account=account, properties={"A": Ref(id_of("a"), "Arn")}),
    ]
    apply(*things)
    account.calls.clear()
    assert apply(*things).results == ()
    assert account.calls == []


def test_an_output_known_after_creation_reaches_what_refers_to_it() -> None:
    account = Account()
    apply(
        Thing(name="bucket", account=account, properties={"Rules": [{"Key": Ref(id_of("key"), "Arn")}]}),
        Thing(name="key", account=account),
    )
    assert account.things["bucket"] == {"Rules": [{"Key": "arn:key"}]}


def test_what_was_unknown_and_turns_out_as_it_should_be_is_not_touched() -> None:
    account = Account({"bucket": {"Key": "arn:key"}})
    report = apply(
        Thing(name="bucket", account=account, properties={"Key": Ref(id_of("key"), "Arn")}),
        Thing(name="key", account=account),
    )
    assert outcomes(report) == {"key": Outcome.DONE, "bucket": Outcome.UNCHANGED}
    assert account.calls == ["create key"]


class Refused(Thing):
    """AWS would refuse it, and a read tells."""

    def refusal(self, properties: Any, actual: Any) -> PlatformError:
        return PlatformError(self.name, "the quota is used up", "Raise it.")


def test_what_aws_will_refuse_is_not_tried_and_the_rest_is_made() -> None:
    account = Account()
    report = apply(
        Refused(name="a", account=account, properties={"Size": 4}),
        Thing(name="b", account=account, depends_on=(id_of("a"),)),
        Thing(name="c", account=account),
    )
    assert outcomes(report) == {"a": Outcome.FAILED, "b": Outcome.SKIPPED, "c": Outcome.DONE}
    assert account.calls == ["create c"]
    assert [str(error) for error in report.errors] == ["a: the quota is used up. Raise it."]


def test_what_is_as_it_should_be_is_never_refused() -> None:
    account = Account({"a": {"Size": 4}})
    assert make_plan([Refused(name="a", account=account, properties={"Size": 4})]).changes == ()


def test_independent_resources_are_made_at_the_same_time() -> None:
    # Each creation waits for the other, so the test ends only if they run at the same time.
    both = threading.Barrier(2, timeout=10)
    account = Account(hooks={"create a": both.wait, "create b": both.wait})
    report = apply(Thing(name="a", account=account), Thing(name="b", account=account))
    assert outcomes(report) == {"a": Outcome.DONE, "b": Outcome.DONE}


def test_dependants_wait_until_what_they_need_is_done() -> None:
    account = Account()
    apply(
        Thing(name="c", account=account, depends_on=(id_of("b"),)),
        Thing(name="b", account=account, depends_on=(id_of("a"),)),
        Thing(name="a", account=account),
    )
    assert account.calls == ["create a", "create b", "create c"]


def test_what_comes_after_another_waits_for_it_and_is_not_made_where_that_failed() -> None:
    account = Account()
    a, b = Thing(name="a", account=account), Thing(name="b", account=account, after=(id_of("a"),))
    apply(b, a)
    assert account.calls == ["create a", "create b"]
    broken = Account(faults={"create a": PlatformError("a", "is broken", "Mend it.")})
    a, b = Thing(name="a", account=broken), Thing(name="b", account=broken, after=(id_of("a"),))
    assert outcomes(apply(b, a)) == {"a": Outcome.FAILED, "b": Outcome.SKIPPED}


def test_a_failure_stops_its_dependants_and_nothing_else() -> None:
    account = Account(faults={"create a": PlatformError("a", "is broken", "Mend it.")})
    report = apply(
        Thing(name="a", account=account),
        Thing(name="b", account=account, depends_on=(id_of("a"),)),
        Thing(name="c", account=account, depends_on=(id_of("b"),)),
        Thing(name="d", account=account),
    )
    assert outcomes(report) == {
        "a": Outcome.FAILED,
        "b": Outcome.SKIPPED,
        "c": Outcome.SKIPPED,
        "d": Outcome.DONE,
    }
    with pytest.raises(PlatformError, match=r"a: is broken\. Mend it\."):
        report.raise_for_errors()


def test_an_apply_after_a_failure_does_the_rest() -> None:
    account = Account(faults={"update a Size": PlatformError("a", "is broken", "Mend it.")})
    things = [
        Thing(name="a", account=account, properties={"Size": 4}),
        Thing(name="b", account=account, depends_on=(id_of("a"),)),
    ]
    apply(*things)
    account.faults.clear()
    account.calls.clear()
    apply(*things).raise_for_errors()
    assert account.calls == ["update a Size", "create b"]


def test_several_failures_are_counted_in_the_error() -> None:
    broken = PlatformError("x", "is broken", "Mend it.")
    account = Account(faults={"create a": broken, "create b": broken})
    report = apply(Thing(name="a", account=account), Thing(name="b", account=account))
    with pytest.raises(PlatformError, match=r"and 1 more failed"):
        report.raise_for_errors()


def test_what_cannot_change_in_place_fails_and_says_so_without_a_call() -> None:
    account = Account({"a": {"Engine": "old"}})
    report = apply(Thing(name="a", account=account, properties={"Engine": "new"}))
    assert "Engine cannot be changed in place" in str(report.errors[0])
    assert account.calls == []


def test_a_creation_that_the_endpoint_lacks_is_listed_and_does_not_fail() -> None:
    account = Account(faults={"create a": NotImplementedError("not here")})
    report = apply(
        Thing(name="a", account=account),
        Thing(name="b", account=account, properties={"A": Ref(id_of("a"), "Arn")}),
        Thing(name="c", account=account, depends_on=(id_of("a"),)),
    )
    assert outcomes(report) == {"a": Outcome.UNSUPPORTED, "b": Outcome.UNSUPPORTED, "c": Outcome.DONE}
    assert report.errors == ()


def test_properties_that_the_endpoint_lacks_are_named() -> None:
    account = Account(faults={"update a Size": Unsupported("no sizes here", ("Size",))})
    report = apply(Thing(name="a", account=account, properties={"Size": 4}))
    assert report.results[0].outcome is Outcome.UNSUPPORTED
    assert report.results[0].unsupported == {"Size": "no sizes here"}


def test_what_is_not_wanted_is_removed_before_what_it_depends_on() -> None:
    account = Account({"a": {}, "b": {}})
    apply(
        Thing(name="a", account=account, wanted=False),
        Thing(name="b", account=account, wanted=False, depends_on=(id_of("a"),)),
    )
    assert account.calls == ["delete b", "delete a"]


def test_a_new_resource_that_shows_up_late_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "pause", lambda seconds: None)

    class Late(Thing):
        reads = 0

        def read(self) -> Any:
            Late.reads += 1
            return super().read() if Late.reads > 4 else None

    account = Account()
    assert apply(Late(name="a", account=account, properties={"Size": 1})).errors == ()
    assert account.calls == ["create a", "update a Size"]


def test_progress_tells_the_start_and_the_end_of_each_change() -> None:
    told: list[Result] = []
    account = Account({"same": {"Size": 1}})
    apply(
        Thing(name="new", account=account),
        Thing(name="same", account=account, properties={"Size": 1}),
        on_progress=told.append,
    )
    assert [(result.resource.name, result.outcome) for result in told] == [
        ("new", Outcome.STARTED),
        ("new", Outcome.DONE),
    ]


def test_an_interrupt_ends_the_run_and_the_next_one_completes_it() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    account = Account(hooks={"create b": interrupt})
    things = [
        Thing(name="a", account=account),
        Thing(name="b", account=account, depends_on=(id_of("a"),)),
        Thing(name="c", account=account, depends_on=(id_of("b"),)),
    ]
    with pytest.raises(KeyboardInterrupt):
        apply(*things)
    assert account.calls == ["create a"]
    account.hooks.clear()
    apply(*things).raise_for_errors()
    assert account.calls == ["create a", "create b", "create c"]


def test_an_interrupt_ends_what_waits() -> None:
    both = threading.Barrier(2, timeout=10)
    told: list[Result] = []

    def wait_for_ever() -> None:
        both.wait()
        waiting.wait_until(lambda: False, "a stream", seconds=3600)

    def interrupt() -> None:
        both.wait()
        raise KeyboardInterrupt

    account = Account(hooks={"create a": wait_for_ever, "create b": interrupt})
    with pytest.raises(KeyboardInterrupt):
        apply(Thing(name="a", account=account), Thing(name="b", account=account), on_progress=told.append)
    ended = [result for result in told if result.resource.name == "a" and result.error]
    assert [str(result.error) for result in ended] == ["waiting: was interrupted. Repeat the command; it resumes."]


def test_a_fault_of_an_emulator_is_an_error_on_aws() -> None:
    from tests.provisioning.account import service_error

    page = "<!doctype html>\n<html lang=en>\n<title>500 Internal Server Error</title>"
    fault = service_error("500", "CreateThing", page, 500)
    for emulated, expected in ((True, Outcome.UNSUPPORTED), (False, Outcome.FAILED)):
        account = Account(faults={"create a": fault})
        report = apply(Thing(name="a", account=account, clients=NoClients(emulated=emulated)))
        assert outcomes(report) == {"a": expected}
