"""The buckets and their policies, broken one setting at a time."""

from __future__ import annotations

from typing import Any

from infrastructure.planning.compare import ABSENT
from tests.provisioning.mutations.mutation import (
    OTHER,
    OTHER_ROOT,
    ByHand,
    Edit,
    Mutation,
    Rows,
    WholeAccount,
    add,
    change,
    drop,
    edited,
)

BUCKET, POLICY = "AWS::S3::Bucket", "AWS::S3::BucketPolicy"
_ALL_POLICY_CONTROLS = "bucket-strangers bucket-other-accounts-denied bucket-uploads bucket-tls bucket-tls-version"


def s3(a: WholeAccount) -> Any:
    return a.client("s3")


def raw(a: WholeAccount) -> str:
    return a.settings.bucket("raw")


def policy(edit: Edit, purpose: str = "raw") -> ByHand:
    def by_hand(a: WholeAccount) -> None:
        bucket = a.settings.bucket(purpose)
        s3(a).put_bucket_policy(Bucket=bucket, Policy=edited(s3(a).get_bucket_policy(Bucket=bucket)["Policy"], edit))

    return by_hand


def rule(purpose: str, id_: str, **parts: Any) -> ByHand:
    """Change parts of a lifecycle rule; without parts it goes."""

    def by_hand(a: WholeAccount) -> None:
        bucket = a.settings.bucket(purpose)
        rules = s3(a).get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
        found = next(each for each in rules if each["ID"] == id_)
        if parts:
            found.update(parts)
        else:
            rules.remove(found)
        s3(a).put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})

    return by_hand


def encryption(**default: Any) -> ByHand:
    bucket_key = default.pop("BucketKeyEnabled", True)

    def by_hand(a: WholeAccount) -> None:
        found = s3(a).get_bucket_encryption(Bucket=raw(a))["ServerSideEncryptionConfiguration"]["Rules"][0]
        now = default or found["ApplyServerSideEncryptionByDefault"]
        put = {"ApplyServerSideEncryptionByDefault": now, "BucketKeyEnabled": bucket_key}
        s3(a).put_bucket_encryption(Bucket=raw(a), ServerSideEncryptionConfiguration={"Rules": [put]})

    return by_hand


def block(**flags: bool) -> ByHand:
    all_ = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
    return lambda a: s3(a).put_public_access_block(Bucket=raw(a), PublicAccessBlockConfiguration=all_ | flags)


def elsewhere(a: WholeAccount) -> str:
    """A bucket that is none of the platform's."""
    where = {"LocationConstraint": a.settings.region}
    if "elsewhere" not in [each["Name"] for each in s3(a).list_buckets()["Buckets"]]:
        s3(a).create_bucket(Bucket="elsewhere", CreateBucketConfiguration=where)
        s3(a).put_bucket_versioning(Bucket="elsewhere", VersioningConfiguration={"Status": "Enabled"})
        delivery = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "Delivery",
                    "Effect": "Allow",
                    "Principal": {"Service": "logging.s3.amazonaws.com"},
                    "Action": "s3:PutObject",
                    "Resource": "arn:aws:s3:::elsewhere/*",
                }
            ],
        }
        s3(a).put_bucket_policy(Bucket="elsewhere", Policy=edited(delivery, lambda statements: None))
    return "elsewhere"


def log_elsewhere(a: WholeAccount) -> None:
    target = {"TargetBucket": elsewhere(a), "TargetPrefix": "raw/"}
    s3(a).put_bucket_logging(Bucket=raw(a), BucketLoggingStatus={"LoggingEnabled": target})


def replicate(a: WholeAccount) -> None:
    copy = {
        "ID": "copy",
        "Status": "Enabled",
        "Priority": 1,
        "Filter": {"Prefix": ""},
        "DeleteMarkerReplication": {"Status": "Disabled"},
        "Destination": {"Bucket": f"arn:aws:s3:::{elsewhere(a)}"},
    }
    s3(a).put_bucket_replication(
        Bucket=raw(a), ReplicationConfiguration={"Role": a.settings.role_arn("glue"), "Rules": [copy]}
    )


def notify(a: WholeAccount) -> None:
    topic = a.client("sns").create_topic(Name="elsewhere")["TopicArn"]
    ours = s3(a).get_bucket_notification_configuration(Bucket=raw(a))["QueueConfigurations"]
    s3(a).put_bucket_notification_configuration(
        Bucket=raw(a),
        NotificationConfiguration={
            "QueueConfigurations": ours,
            "TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}],
        },
        SkipDestinationValidation=True,
    )


