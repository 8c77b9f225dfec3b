"""What one thing in the account is: a small declarative spec with the few calls that make, change and remove it.

Each folder lists its own resources (`resources(settings, clients) -> list[Resource]`); plan.py compares them with what
exists, apply.py carries the difference out. A resource type is a subclass, in the file of its service in
infrastructure/aws/:

    class Queue(Resource):
        type = "AWS::SQS::Queue"
        policies = frozenset({"Policy"})  # compared as IAM policies, not as text

        def read(self) -> Properties | None:
            try:
                url = self.clients("sqs").get_queue_url(QueueName=self.name)["QueueUrl"]
            except self.clients("sqs").exceptions.QueueDoesNotExist:
                return None
            attributes = ...
            return {"KmsMasterKeyId": attributes["KmsMasterKeyId"], "Tags": ..., "Url": url}

        def create(self, properties: Properties) -> None: ...                      # one call where possible
        def update(self, changed: frozenset[str], properties: Properties) -> None: ...
        def delete(self) -> DeletionPending | None: ...

    Queue(part="data_ingestion", name=settings.on_failure_queue_name, clients=clients, depends_on=(KEY_ID,),
          properties={"KmsMasterKeyId": Ref(KEY_ID, "Arn"), "Tags": settings.all_tags})

Rules that make plan, apply and a second apply agree:
- `properties` is what should be. Property names and values follow CloudFormation or the API where they can.
- `read` makes no mutating call, needs no other resource's outputs, and returns what is, under the same names and in the
  same shape, or None where the thing does not exist. Further keys (Arn, Url, CreationTime) are its outputs: they are
  not compared, and other resources' `Ref` take them. What others may set beside ours is read too, and named in `unset`;
  under "Foreign" stands, as text, what they added and may need: it is shown, and left alone.
- `create` may be minimal: the executor reads again afterwards and passes what still differs to `update`. So a crash
  between two calls is healed by the next apply, and no call is written twice.
- `update` gets the names of the properties that differ and all properties as they should be.
- A mutating call belongs to create, update and delete only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeVar, overload

from infrastructure.errors import PlatformError
from infrastructure.planning.aws_errors import unsupported_reason

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


Properties = dict[str, Any]
T = TypeVar("T")


class Clients(Protocol):
    """Gives boto3 clients by service name. emulated: the endpoint is not AWS's own."""

    @property
    def emulated(self) -> bool: ...

    @overload
    def __call__(self, service: Literal["s3"]) -> S3Client: ...

    @overload
    def __call__(self, service: str) -> Any: ...


@dataclass(frozen=True, slots=True)
class Ref:
    """An output of another resource that is known only once that one exists, e.g. a KMS key's ARN.

    resource: its id; output: a key of what its read() returns; form: a template around the value, e.g. "{}:*".
    """

    resource: str
    output: str
    form: str = "{}"


@dataclass(frozen=True, slots=True)
class IfPresent:
    """A value that its mapping gets only if another resource exists or is about to; otherwise the key is left out.

    resource: the id of that other resource, which must be listed in `after`.
    """

    resource: str
    value: Any


class _Marker:
    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


KNOWN_AFTER_APPLY = _Marker("(known after apply)")
UNSUPPORTED = _Marker("(unsupported here)")  # a property that this endpoint cannot read; never a change


