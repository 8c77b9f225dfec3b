"""Controls on stream, function, mapping and queue: the cardholder data environment."""

from __future__ import annotations

from collections.abc import Iterator

from data_governance.controls.control import (
    FUNCTION,
    GOOD_PRACTICE,
    MAPPING,
    QUEUE,
    STREAM,
    Control,
    Severity,
    Subject,
    own_key,
    unless,
)
from data_governance.controls.policy_meaning import account_of, denies, let_in
from infrastructure.settings import Settings

_WEEK_HOURS = 168
_SUPPORTED_RUNTIMES = ("python3.11", "python3.12", "python3.13", "python3.14")


def _readers(stream: Subject) -> Iterator[str]:
    yield from (f"{name} is registered as a consumer" for name in stream["Consumers"])
    yield from let_in(stream["ResourcePolicy"], stream.account)


def _own_code(function: Subject) -> Iterator[str]:
    for layer in function["Layers"]:
        yield f"runs with the layer {layer}"
    for system in function["FileSystemConfigs"]:
        yield f"runs with the files of {system.get('Arn')}"


def _network(function: Subject) -> Iterator[str]:
    found, settings = function["VpcConfig"] or {}, function.settings
    for name, wanted in (
        ("SubnetIds", settings.lambda_subnet_ids),
        ("SecurityGroupIds", settings.lambda_security_group_ids),
    ):
        if set(found.get(name, ())) != set(wanted):
            yield f"{name} are {', '.join(sorted(found.get(name, ()))) or 'none'}"


def _takes_everything(mapping: Subject) -> Iterator[str]:
    if not mapping["Enabled"]:
        yield "is disabled: records grow old unread"
    for each in mapping["FilterCriteria"]:
        yield f"drops what the filter {each.get('Pattern')} does not take"
    if mapping["TumblingWindowInSeconds"]:
        yield "passes state from batch to batch"
    if not (mapping["DestinationConfig"].get("OnFailure") or {}).get("Destination"):
        yield "tells nobody of what it gives up"


def _other_functions(mapping: Subject) -> Iterator[str]:
    ours = mapping.settings.function_arn
    for arn in mapping["OtherFunctions"]:
        if arn != ours and not arn.startswith(f"{ours}:"):  # a version of our own: a recovery (docs/monitoring.md)
            yield f"{arn} of {account_of(arn)} reads the stream too"


def _queue_tls(queue: Subject) -> list[str]:
    refuses = denies(
        queue["Policy"],
        "sqs:*",
        [queue.settings.arn("sqs", queue.name)],
        {"Bool": {"aws:SecureTransport": "false"}},
    )
    return unless(refuses, "no statement denies everything without TLS")


def _has_network(settings: Settings) -> bool:
    return bool(settings.lambda_subnet_ids)


_STREAM = "aws kinesis describe-stream-summary --stream-name STREAM"
_FUNCTION = "aws lambda get-function --function-name FUNCTION"
_MAPPING = "aws lambda list-event-source-mappings --event-source-arn STREAM_ARN"
_OF_THE_STREAM = ("-transactions -> ",)
_QUEUE = "aws sqs get-queue-attributes --queue-url QUEUE --attribute-names All"

INGESTION: tuple[Control, ...] = (
    Control(
        "stream-encryption",
        "3.5.1",
        ("Kinesis.1",),
        "the stream is encrypted with a customer key",
        (STREAM,),
        Severity.HIGH,
        "Records that were put meanwhile lie in clear until they expire.",
        _STREAM,
        own_key("EncryptionKeyId"),
    ),
    Control(
        "stream-readers",
        "7.2.1",
        (),
        "nobody but the function reads the stream, which holds clear card numbers",
        (STREAM,),
        Severity.CRITICAL,
        "Treat the records of that time as known to the reader.",
        "aws kinesis list-stream-consumers --stream-arn STREAM_ARN",
        _readers,
    ),
    Control(
        "stream-retention",
        GOOD_PRACTICE,
        ("Kinesis.3",),
        "the stream keeps records for a week at least",
        (STREAM,),
        Severity.MEDIUM,
        "",
        _STREAM,
        lambda stream: unless(
            stream["RetentionPeriodHours"] >= _WEEK_HOURS, f"keeps records {stream['RetentionPeriodHours']} hours"
        ),
    ),
    Control(
        "function-strangers",
        "7.2.1",
        ("Lambda.1",),
        "nobody of another account may call or change a function",
        (FUNCTION,),
        Severity.CRITICAL,
        "",
        "aws lambda get-policy --function-name FUNCTION",
        lambda function: let_in(function["ResourcePolicy"], function.account),
    ),
    Control(
        "function-url",
        "1.4.4",
        (),
        "no function can be called over HTTP",
        (FUNCTION,),
        Severity.CRITICAL,
        "",
        "aws lambda list-function-url-configs --function-name FUNCTION",
        lambda function: [f"{alias} has a URL" for alias in function["FunctionUrls"]],
    ),
    Control(
        "function-code",
        "11.5.2",
        (),
        "functions run nothing but their own zip",
        (FUNCTION,),
        Severity.CRITICAL,
        "Treat the records of that time as known to whoever made the layer.",
        _FUNCTION,
        _own_code,
    ),
    Control(
        "function-environment",
        "3.5.1",
        (),
        "the functions' environment is encrypted with a customer key",
        (FUNCTION,),
        Severity.MEDIUM,
        "",
        _FUNCTION,
        own_key("KMSKeyArn"),
    ),
    Control(
        "function-runtime",
        "6.3.3",
        ("Lambda.2",),
        "the functions' runtime is supported",
        (FUNCTION,),
        Severity.MEDIUM,
        "Set LAMBDA_RUNTIME.",
        _FUNCTION,
        lambda function: unless(function["Runtime"] in _SUPPORTED_RUNTIMES, f"runs on {function['Runtime']}"),
    ),
    Control(
        "function-network",
        "1.3.1",
        ("Lambda.3",),
        "functions stand in the bank's network",
        (FUNCTION,),
        Severity.HIGH,
        "",
        _FUNCTION,
        _network,
        asked=_has_network,
    ),
    Control(
        "mapping-complete",
        GOOD_PRACTICE,
        (),
        "every record of the stream reaches the function, or is told of",
        (MAPPING,),
        Severity.HIGH,
        "Records that a filter dropped are in the stream until they expire: docs/monitoring.md.",
        _MAPPING,
        _takes_everything,
        only=_OF_THE_STREAM,
    ),
    Control(
        "mapping-readers",
        "7.2.1",
        (),
        "no other function is fed from the stream",
        (MAPPING,),
        Severity.CRITICAL,
        "aws lambda delete-event-source-mapping --uuid UUID",
        _MAPPING,
        _other_functions,
        only=_OF_THE_STREAM,
        by_hand=True,
    ),
    Control(
        "queue-encryption",
        "3.5.1",
        ("SQS.1",),
        "queues are encrypted with a customer key",
        (QUEUE,),
        Severity.MEDIUM,
        "",
        _QUEUE,
        own_key("KmsMasterKeyId"),
    ),
    Control(
        "queue-tls",
        "4.2.1",
        (),
        "queues refuse requests without TLS",
        (QUEUE,),
        Severity.MEDIUM,
        "",
        _QUEUE,
        _queue_tls,
    ),
    Control(
        "queue-strangers",
        "7.2.1",
        ("SQS.3",),
        "nobody of another account may use a queue",
        (QUEUE,),
        Severity.HIGH,
        "",
        _QUEUE,
        lambda queue: let_in(queue["Policy"], queue.account),
    ),
)
