"""Keys, secret and roles, broken one setting at a time."""

from __future__ import annotations

import json
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
    policy_of,
)

KEY, ALIAS, SECRET = "AWS::KMS::Key", "AWS::KMS::Alias", "AWS::SecretsManager::Secret"
ROLE, ROLE_POLICY = "AWS::IAM::Role", "AWS::IAM::RolePolicy"
_EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def kms(a: WholeAccount) -> Any:
    return a.client("kms")


def iam(a: WholeAccount) -> Any:
    return a.client("iam")


def key(a: WholeAccount, purpose: str = "data") -> str:
    id_: str = kms(a).describe_key(KeyId=a.settings.key_alias(purpose))["KeyMetadata"]["KeyId"]
    return id_


def key_policy(edit: Edit, purpose: str = "data") -> ByHand:
    def by_hand(a: WholeAccount) -> None:
        id_ = key(a, purpose)
        found = kms(a).get_key_policy(KeyId=id_, PolicyName="default")["Policy"]
        kms(a).put_key_policy(KeyId=id_, PolicyName="default", Policy=edited(found, edit))

    return by_hand


def revoke(a: WholeAccount) -> None:
    for grant in kms(a).list_grants(KeyId=key(a))["Grants"]:
        kms(a).revoke_grant(KeyId=key(a), GrantId=grant["GrantId"])


def grant_to(principal: str) -> ByHand:
    return lambda a: kms(a).create_grant(KeyId=key(a), GranteePrincipal=principal, Operations=["Decrypt"])


def secret(call: str, **parameters: Any) -> ByHand:
    return lambda a: getattr(a.client("secretsmanager"), call)(
        SecretId=a.settings.tokenization_secret_name, **parameters
    )


def secret_policy(edit: Edit) -> ByHand:
    def by_hand(a: WholeAccount) -> None:
        of = {"SecretId": a.settings.tokenization_secret_name}
        found = a.client("secretsmanager").get_resource_policy(**of)["ResourcePolicy"]
        a.client("secretsmanager").put_resource_policy(**of, ResourcePolicy=edited(found, edit))

    return by_hand


def role(a: WholeAccount, purpose: str) -> str:
    return a.settings.role_name(purpose)


def role_policy(purpose: str, edit: Edit, name: str = "") -> ByHand:
    def by_hand(a: WholeAccount) -> None:
        of = {"RoleName": role(a, purpose), "PolicyName": name or role(a, purpose)}
        iam(a).put_role_policy(**of, PolicyDocument=edited(iam(a).get_role_policy(**of)["PolicyDocument"], edit))

    return by_hand


def trust(purpose: str, edit: Edit) -> ByHand:
    def by_hand(a: WholeAccount) -> None:
        found = iam(a).get_role(RoleName=role(a, purpose))["Role"]["AssumeRolePolicyDocument"]
        iam(a).update_assume_role_policy(RoleName=role(a, purpose), PolicyDocument=edited(found, edit))

    return by_hand


def attach_administrator(a: WholeAccount) -> None:
    document = json.dumps({"Version": "2012-10-17", "Statement": [_EVERYTHING]})
    arn = iam(a).create_policy(PolicyName="Everything", PolicyDocument=document)["Policy"]["Arn"]
    iam(a).attach_role_policy(RoleName=role(a, "lambda"), PolicyArn=arn)


def bound(a: WholeAccount) -> None:
    document = json.dumps({"Version": "2012-10-17", "Statement": [_EVERYTHING]})
    arn = iam(a).create_policy(PolicyName="Boundary", PolicyDocument=document)["Policy"]["Arn"]
    iam(a).put_role_permissions_boundary(RoleName=role(a, "lambda"), PermissionsBoundary=arn)


_ASSUME = {"Action": "sts:AssumeRole"}
_OURS = {"StringEqualsIfExists": {"aws:SourceAccount": "123456789012"}}

