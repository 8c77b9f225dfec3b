"""What a record costs in the Lambda function, beside the floor and other ways to write it.

    python benchmarks/lambda_hot_path.py                  # the table; docs/lambda_hot_path.svg with --plot
    python benchmarks/lambda_hot_path.py --profile        # where the time goes

Thread CPU time, handlers interleaved, medians, ratios of neighbours in time: trust the ratios. The event is parsed and
S3 is stubbed at put_object, but for the tutorial's puts, which go through boto3 up to the HTTP request (one a record).
Peers that are not installed are named and left out (benchmarks/requirements.txt).
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks import lambda_peers, lambda_workloads
from benchmarks.lambda_peers import Event, Handler
from benchmarks.lambda_workloads import FEEDS, event, feed
from data_governance.tokenization import TokenKeys
from data_ingestion import process_transaction_lambda, transaction_batch
from data_ingestion.control_entries import ControlCount
from data_ingestion.deploy_transaction_lambda import package
from infrastructure.aws import clients
from infrastructure.errors import PlatformError
from infrastructure.settings import Settings

ROOT = Path(__file__).resolve().parents[1]

BATCHES = (100, 1_000, 6_000)
GOAL_BATCH = 1_000
MOST_TIMES_TUNED = 3
OURS = "this platform's function"
FLOOR = "floor: base64 + join + isal-1"
POWERTOOLS = "Powertools + pydantic, the same duties"
VALIDATING = "Powertools + pydantic, validation only"
TUTORIAL = "tutorial: print, one put a record"
PLOT = ROOT / "docs" / "lambda_hot_path.svg"

# Name -> batch -> (median microseconds a record, median of the ratios to the floor beside it).
Results = dict[str, dict[int, tuple[float, float]]]


class StubbedAws:
    """S3 that forgets what it is given, and a secret."""

    def __call__(self, service: str) -> StubbedAws:
        return self

    def put_object(self, Bucket: str, Key: str, Body: bytes, ChecksumAlgorithm: str) -> None:
        pass

    def get_secret_value(self, SecretId: str) -> dict[str, str]:
        key = base64.b64encode(bytes(range(32))).decode()
        return {"SecretString": json.dumps({"current": 1, "keys": {"1": key}})}


def our_handler() -> Handler:
    """The function itself, logs and metrics included."""
    os.environ |= {
        "RAW_BUCKET": "raw",
        "QUARANTINE_BUCKET": "quarantine",
        "TOKENIZATION_SECRET_ID": "secret",
        "STREAM_INCARNATION": "20261123T125500Z",
        "METRICS_NAMESPACE": "Benchmark",
        "POWERTOOLS_SERVICE_NAME": "process-transaction",
    }
    clients.client = StubbedAws()  # type: ignore[assignment]
    process_transaction_lambda.reset()
    return lambda event: process_transaction_lambda.handler(event, None)


class _NoContent(io.BytesIO):
    def stream(self) -> Iterable[bytes]:
        return ()


def boto3_put() -> lambda_peers.Put:
    """put_object through boto3 up to the HTTP request, which is answered at once."""
    import boto3
    from botocore.awsrequest import AWSResponse
    from botocore.compat import HTTPHeaders

    client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    client.meta.events.register(
        "before-send.s3.PutObject", lambda **_: AWSResponse("", 200, HTTPHeaders(), _NoContent())
    )
    return lambda key, body: client.put_object(Bucket="raw", Key=key, Body=body)


def powertools_peer() -> Any:
    """Raises ImportError where pydantic is not installed."""
    from benchmarks import powertools_peer as peer

    return peer


def handlers() -> dict[str, Handler]:
    def no_put(key: str, body: bytes) -> None:
        pass

    made: dict[str, Callable[[], Handler]] = {
        FLOOR: lambda: lambda_peers.floor(no_put),
        OURS: our_handler,
        "careful standard library": lambda: lambda_peers.careful_stdlib(no_put),
        VALIDATING: lambda: powertools_peer().validation_only(no_put),
        POWERTOOLS: lambda: powertools_peer().same_duties(no_put),
        TUTORIAL: lambda: lambda_peers.tutorial(boto3_put()),
    }
    found = {}
    for name, make in made.items():
        try:
            found[name] = make()
        except ImportError as error:
            print(f"left out: {name} ({error}; pip install -r benchmarks/requirements.txt)", file=sys.stderr)
    return found


def microseconds(handler: Handler, event: Event) -> float:
    """CPU time of one call, divided by its records."""
    start = time.thread_time()
    with contextlib.redirect_stdout(io.StringIO()):
        handler(event)
    return (time.thread_time() - start) / len(event["Records"]) * 1e6


def measured(found: dict[str, Handler], faults: bool, seconds: float) -> Results:
    """What each handler costs, measured side by side."""
    results: Results = {name: {} for name in found}
    for batch in BATCHES:
        one = event(feed(batch, faults))
        costs: dict[str, list[float]] = {name: [] for name in found}
        end = time.monotonic() + seconds
        rounds = 0
        while rounds < 5 or time.monotonic() < end:
            for name, handler in found.items():
                # a hundred times slower, so a few repetitions will do
                if name != TUTORIAL or rounds < 3 * GOAL_BATCH / batch:
                    costs[name].append(microseconds(handler, one))
            rounds += 1
        for name, each in costs.items():
            ratios = [cost / base for cost, base in zip(each, costs[FLOOR], strict=False)]
            results[name][batch] = statistics.median(each), statistics.median(ratios)
    return results


def measured_untuned(seconds: float) -> dict[str, tuple[float, float]]:
    """(microseconds a record, times the tuned feed's) at the goal's batch, of each feed that was not tuned for."""
    handler = our_handler()
    tuned = feed(GOAL_BATCH, faults=False)
    events = {name: event(records) for name, records in lambda_workloads.untuned(tuned).items()}
    base = event(tuned)
    costs: dict[str, list[tuple[float, float]]] = {name: [] for name in events}
    end = time.monotonic() + seconds
    rounds = 0
    while rounds < 5 or time.monotonic() < end:
        for name, one in events.items():
            costs[name].append((microseconds(handler, one), microseconds(handler, base)))
        rounds += 1
    return {
        name: (statistics.median(cost for cost, _ in each), statistics.median(cost / beside for cost, beside in each))
        for name, each in costs.items()
    }


def untuned_table(results: dict[str, tuple[float, float]]) -> str:
    lines = ["| untuned, batch 1,000 | a record | times the tuned | |", "|---|---|---|---|"]
    for name, (cost, ratio) in results.items():
        met = "met" if ratio <= MOST_TIMES_TUNED else "missed"
        lines.append(f"| {name} | {cost:,.1f} us | {ratio:.1f}x | {met} |")
    return "\n".join(lines)


def table(results: Results, title: str) -> str:
    lines = [
        f"| {title} | " + " | ".join(f"batch {batch:,}" for batch in BATCHES) + " |",
        "|---|" + "---|" * len(BATCHES),
    ]
    for name, by_batch in results.items():
        cells = " | ".join(f"{cost:,.1f} us ({ratio:,.1f}x)" for cost, ratio in by_batch.values())
        lines.append(f"| {name} | {cells} |")
    return "\n".join(lines)


IMPORT = """
import sys, time
sys.path.insert(0, sys.argv[1])
import boto3
start = time.process_time()
import data_ingestion.process_transaction_lambda
print((time.process_time() - start) * 1000)
"""
MEMORY = """
import pathlib, re, sys
sys.path.insert(0, sys.argv[1])
from benchmarks.lambda_hot_path import microseconds, our_handler
from benchmarks.lambda_workloads import event, feed
def high_water():
    return int(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]) / 1024