class Unsupported(Exception):
    """Some properties, or the whole resource, are not implemented by this endpoint (never raised on AWS)."""

    def __init__(self, reason: str, properties: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.properties = properties


@dataclass(frozen=True, slots=True)
class DeletionPending:
    """What delete() could not remove yet, and until when.

    needs_dependencies: what it depends on must stay too, e.g. the key of a bucket whose objects are locked. until: how
    long, e.g. "until 2027-11-24"; shown with each dependency that has to stay.
    """

    note: str
    needs_dependencies: bool = False
    until: str = ""


@dataclass(kw_only=True, eq=False)
class Resource(ABC):
    """One thing that should exist (or, with wanted=False, should not).

    part: the folder it belongs to, or redshift, cloudtrail, athena; name: as in the account; properties: desired, may
    hold Refs and callables at any depth; depends_on: ids that must exist first (those of its Refs are added
    automatically); after: ids that come first if they are planned too, but are not required; keep: why neither apply
    (with wanted=False) nor destroy removes it, the latter without --delete-data, "" if they do; guards: the id of what
    it protects, with which AWS removes it: destroy never removes it before that.
    """

    type: ClassVar[str]
    immutable: ClassVar[frozenset[str]] = frozenset()  # properties that cannot change in place
    unordered: ClassVar[frozenset[str]] = frozenset()  # properties whose lists are sets
    policies: ClassVar[frozenset[str]] = frozenset()  # properties that are IAM policy documents
    not_emulated: ClassVar[Mapping[str, str]] = {}  # property -> what emulators do with it; not compared on them
    permissions: ClassVar[str] = ""  # the IAM actions of the calls that it makes
    implied: ClassVar[str] = ""  # the actions that AWS checks besides, by its documents: PassRole, the use of keys

    part: str
    name: str
    clients: Clients
    properties: Properties = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    keep: str = ""
    guards: str = ""
    wanted: bool = True

    @property
    def id(self) -> str:
        """Unique in the account and region; what Ref and depends_on name. See resource_id."""
        return resource_id(self.type, self.name)

    @property
    def unset(self) -> Properties:
        """What others could set beside ours, by the names of read(), and the value that it has if nobody has: a filter
        on a mapping, a function URL. It is compared too, and update() gets these values where it has to be mended.
        """
        return {}

    def desired(self, outputs: Mapping[str, Mapping[str, Any] | None]) -> Properties:
        """All that is compared: the declared properties, resolved, and what is to stay unset."""
        resolved: Properties = resolve(self.properties, outputs)
        return self.unset | resolved

    @abstractmethod
    def read(self) -> Properties | None:
        """What exists: properties and outputs, or None. Makes no mutating call."""

    @abstractmethod
    def create(self, properties: Properties) -> None:
        """Make it; properties that this leaves out are passed to update afterwards."""

    @abstractmethod
    def update(self, changed: frozenset[str], properties: Properties) -> None:
        """Set the changed properties to their desired values."""

    @abstractmethod
    def delete(self) -> DeletionPending | None:
        """Remove it; returns what has to stay, and until when. Removing something that is gone already is no error."""

    def is_leaving(self, actual: Properties) -> bool:
        """Whether its deletion has begun already, so that nothing is left to do where it is not wanted."""
        return False

    def refusal(self, properties: Properties, actual: Properties | None) -> PlatformError | None:
        """With what AWS will refuse these properties, as far as reading tells: a quota, above all. Makes no mutating
        call.
        """
        return None

    def readable(self, call: Callable[[], T]) -> T | Any:
        """The call's value, or UNSUPPORTED if an emulator does not implement it."""
        try:
            return call()
        except Exception as error:
            if unsupported_reason(error, self.clients.emulated):
                return UNSUPPORTED
            raise

    def write_each(
        self, changed: frozenset[str], properties: Properties, writers: Mapping[str, Callable[[Any], object]]
    ) -> None:
        """Call the writer of each changed property with its value, in the writers' order.

        An emulator may not implement some of them: the others are written all the same, and Unsupported names the rest
        at the end.
        """
        unknown = changed - writers.keys()
        if unknown:
            raise PlatformError(
                f"{self.type} {self.name}",
                f"{', '.join(sorted(unknown))} cannot be changed in place",
                "Remove the resource (destroy keeps data; move it away first) and apply again.",
            )
        skipped: list[str] = []
        reason = ""
        for name, write in writers.items():
            if name not in changed:
                continue
            try:
                write(properties.get(name))
            except Exception as error:
                reason_here = unsupported_reason(error, self.clients.emulated)
                if not reason_here:
                    raise
                skipped.append(name)
                reason = reason_here
        if skipped:
            raise Unsupported(reason, tuple(skipped))


def resource_id(type_: str, name: str) -> str:
    """The id of a resource, e.g. AWS::KMS::Key/banking-data-dev-data."""
    return f"{type_}/{name}"


def references(value: Any) -> frozenset[str]:
    """The ids that the Refs inside a value name."""
    if isinstance(value, Ref):
        return frozenset({value.resource})
    if isinstance(value, Mapping):
        return frozenset().union(*(references(item) for item in value.values()))
    if isinstance(value, list | tuple):
        return frozenset().union(*(references(item) for item in value))
    return frozenset()


def resolve(value: Any, outputs: Mapping[str, Mapping[str, Any] | None]) -> Any:
    """The value with each Ref replaced by the output it names, or by KNOWN_AFTER_APPLY if that is not known yet.

    A callable stands for what it returns (e.g. a zip's hash, built only when it is compared). outputs: resource id ->
    what its read() returned, None for a resource that is about to be made; a resource that neither exists nor is
    planned has no entry.
    """
    if isinstance(value, Ref):
        found = (outputs.get(value.resource) or {}).get(value.output, KNOWN_AFTER_APPLY)
        return found if isinstance(found, _Marker) else value.form.format(found)
    if isinstance(value, Mapping):
        there = {key: item for key, item in value.items() if _is_there(item, outputs)}
        return {key: resolve(item, outputs) for key, item in there.items()}
    if isinstance(value, list | tuple):
        return [resolve(item, outputs) for item in value]
    if isinstance(value, IfPresent):
        return resolve(value.value, outputs)
    return value() if callable(value) else value


def _is_there(value: Any, outputs: Mapping[str, Mapping[str, Any] | None]) -> bool:
    return not isinstance(value, IfPresent) or value.resource in outputs


def has_unknown(value: Any) -> bool:
    """Whether any part of a resolved value is still KNOWN_AFTER_APPLY."""
    if isinstance(value, Mapping):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(has_unknown(item) for item in value)
    return isinstance(value, _Marker)
