"""Proves claims one by one, and keeps what each proof saw."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from infrastructure.planning.aws_errors import explain
from scripts.acceptance.claims import BY_ID, CLAIMS

_REQUESTS_KEPT = 12  # of one proof; the last ones tell


@dataclass(frozen=True, slots=True)
class Verdict:
    """proven: None if nobody tried; detail: what was seen, or why it failed; requests: "service.Operation id"."""

    claim: str
    proven: bool | None
    detail: str
    requests: tuple[str, ...] = ()
    seconds: float = 0.0


class Disproven(Exception):
    """The claim is false here, and why."""


@dataclass(slots=True)
class Prover:
    """Runs proofs in turn; a failed one stops nothing that does not need it."""

    on_verdict: Callable[[Verdict], None] = lambda verdict: None
    verdicts: list[Verdict] = field(default_factory=list)
    _requests: list[str] = field(default_factory=list)

    def watch(self, client: Any) -> None:
        """Note the request ids of a boto3 client's calls."""
        client.meta.events.register("after-call", self._note, unique_id=f"acceptance-{id(self)}")

    def prove(self, claim: str, proof: Callable[[], str]) -> bool:
        """Run the proof, which returns what it saw; whether it succeeded."""
        assert claim in BY_ID, claim
        self._requests.clear()
        started = time.monotonic()
        try:
            proven, detail = True, proof()
        except Disproven as why:
            proven, detail = False, str(why)
        except Exception as error:
            proven, detail = False, str(explain(error, claim))
        verdict = Verdict(
            claim, proven, detail, tuple(self._requests[-_REQUESTS_KEPT:]), round(time.monotonic() - started, 1)
        )
        self.verdicts.append(verdict)
        self.on_verdict(verdict)
        return proven

    def in_order(self) -> list[Verdict]:
        """One verdict for every claim, in the order of the list; those that nobody tried say so."""
        tried = {verdict.claim: verdict for verdict in self.verdicts}
        return [tried.get(claim.id, Verdict(claim.id, None, "not tried")) for claim in CLAIMS]

    def _note(self, parsed: dict[str, Any], model: Any, **_: Any) -> None:
        id_ = parsed.get("ResponseMetadata", {}).get("RequestId", "-")
        self._requests.append(f"{model.service_model.service_name}.{model.name} {id_}")
