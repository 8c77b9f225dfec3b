"""What the platform claims of AWS, and where each claim is proven. docs/fidelity.md is made from this list.

A claim is a sentence that can turn out false. `acceptance` proves each of them in an account, and those that are not
waiting for one on the embedded stack too.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Here(Enum):
    """What a run without an account says about a claim."""

    PROVEN = "proven here"  # by the code or engine that runs in the account
    EMULATED = "emulated"  # by a stand-in that answers as AWS's documents say
    WAITING = "waiting for an account"


@dataclass(frozen=True, slots=True)
class Claim:
    """id: names it in reports; text: the sentence; here, how: as far as it is proven without an account, and by what;
    in_account: how acceptance proves it there.
    """

    id: str
    text: str
    here: Here
    how: str
    in_account: str


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "apply-converges",
        "One apply to an empty account makes everything, and a plan after it finds nothing to change",
        Here.EMULATED,
        "moto; faults of the first day are injected in tests/provisioning/test_first_day.py",
        "apply, then plan",
    ),
    Claim(
        "lock-excludes",
        "S3 takes the environment's lock from one caller alone",
        Here.EMULATED,
        "moto's conditional put",
        "a second conditional put while the lock is held",
    ),
    Claim(
        "second-mapping-refused",
        "Lambda refuses a second event source mapping of the same stream and function",
        Here.EMULATED,
        "the emulator, made to answer as AWS's message says",
        "CreateEventSourceMapping again",
    ),
    Claim(
        "recovery-through-version",
        "A mapping of the same stream to a version of the function is taken: the way a given-up batch is landed",
        Here.EMULATED,
        "moto",
        "PublishVersion, CreateEventSourceMapping to it, both removed again",
    ),
    Claim(
        "landing",
        "Every generated transaction that Kinesis takes lands or lies in quarantine",
        Here.PROVEN,
        "the function's own code, invoked by a poller that acts as the mapping",
        "2,000 transactions are put and waited for",
    ),
    Claim(
        "job-curates",
        "The Glue job runs with the rights of its role alone, and curates what landed",
        Here.PROVEN,
        "the job's own code on local Spark (rights are not enforced there)",
        "StartJobRun; the run succeeds",
    ),
    Claim(
        "copy-loads-zstd",
        "COPY loads the job's Parquet with ZSTD pages; Redshift assumes its role for it",
        Here.EMULATED,
        "PostgreSQL behind a Data API of the same shape; the files are those of the job",
        "the load of the run: as many rows in the warehouse as were curated",
    ),
    Claim(
        "reconciled",
        "Control totals balance to the cent at every hop",
        Here.PROVEN,
        "measured on what each place holds",
        "reconcile",
    ),
    Claim(
        "analyst-sees-masks",
        "An analyst sees the last four digits of a card masked, and no token",
        Here.EMULATED,
        "the same SQL, translated for PostgreSQL",
        "a user with the role analyst selects both",
    ),
    Claim(
        "destroy-keeps-only-what-is-locked",
        "Destroy removes all but what Object Lock holds; a bucket that has to stay keeps its policy",
        Here.EMULATED,
        "moto",
        "the destroy at the end; what stays is named with its day",
    ),
    Claim(
        "functions-metrics",
        "Every metric that an alarm on stream, function and landing asks for is emitted under these dimensions",
        Here.WAITING,
        "the function's own are held by tests/unit/test_emitted_metrics.py",
        "ListMetrics for each",
    ),
    Claim(
        "trail-delivers",
        "CloudTrail assumes its role and delivers to its log group",
        Here.WAITING,
        "the trust policy is held by tests/unit/test_role_policies.py",
        "GetTrailStatus tells a delivery and no error",
    ),
    Claim(
        "athena-reads-the-catalog",
        "Athena reads every table of the catalog through the platform's workgroup",
        Here.WAITING,
        "DuckDB and Spark read the same files",
        "SELECT count(*) from each table",
    ),
    Claim(
        "lake-schema-in-redshift",
        "The external schema and its grant to a role are taken, and Redshift reads the lake through it",
        Here.WAITING,
        "no stand-in has external schemas",
        "SELECT count(*) from each table of the external schema",
    ),
    Claim(
        "roles-are-denied",
        "No role can do what a bank fears of it: the Lambda role reads nothing back, the job no stream and no key",
        Here.WAITING,
        "policies as data: tests/unit/test_role_policies.py",
        "SimulatePrincipalPolicy, with a right that each role has as control",
    ),
    Claim(
        "bucket-refuses-other-encryption",
        "The raw bucket refuses an upload that names another encryption",
        Here.WAITING,
        "policies as data: tests/provisioning/test_s3_bucket_setup.py",
        "a PutObject that has to be denied",
    ),
    Claim(
        "alarms-reach-the-topic",
        "An alarm publishes to the encrypted topic",
        Here.WAITING,
        "the policies of topic and key are held by tests",
        "SetAlarmState; the alarm's history tells that the action succeeded",
    ),
    Claim(
        "job-logs-are-kept-as-set",
        "Every log group that Glue writes to is encrypted and has a retention",
        Here.WAITING,
        "Glue's documents name the groups in two ways",
        "DescribeLogGroups below the job's prefix",
    ),
)
BY_ID = {claim.id: claim for claim in CLAIMS}