handler = our_handler()
microseconds(handler, event(feed(10, True)))
one = event(feed(6000, True))
pathlib.Path("/proc/self/clear_refs").write_text("5")
before = high_water()
microseconds(handler, one)
print(high_water() - before)
"""


def in_fresh_process(program: str, times: int) -> float:
    """The median of what the program prints."""
    command = [sys.executable, "-c", program, str(ROOT)]
    printed = [float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(times)]
    return statistics.median(printed)


def goals(by_feed: dict[str, Results]) -> str:
    """Each goal with its result, by feed if that matters."""
    lines = ["| goal | measured | |", "|---|---|---|"]

    def line(goal: str, text: str, met: bool) -> None:
        lines.append(f"| {goal} | {text} | {'met' if met else 'missed'} |")

    for feed_name, results in by_feed.items():
        ours = results[OURS][GOAL_BATCH][1]
        if POWERTOOLS in results:
            times = results[POWERTOOLS][GOAL_BATCH][1] / ours
            line(f"at least 5 times {POWERTOOLS} ({feed_name})", f"{times:.1f} times", times >= 5)
        line(f"at most 5 times the floor ({feed_name})", f"{ours:.1f} times", ours <= 5)
    cpu = in_fresh_process(IMPORT, 7)
    line("import at most 110 ms CPU beyond boto3", f"{cpu:.0f} ms", cpu <= 110)
    memory = in_fresh_process(MEMORY, 3)
    line("peak memory within 25 MB of the event (6,000 records)", f"{memory:.1f} MB", memory <= 25)
    settings = Settings()
    try:
        size = len(package(settings)) / 1e6
        line("zip at most 3 MB", f"{size:.2f} MB", size <= 3)
    except PlatformError as error:
        lines.append(f"| zip at most 3 MB | not built: {error.what} | |")
    return "\n".join(lines)


def plot(results: Results, path: Path) -> None:
    """Microseconds a record at the goal's batch, logarithmic."""
    try:
        import matplotlib
    except ImportError as error:
        print(f"left out: the plot ({error}; pip install -r benchmarks/requirements.txt)", file=sys.stderr)
        return

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "lambda"
    import matplotlib.pyplot as pyplot

    names = list(results)[::-1]
    ratios = [results[name][GOAL_BATCH][1] for name in names]
    figure, axes = pyplot.subplots(figsize=(8, 2.8))
    bars = axes.barh(names, ratios, color=["#1f6f54" if name == OURS else "#9aa5b1" for name in names])
    axes.bar_label(bars, [f"{ratio:,.1f}x" for ratio in ratios], padding=3)
    axes.set_xscale("log")
    axes.set_xlim(0.8, max(ratios) * 3)
    axes.set_xlabel(f"CPU time a record, times the floor (batch of {GOAL_BATCH:,}, logarithmic)")
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


