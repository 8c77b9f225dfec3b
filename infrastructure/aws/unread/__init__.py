"""What AWS answers of each resource and the plan does not compare, field by field, with the reason.

A test walks botocore's output shapes: every field is compared or named here as neutral, so that a field which AWS adds
fails it until somebody has decided what it means. Every type of resource has its answers here. The same holds for the
calls that tell of a bucket, a function, a stream, a topic or a warehouse (calls.py).
"""

from __future__ import annotations

from infrastructure.aws.unread.answer import Answer
from infrastructure.aws.unread.fraud import FRAUD
from infrastructure.aws.unread.governance import GOVERNANCE
from infrastructure.aws.unread.ingestion import INGESTION
from infrastructure.aws.unread.lake import LAKE
from infrastructure.aws.unread.warehouse import WAREHOUSE

ANSWERS: tuple[Answer, ...] = (*INGESTION, *FRAUD, *LAKE, *WAREHOUSE, *GOVERNANCE)
