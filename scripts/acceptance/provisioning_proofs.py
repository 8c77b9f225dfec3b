"""Proofs about what apply makes. They hold in an account and on an emulator alike."""

from __future__ import annotations

from botocore.exceptions import ClientError

from infrastructure.aws.clients import AwsClients
from infrastructure.aws.s3_lock import Holder, lock_held
from infrastructure.errors import PlatformError
from infrastructure.planning.apply import Outcome, execute
from infrastructure.planning.aws_errors import error_code
from infrastructure.planning.destroy import plan_destruction
from infrastructure.planning.plan import Plan
from infrastructure.provisioning import Embedded, gather, plan
from infrastructure.settings import Settings
from scripts.acceptance.verdicts import Disproven, Prover


class Provisioning:
    """An environment that is made, tried and removed again."""

    def __init__(self, settings: Settings, clients: AwsClients, prover: Prover, embedded: Embedded | None) -> None:
        self.settings = settings
        self.clients = clients
        self._prover = prover
        self._embedded = embedded

    def prove_what_stands(self) -> bool:
        """Apply, and try what does not need data; whether everything stands."""
        if not self._prover.prove("apply-converges", self._converges):
            return False
        self._prover.prove("lock-excludes", self._lock_excludes)
        self._prover.prove("second-mapping-refused", self._second_mapping)
        self._prover.prove("recovery-through-version", self._recovery)
        return True

    def _converges(self) -> str:
        report = execute(self._plan(), emulated=self.clients.emulated)
        report.raise_for_errors()
        if left := [step.resource.id for step in self._plan().changes]:
            raise Disproven(f"a plan after the apply would change {', '.join(left)}")
        return f"{len(report.of(Outcome.DONE))} resources made, no change afterwards"

    def _plan(self) -> Plan:
        return plan(self.settings, clients=self.clients, embedded=self._embedded)

    def _lock_excludes(self) -> str:
        s3, bucket = self.clients("s3"), self.settings.bucket("artifacts")
        emulated = self.clients.emulated
        with lock_held(s3, bucket, Holder("acceptance", "first"), emulated=emulated):
            try:
                with lock_held(s3, bucket, Holder("acceptance", "second"), emulated=emulated):
                    raise Disproven("two held the lock at once")
            except PlatformError as refused:
                return refused.what

    def _second_mapping(self) -> str:
        try:
            self._map(self.settings.function_name)
        except ClientError as error:
            if error_code(error) == "ResourceConflictException":
                return str(error)
            raise
        raise Disproven("it was taken: there are two mappings now")

    def _recovery(self) -> str:
        lambda_ = self.clients("lambda")
        version = lambda_.publish_version(FunctionName=self.settings.function_name)["Version"]
        try:
            made = self._map(f"{self.settings.function_name}:{version}")
            lambda_.delete_event_source_mapping(UUID=made)
        finally:
            lambda_.delete_function(FunctionName=self.settings.function_name, Qualifier=version)
        return f"mapping {made} to version {version} was taken, and is removed again"

    def _map(self, function: str) -> str:
        made = self.clients("lambda").create_event_source_mapping(
            FunctionName=function,
            EventSourceArn=self.settings.stream_arn,
            StartingPosition="LATEST",
            FunctionResponseTypes=["ReportBatchItemFailures"],
        )
        return str(made["UUID"])

    def prove_destroy(self) -> list[str]:
        """Remove the environment; what has to stay, and until when."""
        stays: list[str] = []
        self._prover.prove("destroy-keeps-only-what-is-locked", lambda: self._destroy(stays))
        return stays

    def _destroy(self, stays: list[str]) -> str:
        resources = gather(self.settings, self.clients, self._embedded)
        destruction = plan_destruction(resources, {resource.id for resource in resources}, delete_data=True)
        report = destruction.carry_out()
        report.raise_for_errors()
        pending, kept = report.of(Outcome.DELETION_PENDING), report.of(Outcome.KEPT)
        stays += [result.note for result in pending]
        stays += [f"{result.resource.name} stays: {result.note}" for result in kept]
        for result in pending:
            if result.resource.type == "AWS::S3::Bucket" and not self._has_policy(result.resource.name):
                raise Disproven(f"{result.resource.name} stays without its policy")
        return f"{len(report.of(Outcome.DONE))} removed, {len(stays)} must stay for now"

    def _has_policy(self, bucket: str) -> bool:
        return bool(self.clients("s3").get_bucket_policy(Bucket=bucket)["Policy"])