STEPS: dict[str, list[tuple[Any, str]]] = {
    "base64, positions, arrival times": [(transaction_batch, "read_event")],
    "JSON, types and bounds": [(transaction_batch, "decode_records"), (transaction_batch, "columns_of")],
    "times to UTC": [(transaction_batch, "utc_times")],
    "screening: amounts, identifiers, texts, Luhn": [(transaction_batch, "uncertain")],
    "card numbers in free text": [(transaction_batch, "masked_texts")],
    "records looked at singly": [(transaction_batch, "validate"), (transaction_batch, "quarantined_rows")],
    "tokens (HMAC)": [(TokenKeys, "tokens")],
    "rows": [(transaction_batch, "landed_rows")],
    "rows to NDJSON": [(transaction_batch, "_write")],
    "control totals, twice": [(ControlCount, "add_fields"), (ControlCount, "totals")],
    "gzip": [(process_transaction_lambda, "_compressed")],
    "log line and metrics": [(process_transaction_lambda, "_report")],
    "all else": [(process_transaction_lambda, "handler")],
}


def profile(rounds: int = 100) -> str:
    """Where the time goes at the goal's batch: microseconds a record of each step, without the steps inside it."""
    spent: defaultdict[str, float] = defaultdict(float)
    inner = [0.0]

    def timed(step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            inner.append(0.0)
            start = time.thread_time()
            try:
                return function(*arguments, **named)
            finally:
                took = time.thread_time() - start
                spent[step] += took - inner.pop()
                inner[-1] += took

        return call

    for step, functions in STEPS.items():
        for owner, name in functions:
            setattr(owner, name, timed(step, getattr(owner, name)))
    columns: list[list[float]] = []
    for faults in FEEDS.values():
        handler, one = our_handler(), event(feed(GOAL_BATCH, faults))
        microseconds(handler, one)
        spent.clear()
        for _ in range(rounds):
            microseconds(handler, one)
        columns.append([spent[step] / rounds / GOAL_BATCH * 1e6 for step in STEPS])
    lines = ["| step | " + " | ".join(FEEDS) + " |", "|---|" + "---|" * len(FEEDS)]
    for step, costs in zip(STEPS, zip(*columns, strict=True), strict=True):
        shares = [f"{cost:.2f} us ({cost / sum(column):.0%})" for cost, column in zip(costs, columns, strict=True)]
        lines.append(f"| {step} | " + " | ".join(shares) + " |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="What a record costs in the Lambda function.")
    parser.add_argument("--seconds", type=float, default=20, help="time for each batch size and feed (default 20)")
    parser.add_argument("--plot", action="store_true", help=f"write {PLOT.relative_to(ROOT)}")
    parser.add_argument("--profile", action="store_true", help="show where the time goes, and nothing else")
    arguments = parser.parse_args()
    if arguments.profile:
        print(profile())
        return 0
    found = handlers()
    by_feed: dict[str, Results] = {}
    for feed_name, faults in FEEDS.items():
        by_feed[feed_name] = measured(found, faults, arguments.seconds)
        print(table(by_feed[feed_name], feed_name), end="\n\n")
    print(untuned_table(measured_untuned(arguments.seconds)), end="\n\n")
    if POWERTOOLS in found:
        from benchmarks.peer_agreement import agreement_table

        print(agreement_table(), end="\n\n")
    print(goals(by_feed))
    if arguments.plot:
        plot(by_feed["valid records"], PLOT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