def retag(a: WholeAccount) -> None:
    tags = s3(a).get_bucket_tagging(Bucket=raw(a))["TagSet"]
    others = [each for each in tags if each["Key"] != "Environment"]
    s3(a).put_bucket_tagging(Bucket=raw(a), Tagging={"TagSet": [*others, {"Key": "Environment", "Value": "prod"}]})


_TO_ALL = {"Resource": "*", "Action": "s3:GetObject"}
_NOTHING = {"Bool": {"aws:SecureTransport": "false"}}

STORAGE: Rows = {
    "public access block removed": Mutation(
        BUCKET,
        "PublicAccessBlock",
        lambda a: s3(a).delete_public_access_block(Bucket=raw(a)),
        "bucket-public-access",
        old=ABSENT,
    ),
    "one public access flag off": Mutation(
        BUCKET,
        "PublicAccessBlock.BlockPublicPolicy",
        block(BlockPublicPolicy=False),
        "bucket-public-access",
        old=False,
        new=True,
    ),
    "bucket encryption weakened": Mutation(
        BUCKET,
        "Encryption.SSEAlgorithm",
        encryption(SSEAlgorithm="AES256"),
        "bucket-encryption",
        old="AES256",
        new="aws:kms",
    ),
    "bucket encrypted with AWS's own key": Mutation(
        BUCKET, "Encryption.KMSMasterKeyID", encryption(SSEAlgorithm="aws:kms"), "bucket-encryption", old=ABSENT
    ),
    "bucket encrypted with another account's key": Mutation(
        BUCKET,
        "Encryption.KMSMasterKeyID",
        encryption(SSEAlgorithm="aws:kms", KMSMasterKeyID=f"arn:aws:kms:eu-central-1:{OTHER}:key/theirs"),
        "bucket-encryption",
    ),
    "bucket key off": Mutation(
        BUCKET, "Encryption.BucketKeyEnabled", encryption(BucketKeyEnabled=False), old=False, new=True
    ),
    "access logging off": Mutation(
        BUCKET,
        "Logging",
        lambda a: s3(a).put_bucket_logging(Bucket=raw(a), BucketLoggingStatus={}),
        "bucket-access-logged",
        old=ABSENT,
    ),
    "access logged elsewhere": Mutation(BUCKET, "Logging.TargetBucket", log_elsewhere, "bucket-access-logged"),
    "lifecycle narrowed to a tag that no object has": Mutation(
        BUCKET,
        "LifecycleRules[all-objects].Filter.Tag",
        rule("raw", "all-objects", Filter={"Tag": {"Key": "moves", "Value": "yes"}}),
        old={"Key": "moves", "Value": "yes"},
        new=ABSENT,
    ),
    "lifecycle shortened": Mutation(
        BUCKET,
        "LifecycleRules[all-objects].Expiration.Days",
        rule("raw", "all-objects", Expiration={"Days": 1}, Transitions=[]),
        "bucket-records-kept",
        old=1,
        new=2557,
    ),
    "lifecycle rule disabled": Mutation(
        BUCKET, "LifecycleRules[all-objects].Status", rule("raw", "all-objects", Status="Disabled")
    ),
    "access logs end after a month": Mutation(
        BUCKET,
        "LifecycleRules[all-objects].Expiration.Days",
        rule("access-logs", "all-objects", Expiration={"Days": 30}, Transitions=[]),
        "bucket-records-kept",
        old=30,
        new=400,
    ),
    "the trail archived at once": Mutation(
        BUCKET,
        "LifecycleRules[all-objects].Transitions",
        rule("audit", "all-objects", Transitions=[{"Days": 1, "StorageClass": "DEEP_ARCHIVE"}]),
        "bucket-records-kept",
    ),
    "query results kept for ever": Mutation(
        BUCKET, "LifecycleRules[expire-staging]", rule("curated", "expire-staging"), "bucket-scratch-ends", old=ABSENT
    ),
    "query results kept for a year": Mutation(
        BUCKET,
        "LifecycleRules[expire-staging].Expiration.Days",
        rule("curated", "expire-staging", Expiration={"Days": 365}),
        "bucket-scratch-ends",
        old=365,
        new=7,
    ),
    "Object Lock shortened": Mutation(
        BUCKET,
        "ObjectLock.Years",
        lambda a: s3(a).put_object_lock_configuration(
            Bucket=raw(a),
            ObjectLockConfiguration={
                "ObjectLockEnabled": "Enabled",
                "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
            },
        ),
        "bucket-locked",
        old=ABSENT,
        new=1,
    ),
    "versioning suspended": Mutation(
        BUCKET,
        "Versioning",
        lambda a: s3(a).put_bucket_versioning(
            Bucket=a.settings.bucket("curated"), VersioningConfiguration={"Status": "Suspended"}
        ),
        "bucket-versions",
        old="Suspended",
        new="Enabled",
    ),
    "bucket ownership opened": Mutation(
        BUCKET,
        "ObjectOwnership",
        lambda a: s3(a).put_bucket_ownership_controls(
            Bucket=raw(a), OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
        ),
        "bucket-no-access-lists",
        old="ObjectWriter",
        new="BucketOwnerEnforced",
    ),
    "objects are replicated": Mutation(BUCKET, "Replication", replicate, "bucket-not-copied"),
    "events go elsewhere": Mutation(BUCKET, "Notifications", notify, "bucket-not-copied"),
    "web pages may read objects": Mutation(
        BUCKET,
        "Cors",
        lambda a: s3(a).put_bucket_cors(
            Bucket=raw(a), CORSConfiguration={"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}
        ),
        "bucket-not-copied",
    ),
    "the bucket is a web site": Mutation(
        BUCKET,
        "Website",
        lambda a: s3(a).put_bucket_website(
            Bucket=raw(a), WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}}
        ),
        "bucket-not-copied",
    ),
    "transfer acceleration": Mutation(
        BUCKET,
        "Acceleration",
        lambda a: s3(a).put_bucket_accelerate_configuration(
            Bucket=raw(a), AccelerateConfiguration={"Status": "Enabled"}
        ),
        "bucket-not-copied",
    ),
    "a tag of the bucket changed": Mutation(BUCKET, "Tags.Environment", retag, old="prod", new="dev"),
    # --- Policies: what is not refused to everybody any more ---
    "the TLS statement dropped": Mutation(
        POLICY,
        "PolicyDocument.Statement[DenyInsecureTransport]",
        policy(drop("DenyInsecureTransport")),
        "bucket-tls",
        old=ABSENT,
    ),
    "the TLS statement narrowed to a user": Mutation(
        POLICY,
        "PolicyDocument.Statement[DenyInsecureTransport].Principal.AWS",
        policy(change("DenyInsecureTransport", Principal={"AWS": "arn:aws:iam::123456789012:user/a"})),
        "bucket-tls",
    ),
    "the TLS statement narrowed to an action": Mutation(
        POLICY,
        "PolicyDocument.Statement[DenyInsecureTransport].Action",
        policy(change("DenyInsecureTransport", Action="s3:GetObject")),
        "bucket-tls",
    ),
    "the TLS statement narrowed to a prefix": Mutation(
        POLICY,
        "PolicyDocument.Statement[DenyInsecureTransport].Resource",
        policy(change("DenyInsecureTransport", Resource="arn:aws:s3:::x/raw/*")),
        "bucket-tls",
    ),
    "the TLS statement narrowed by a second condition": Mutation(
        POLICY,
        "PolicyDocument.Statement[DenyInsecureTransport].Condition",
        policy(change("DenyInsecureTransport", Condition=_NOTHING | {"StringEquals": {"aws:username": "a"}})),
        "bucket-tls",
    ),
    "the TLS statement spares a user": Mutation(
        POLICY,
        "PolicyDocument.Statement[DenyInsecureTransport].NotPrincipal",
        policy(
            change("DenyInsecureTransport", Principal=None, NotPrincipal={"AWS": "arn:aws:iam::123456789012:user/a"})
        ),
        "bucket-tls",
    ),
    "the TLS statement turned around": Mutation(
        POLICY,
        "PolicyDocument.Statement[DenyInsecureTransport].Effect",
        policy(change("DenyInsecureTransport", Effect="Allow")),
        "bucket-tls bucket-strangers",
        old="Allow",
        new="Deny",
    ),
    "TLS 1.0 taken": Mutation(
        POLICY,
        "PolicyDocument.Statement[DenyOutdatedTls].Condition",
        policy(change("DenyOutdatedTls", Condition={"NumericLessThan": {"s3:TlsVersion": "1.0"}})),
        "bucket-tls-version",
    ),
    "other accounts refused to write only": Mutation(
        POLICY,
        "PolicyDocument.Statement[DenyOtherAccounts].Action",
        policy(change("DenyOtherAccounts", Action="s3:PutObject")),
        "bucket-other-accounts-denied",
    ),
    "another account refused no more": Mutation(
        POLICY,
        "PolicyDocument.Statement[DenyOtherAccounts].Condition",
        policy(
            change(
                "DenyOtherAccounts",
                Condition={
                    "StringNotEquals": {"aws:PrincipalAccount": ["123456789012", OTHER]},
                    "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
                },
            )
        ),
        "bucket-other-accounts-denied",
    ),
    "uploads with another algorithm taken": Mutation(
        POLICY, "PolicyDocument.Statement[DenyOtherEncryption]", policy(drop("DenyOtherEncryption")), "bucket-uploads"
    ),
    "uploads with another account's key taken": Mutation(
        POLICY,
        "PolicyDocument.Statement[DenyOtherKeys].Condition",
        policy(
            change(
                "DenyOtherKeys",
                Condition={
                    "StringNotEquals": {
                        "s3:x-amz-server-side-encryption-aws-kms-key-id": f"arn:aws:kms:eu-central-1:{OTHER}:key/x"
                    },
                    "Null": {"s3:x-amz-server-side-encryption-aws-kms-key-id": "false"},
                },
            )
        ),
        "bucket-uploads",
    ),
    "uploads with KMS and no key taken": Mutation(
        POLICY, "PolicyDocument.Statement[DenyKmsWithoutKey]", policy(drop("DenyKmsWithoutKey")), "bucket-uploads"
    ),
    "uploads with a key of the caller's taken outside a prefix": Mutation(
        POLICY,
        "PolicyDocument.Statement[DenyKeysOfCallers].Resource",
        policy(change("DenyKeysOfCallers", Resource="arn:aws:s3:::x/raw/*")),
        "bucket-uploads",
    ),
    # --- Policies: who is let in ---
    "everybody may read": Mutation(
        POLICY,
        "PolicyDocument.Statement[Hole]",
        policy(add(Principal="*", **_TO_ALL)),
        "bucket-strangers",
        new=ABSENT,
    ),
    "another account may read": Mutation(
        POLICY,
        "PolicyDocument.Statement[Hole]",
        policy(add(Principal={"AWS": OTHER_ROOT}, **_TO_ALL)),
        "bucket-strangers",
    ),
    "all but one may read": Mutation(
        POLICY,
        "PolicyDocument.Statement[Hole]",
        policy(add(NotPrincipal={"AWS": OTHER_ROOT}, **_TO_ALL)),
        "bucket-strangers",
    ),
    "everybody of an organisation may read": Mutation(
        POLICY,
        "PolicyDocument.Statement[Hole]",
        policy(add(Principal="*", Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}}, **_TO_ALL)),
        "bucket-strangers",
    ),
    "everybody may read, where a condition is not sent": Mutation(
        POLICY,
        "PolicyDocument.Statement[Hole]",
        policy(
            add(Principal="*", Condition={"StringEqualsIfExists": {"aws:PrincipalAccount": "123456789012"}}, **_TO_ALL)
        ),
        "bucket-strangers",
    ),
    "a role of the account may read": Mutation(
        POLICY,
        "PolicyDocument.Statement[Hole]",
        policy(add(Principal={"AWS": "arn:aws:iam::123456789012:role/analyst"}, **_TO_ALL)),
    ),
    "any account's logs are delivered": Mutation(
        POLICY,
        "PolicyDocument.Statement[AccessLogDelivery].Condition",
        policy(change("AccessLogDelivery", Condition=None), "access-logs"),
        "bucket-strangers",
    ),
    "any account's trail is delivered": Mutation(
        POLICY,
        "PolicyDocument.Statement[CloudTrailWrites].Condition",
        policy(
            change("CloudTrailWrites", Condition={"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}}),
            "audit",
        ),
        "bucket-strangers",
    ),
    "bucket policy removed": Mutation(
        POLICY,
        "PolicyDocument",
        lambda a: s3(a).delete_bucket_policy(Bucket=raw(a)),
        _ALL_POLICY_CONTROLS,
        old=ABSENT,
    ),
}
