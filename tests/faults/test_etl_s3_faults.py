"""S3 answers 503 SlowDown to the job: short spells are waited for; long ones end the run, and a rerun completes it."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError

from data_processing.staging import S3Staging
from infrastructure.aws import clients
from infrastructure.local.emulator import emulated_aws
from tests.pipeline.etl_lake import BUCKETS, EmulatedLake
from tests.pipeline.etl_rows import row

pytestmark = pytest.mark.slow

BASE = 49600000000000000000
_SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


_HEADERS = HTTPHeaders.from_dict({"Content-Type": "application/xml"})


class _Body:
    def stream(self, **_):
        yield _SLOW_DOWN


class SlowDown:
    """Answers requests of an operation with 503 where is_slow(number of the request, it is a first attempt) says so.

    The emulator carries them out all the same, which is the worse case: a put is there, and its sender doesn't know.
    """

    def __init__(self, s3, operation, is_slow):
        self.requests, self.refused = 0, 0
        self._s3, self._event, self._is_slow = s3, f"before-send.s3.{operation}", is_slow

    def __enter__(self):
        self._s3.meta.events.register_first(self._event, self._answer)
        return self

    def __exit__(self, *_):
        self._s3.meta.events.unregister(self._event, self._answer)

    def _answer(self, request, **_):
        self.requests += 1
        if not self._is_slow(self.requests, b"attempt=1" in request.headers["amz-sdk-request"]):
            return None  # the emulator's answer counts
        self.refused += 1
        return AWSResponse(request.url, 503, _HEADERS, _Body())


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """The job's own client, which retries, without its pauses."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda seconds: None))


def lake_of(spark, directory):
    """A lake that is reached by the job's own client, with a run behind it and objects pending."""
    clients.forget()
    lake = EmulatedLake(spark, directory)
    lake.s3 = clients.client("s3", "us-east-1")
    lake.land([row(1), row(2)], BASE + 1, BASE + 2)
    lake.run()
    lake.land([row(2), row(3, currency="XXX"), row(4)], BASE + 2, BASE + 4)
    lake.land([row(1, sequence_number=str(BASE + 5), amount="1.00"), row(6, amount="20000.00")], BASE + 5, BASE + 6)
    return lake


@pytest.fixture(scope="module")
def fault_free(spark, tmp_path_factory):
    """What is left without a fault, and how many requests of each operation the second run makes."""
    with emulated_aws():
        lake = lake_of(spark, tmp_path_factory.mktemp("fault-free"))
        requests: Counter[str] = Counter()
        lake.s3.meta.events.register(
            "before-send.s3", lambda event_name, **_: requests.update([event_name.rsplit(".", 1)[1]])
        )
        lake.run()
        of_the_run = requests.copy()  # what reads the state makes requests too
        return lake.state(), of_the_run


@pytest.fixture
def lake(spark, tmp_path):
    with emulated_aws():
        yield lake_of(spark, tmp_path)


OPERATIONS = ["ListObjectsV2", "GetObject", "PutObject"]


def test_what_passes_is_waited_for(lake, fault_free):
    state, requests = fault_free
    with ExitStack() as faults:
        slow = {
            operation: faults.enter_context(SlowDown(lake.s3, operation, lambda number, first: first))
            for operation in OPERATIONS
        }
        lake.run()
    assert lake.state() == state
    for operation in OPERATIONS:
        # A conditional put whose answer was lost is read back beside.
        assert slow[operation].refused >= requests[operation] > 1, "each was refused, and sent again"


@pytest.mark.parametrize(
    ("operation", "share"),
    [("ListObjectsV2", 0.0), ("GetObject", 0.5), ("GetObject", 1.0), ("PutObject", 0.0), ("PutObject", 1.0)],
)
def test_what_lasts_ends_the_run_with_its_name_and_a_rerun_completes_it(lake, fault_free, operation, share):
    state, requests = fault_free
    begun = 1 + round(share * (requests[operation] - 1))
    with (
        SlowDown(lake.s3, operation, lambda number, _: number >= begun),
        pytest.raises(ClientError, match=rf"SlowDown.* {operation} "),
    ):
        lake.run()
    lake.run()
    assert lake.state() == state


def test_a_copy_that_is_slowed_down_is_copied_all_the_same(lake):
    staging = S3Staging(lake.s3, BUCKETS.curated, "staging/r1")
    staging.put("attempt/part-0", [b"rows"])
    with SlowDown(lake.s3, "CopyObject", lambda number, _: number < 3) as slow:
        staging.publish("attempt/part-0", BUCKETS.curated, "curated/a")
    assert slow.requests == 3
    with SlowDown(lake.s3, "CopyObject", lambda *_: True), pytest.raises(ClientError, match="SlowDown"):
        staging.publish("attempt/part-0", BUCKETS.curated, "curated/b")
