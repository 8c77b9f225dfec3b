"""The PCI DSS controls: what has to hold of what the account answers.

Requirements are those of PCI DSS v4.0.1 in the mapping of AWS Security Hub and AWS Config. Each subject has a file;
docs/compliance.md is made of them. What belongs to the account and not to this platform is listed in ELSEWHERE.
"""

from __future__ import annotations

from data_governance.controls.access import ACCESS
from data_governance.controls.audit import AUDIT
from data_governance.controls.buckets import BUCKETS
from data_governance.controls.control import Control
from data_governance.controls.fraud import FRAUD
from data_governance.controls.ingestion import INGESTION
from data_governance.controls.keys import KEYS
from data_governance.controls.lake import LAKE
from data_governance.controls.warehouse import WAREHOUSE

CONTROLS: tuple[Control, ...] = (*BUCKETS, *KEYS, *ACCESS, *INGESTION, *FRAUD, *AUDIT, *LAKE, *WAREHOUSE)

# Requirement -> what is left to the account.
ELSEWHERE: dict[str, str] = {
    "1.4.4": "public access block of the account (S3.1)",
    "7.2.4": "review of who may do what, twice a year",
    "8.4": "multi-factor log-in of people (MFA delete cannot stand beside lifecycle rules; Object Lock does its work)",
    "11.5.1": "GuardDuty",
}

# Types of resources without a control -> why.
UNCONTROLLED: dict[str, str] = {
    "AWS::CloudWatch::Dashboard": "it shows, and protects nothing",
    "AWS::EC2::VPCEndpoint": "a way to S3, where the buckets' policies decide",
    "AWS::Glue::Database": "a name for tables, which have controls",
    "AWS::Glue::TableOptimizer": "how files are merged; what they hold is the tables'",
    "AWS::Glue::Trigger": "when the job starts",
    "AWS::KMS::Alias": "a name for a key; whatever uses keys names them by ARN",
    "AWS::RedshiftServerless::UsageLimit": "what the warehouse may cost",
    "AWS::S3::BucketNotification": "what tells the fraud function of a raw object; bucket-not-copied names all others",
    "AWS::S3::Object": "the job's files; job-code says where they lie, plan compares their hash",
    "Warehouse::Schema": "masks and row security, which docs/warehouse.md tells and tests hold",
}