IDENTITIES: Rows = {
    "key rotation off": Mutation(
        KEY, "Rotation.Enabled", lambda a: kms(a).disable_key_rotation(KeyId=key(a)), "key-rotation", False, True
    ),
    "key disabled": Mutation(
        KEY, "KeyState", lambda a: kms(a).disable_key(KeyId=key(a)), "key-state", "Disabled", "Enabled"
    ),
    "key about to be deleted": Mutation(
        KEY,
        "KeyState",
        lambda a: kms(a).schedule_key_deletion(KeyId=key(a, "messaging"), PendingWindowInDays=7),
        "key-state key-rotation",
        "PendingDeletion",
        "Enabled",
    ),
    "the tokenisation keys' key works without Secrets Manager": Mutation(
        KEY,
        "KeyPolicy.Statement[ThroughSecretsManagerAlone]",
        key_policy(drop("ThroughSecretsManagerAlone"), "tokens"),
        "token-key-use",
        old=ABSENT,
    ),
    "the tokenisation keys' key may be granted": Mutation(
        KEY,
        "KeyPolicy.Statement[ThroughSecretsManagerAlone].Action",
        key_policy(change("ThroughSecretsManagerAlone", Action=["kms:Decrypt", "kms:ReEncryptFrom"]), "tokens"),
        "token-key-use",
    ),
    "key policy cut": Mutation(
        KEY,
        "KeyPolicy.Statement[CloudWatchLogs]",
        key_policy(drop("CloudWatchLogs"), "audit"),
        old=ABSENT,
    ),
    "another account's root may do everything with a key": Mutation(
        KEY,
        "KeyPolicy.Statement[Hole]",
        key_policy(add(Principal={"AWS": OTHER_ROOT}, Action="kms:*", Resource="*")),
        "key-administration key-strangers",
    ),
    "everybody may do everything with a key": Mutation(
        KEY,
        "KeyPolicy.Statement[Hole]",
        key_policy(add(Principal="*", Action="kms:*", Resource="*")),
        "key-administration key-strangers",
    ),
    "another account may decrypt": Mutation(
        KEY,
        "KeyPolicy.Statement[Hole]",
        key_policy(add(Principal={"AWS": OTHER}, Action="kms:Decrypt", Resource="*")),
        "key-strangers",
    ),
    "a user of the account may do everything with a key": Mutation(
        KEY,
        "KeyPolicy.Statement[Hole]",
        key_policy(add(Principal={"AWS": "arn:aws:iam::123456789012:user/a"}, Action="kms:*", Resource="*")),
        "key-administration",
    ),
    "a service may decrypt for any account": Mutation(
        KEY,
        "KeyPolicy.Statement[AlarmsPublish].Condition",
        key_policy(change("AlarmsPublish", Condition=None), "messaging"),
        "key-strangers",
    ),
    "identities of the account may decrypt": Mutation(
        KEY,
        "KeyPolicy.Statement[Hole]",
        key_policy(
            add(
                Principal={"AWS": "*"},
                Action="kms:Decrypt",
                Resource="*",
                Condition={"StringEquals": {"kms:CallerAccount": "123456789012"}},
            )
        ),
    ),
    "a key described otherwise": Mutation(
        KEY, "Description", lambda a: kms(a).update_key_description(KeyId=key(a), Description="x"), old="x"
    ),
    "a tag of a key changed": Mutation(
        KEY,
        "Tags.Environment",
        lambda a: kms(a).tag_resource(KeyId=key(a), Tags=[{"TagKey": "Environment", "TagValue": "prod"}]),
        old="prod",
        new="dev",
        # found by its tags, and these have changed: its alias still leads to it
    ),
    "a key granted to another account": Mutation(
        KEY, "", grant_to(OTHER_ROOT), "key-grants", foreign="a grant of Decrypt to", undo=revoke
    ),
    "a key granted to a role of the account": Mutation(
        KEY, "", grant_to("arn:aws:iam::123456789012:role/x"), foreign="a grant of Decrypt to", undo=revoke
    ),
    "alias moved to another key": Mutation(
        ALIAS,
        "TargetKeyId",
        lambda a: kms(a).update_alias(
            AliasName=a.settings.key_alias("messaging"), TargetKeyId=kms(a).create_key()["KeyMetadata"]["KeyId"]
        ),
    ),
    # --- The secret ---
    "secret moved to AWS's own key": Mutation(
        SECRET,
        "KmsKeyId",
        secret("update_secret", KmsKeyId="alias/aws/secretsmanager"),
        "secret-encryption",
        old=ABSENT,  # the account's default key is read as none
    ),
    "another account may read the secret": Mutation(
        SECRET,
        "ResourcePolicy",
        secret(
            "put_resource_policy",
            ResourcePolicy=policy_of(
                Principal={"AWS": OTHER_ROOT}, Action="secretsmanager:GetSecretValue", Resource="*"
            ),
        ),
        "secret-strangers secret-readers",
    ),
    "the secret's policy removed": Mutation(
        SECRET, "ResourcePolicy", secret("delete_resource_policy"), "secret-readers", old=ABSENT
    ),
    "somebody else may read the secret": Mutation(
        SECRET,
        "ResourcePolicy.Statement[ReadByTheFunctionAndBreakGlassAlone].Condition",
        secret_policy(
            change(
                "ReadByTheFunctionAndBreakGlassAlone",
                Condition={"ArnNotEquals": {"aws:PrincipalArn": "arn:aws:iam::123456789012:role/analyst"}},
            )
        ),
        "secret-readers",
    ),
    "reading the secret refused to one user only": Mutation(
        SECRET,
        "ResourcePolicy.Statement[ReadByTheFunctionAndBreakGlassAlone].Principal",
        secret_policy(
            change("ReadByTheFunctionAndBreakGlassAlone", Principal={"AWS": "arn:aws:iam::123456789012:user/a"})
        ),
        "secret-readers",
    ),
    "the secret may be changed": Mutation(
        SECRET, "ResourcePolicy.Statement[ChangedByNobody]", secret_policy(drop("ChangedByNobody")), old=ABSENT
    ),
    "somebody rotates the secret": Mutation(
        SECRET,
        "RotationEnabled",
        lambda a: a.client("secretsmanager").rotate_secret(
            SecretId=a.settings.tokenization_secret_name,
            RotationLambdaARN=a.settings.function_arn,
            RotationRules={"AutomaticallyAfterDays": 30},
        ),
        "secret-not-copied",
    ),
    "the secret is copied to another region": Mutation(
        SECRET,
        "Replicas",
        secret("replicate_secret_to_regions", AddReplicaRegions=[{"Region": "eu-west-1"}]),
        "secret-not-copied",
    ),
    "the secret about to be deleted": Mutation(
        SECRET,
        "State",
        secret("delete_secret", RecoveryWindowInDays=7),
        "secret-state",
        "PendingDeletion",
        "Active",
    ),
    "the secret described otherwise": Mutation(
        SECRET, "Description", secret("update_secret", Description="x"), old="x"
    ),
    "a tag of the secret changed": Mutation(
        SECRET, "Tags.Environment", secret("tag_resource", Tags=[{"Key": "Environment", "Value": "prod"}]), old="prod"
    ),
    # --- Roles: what they may ---
    "a role's statement dropped": Mutation(
        ROLE,
        "PolicyDocument.Statement[EncryptLandedObjects]",
        role_policy("lambda", drop("EncryptLandedObjects")),
        old=ABSENT,
    ),
    "a role's statement widened": Mutation(
        ROLE,
        "PolicyDocument.Statement[ReadInput].Resource",
        role_policy("glue", change("ReadInput", Resource="*")),
        "role-resources",
        old=["*"],
    ),
    "a role may everything with S3": Mutation(
        ROLE,
        "PolicyDocument.Statement[LandObjects].Action",
        role_policy("lambda", change("LandObjects", Action="s3:*")),
        "role-actions",
    ),
    "a role may all but one action": Mutation(
        ROLE,
        "PolicyDocument.Statement[CopyAndScan].NotAction",
        role_policy("redshift", change("CopyAndScan", Action=None, NotAction="s3:DeleteObject")),
        "role-actions clear-numbers",
    ),
    "the job may read the stream": Mutation(
        ROLE,
        "PolicyDocument.Statement[Hole]",
        role_policy("glue", add(Action="kinesis:GetRecords", Resource="arn:aws:kinesis:eu-central-1:123456789012:x")),
        "clear-numbers",
    ),
    "the warehouse may read the tokenisation keys": Mutation(
        ROLE,
        "PolicyDocument.Statement[Hole]",
        role_policy("redshift", add(Action="secretsmanager:GetSecretValue", Resource="*")),
        "clear-numbers role-resources",
    ),
    "the optimizer may read the stream, by a wildcard": Mutation(
        ROLE,
        "PolicyDocument.Statement[Hole]",
        role_policy("optimizer", add(Action="kinesis:Get*", Resource="arn:aws:kinesis:eu-central-1:123456789012:x")),
        "clear-numbers role-actions",
    ),
    "a role's policy removed": Mutation(
        ROLE,
        "PolicyDocument",
        lambda a: iam(a).delete_role_policy(RoleName=role(a, "cloudtrail"), PolicyName=role(a, "cloudtrail")),
        "role-actions",
        old=ABSENT,
    ),
    "an administrator's policy attached to a role": Mutation(
        ROLE,
        "OtherPolicies",
        attach_administrator,
        "role-other-policies",
        ["arn:aws:iam::123456789012:policy/Everything"],
        [],
    ),
    "an inline policy added to a role": Mutation(
        ROLE,
        "OtherPolicies",
        lambda a: iam(a).put_role_policy(
            RoleName=role(a, "redshift"), PolicyName="quick-fix", PolicyDocument=policy_of(Action="s3:*", Resource="*")
        ),
        "role-other-policies",
        ["quick-fix"],
        [],
    ),
    "the load's policy widened": Mutation(
        ROLE_POLICY,
        "PolicyDocument.Statement[RunStatements].Action",
        role_policy("glue", change("RunStatements", Action="redshift-data:*"), "warehouse-load"),
        "role-actions",
    ),
    "the function's code may use network interfaces": Mutation(
        ROLE_POLICY,
        "PolicyDocument.Statement[DenyToItsCode]",
        role_policy("lambda", drop("DenyToItsCode"), "network"),
        old=ABSENT,
    ),
    "the function's rights in the network removed": Mutation(
        ROLE_POLICY,
        "PolicyDocument",
        lambda a: iam(a).delete_role_policy(RoleName=role(a, "lambda"), PolicyName="network"),
        "role-actions role-resources clear-numbers",
        old=ABSENT,
    ),
    # --- Roles: who assumes them, and the rest ---
    "everybody may assume a role": Mutation(
        ROLE,
        "AssumeRolePolicyDocument.Statement[Hole]",
        trust("glue", add(Principal={"AWS": "*"}, **_ASSUME)),
        "role-trust",
    ),
    "everybody may assume a role, beside a condition that is not sent": Mutation(
        ROLE,
        "AssumeRolePolicyDocument.Statement[Hole]",
        trust("glue", add(Principal={"AWS": "*"}, Condition=_OURS, **_ASSUME)),
        "role-trust",
    ),
    "a user of the account may assume a role": Mutation(
        ROLE,
        "AssumeRolePolicyDocument.Statement[Hole]",
        trust("lambda", add(Principal={"AWS": "arn:aws:iam::123456789012:user/a"}, **_ASSUME)),
        "role-trust",
    ),
    "another service may assume a role": Mutation(
        ROLE,
        "AssumeRolePolicyDocument.Statement[Hole]",
        trust("lambda", add(Principal={"Service": "ec2.amazonaws.com"}, Condition=_OURS, **_ASSUME)),
        "role-trust",
    ),
    "a web identity may assume a role": Mutation(
        ROLE,
        "AssumeRolePolicyDocument.Statement[Hole]",
        trust("lambda", add(Principal={"Federated": "accounts.google.com"}, Action="sts:AssumeRoleWithWebIdentity")),
        "role-trust",
    ),
    "a role assumed on behalf of any account": Mutation(
        ROLE,
        "AssumeRolePolicyDocument.Statement[ServiceOfThisAccount].Condition",
        trust("cloudtrail", change("ServiceOfThisAccount", Condition=None)),
        "role-trust",
    ),
    "a role's sessions prolonged": Mutation(
        ROLE,
        "MaxSessionDuration",
        lambda a: iam(a).update_role(RoleName=role(a, "lambda"), MaxSessionDuration=43_200),
        old=43_200,
        new=3600,
    ),
    "a role described otherwise": Mutation(
        ROLE,
        "Description",
        lambda a: iam(a).update_role(RoleName=role(a, "glue"), Description="x", MaxSessionDuration=3600),
        old="x",
    ),
    "a role under another boundary": Mutation(
        ROLE, "PermissionsBoundary", bound, old="arn:aws:iam::123456789012:policy/Boundary", new=ABSENT
    ),
    "a role's tag changed": Mutation(
        ROLE,
        "Tags.Environment",
        lambda a: iam(a).tag_role(RoleName=role(a, "lambda"), Tags=[{"Key": "Environment", "Value": "prod"}]),
        old="prod",
        new="dev",
    ),
}
