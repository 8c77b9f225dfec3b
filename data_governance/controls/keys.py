"""Controls on the customer keys and the tokenisation secret."""

from __future__ import annotations

from collections.abc import Iterator

from data_governance.controls.control import KEY, SECRET, Control, Severity, Subject, own_key, unless
from data_governance.controls.policy_meaning import (
    account_of,
    actions,
    denies,
    let_in,
    principals,
    statements,
    title,
)
from data_governance.token_key_rotation import age_from_tags
from infrastructure.planning.resource import Unsupported
from infrastructure.references import webhook_secret_name

_LONGEST_ROTATION_DAYS = 365
_SERVICE = ".amazonaws.com"


def _rotates(key: Subject) -> list[str]:
    rotation = key["Rotation"]
    if not rotation.get("Enabled"):
        return ["does not rotate"]
    days = rotation.get("PeriodInDays", 0)
    return unless(days <= _LONGEST_ROTATION_DAYS, f"rotates every {days} days only")


def _everything_to_the_root_alone(key: Subject) -> Iterator[str]:
    root = {
        ("AWS", f"arn:{key.settings.partition}:iam::{key.account}:root"),
        ("AWS", key.account),
    }
    for statement in statements(key["KeyPolicy"]):
        wide = [action for action in actions(statement) if "*" in action]
        if statement.get("Effect") == "Allow" and wide and not set(principals(statement)) <= root:
            yield f"{title(statement)} allows {', '.join(wide)} to others than the account"


def _grants(key: Subject) -> Iterator[str]:
    for grant in key["Grants"]:
        who = grant.get("GranteePrincipal") or grant.get("GranteeServicePrincipal") or "somebody"
        if not who.endswith(_SERVICE) and account_of(who) != key.account:
            yield f"a grant of {', '.join(sorted(grant.get('Operations', [])))} to {who}"


def _through_secrets_manager(key: Subject) -> list[str]:
    settings = key.settings
    via = f"secretsmanager.{settings.region}.{settings.dns_suffix}"
    refuses = all(
        denies(key["KeyPolicy"], action, ["*"], {"StringNotEquals": {"kms:ViaService": via}})
        for action in ("kms:Decrypt", "kms:CreateGrant", "kms:ReEncryptFrom")
    )
    return unless(refuses, "whoever IAM lets decrypt needs no Secrets Manager for it")


def _readers(secret: Subject) -> list[str]:
    """Everybody but the function's role is refused, whatever IAM allows, and for the tokenisation keys the break-glass
    role."""
    if secret["State"] != "Active":
        raise Unsupported("its policy cannot be read while it is about to be deleted")
    settings = secret.settings
    of_webhook = secret.name == webhook_secret_name(settings)
    role = "" if of_webhook else settings.token_key_break_glass_role
    function = settings.role_arn("webhook" if of_webhook else "lambda")
    known = [function, *([settings.global_arn("iam", f"role/{role}")] if role else [])]
    refused = any(
        denies(
            secret["ResourcePolicy"],
            "secretsmanager:GetSecretValue",
            ["*"],
            {"ArnNotEquals": {"aws:PrincipalArn": readers}},
        )
        for readers in (known, known[:1])
    )
    return unless(refused, "no statement denies reading to everybody but the function and the break-glass role")


def _age(secret: Subject) -> list[str]:
    days = age_from_tags(secret["ValueTags"], secret["CreatedAt"]).days(secret.now)
    return unless(days < secret.settings.token_key_max_age_days, f"the current key is {days} days old")


def _nobody_elses(secret: Subject) -> Iterator[str]:
    if secret["RotationEnabled"]:
        yield "a function rotates it, and would replace what others rest on"
    for region in secret["Replicas"]:
        yield f"is copied to {region}"


_POLICY = "aws kms get-key-policy --key-id KEY --policy-name default"
_SECRET = "aws secretsmanager describe-secret --secret-id SECRET"  # nosec B105 # a command, and no secret

KEYS: tuple[Control, ...] = (
    Control(
        "key-rotation",
        "3.7.4",
        ("KMS.4",),
        "customer keys rotate every year at least",
        (KEY,),
        Severity.MEDIUM,
        "",
        "aws kms get-key-rotation-status --key-id KEY",
        _rotates,
    ),
    Control(
        "key-state",
        "3.7.5",
        ("KMS.3",),
        "no customer key is disabled or about to go",
        (KEY,),
        Severity.CRITICAL,
        "At once: when its waiting period has ended, all that it encrypts is lost.",
        "aws kms describe-key --key-id KEY",
        lambda key: unless(key["KeyState"] == "Enabled", f"is {key['KeyState']}"),
    ),
    Control(
        "key-administration",
        "3.6.1",
        ("KMS.1",),
        "no key grants everything but to the account",
        (KEY,),
        Severity.HIGH,
        "",
        _POLICY,
        _everything_to_the_root_alone,
    ),
    Control(
        "key-strangers",
        "7.2.1",
        ("KMS.5",),
        "no key's policy lets in anybody of another account",
        (KEY,),
        Severity.CRITICAL,
        "Look in the trail for what was decrypted.",
        _POLICY,
        lambda key: let_in(key["KeyPolicy"], key.account),
    ),
    Control(
        "key-grants",
        "7.2.1",
        (),
        "no key is granted to another account",
        (KEY,),
        Severity.CRITICAL,
        "aws kms revoke-grant --key-id KEY --grant-id GRANT",
        "aws kms list-grants --key-id KEY",
        _grants,
        by_hand=True,
    ),
    Control(
        "token-key-use",
        "3.6.1",
        (),
        "the key of the tokenisation keys works through Secrets Manager alone",
        (KEY,),
        Severity.HIGH,
        "",
        _POLICY,
        _through_secrets_manager,
        only=("-tokens",),
    ),
    Control(
        "secret-readers",
        "7.2.1",
        (),
        "nobody but its function may read a secret, whatever IAM allows (break glass: the tokenisation keys)",
        (SECRET,),
        Severity.CRITICAL,
        "Look in the trail for who read it; if somebody did, rotate the keys (docs/security.md), or put a new value.",
        "aws secretsmanager get-resource-policy --secret-id SECRET",
        _readers,
    ),
    Control(
        "secret-age",
        "3.7.4",
        ("SecretsManager.4",),
        "the current tokenisation key is no older than its cryptoperiod",
        (SECRET,),
        Severity.MEDIUM,
        "rotate-token-key (docs/security.md)",
        _SECRET,
        _age,
        only=("/tokenization-key",),
        by_hand=True,
    ),
    Control(
        "secret-encryption",
        "3.6.1",
        ("SECRETSMANAGER_USING_CMK",),
        "secrets are encrypted with a customer key",
        (SECRET,),
        Severity.HIGH,
        "",
        _SECRET,
        own_key("KmsKeyId"),
    ),
    Control(
        "secret-strangers",
        "3.6.1",
        (),
        "nobody of another account may read a secret",
        (SECRET,),
        Severity.CRITICAL,
        "If it was read, it is known: rotate the keys (docs/security.md), or put a new value.",
        "aws secretsmanager get-resource-policy --secret-id SECRET",
        lambda secret: let_in(secret["ResourcePolicy"], secret.account),
    ),
    Control(
        "secret-not-copied",
        "3.6.1",
        (),
        "secrets are neither copied to another region nor replaced by a function",
        (SECRET,),
        Severity.HIGH,
        "",
        _SECRET,
        _nobody_elses,
    ),
    Control(
        "secret-state",
        "3.7.5",
        (),
        "no secret in use is about to be deleted",
        (SECRET,),
        Severity.CRITICAL,
        "At once: when its waiting period has ended, no card is matched with its tokens again.",
        _SECRET,
        lambda secret: unless(secret["State"] == "Active", f"is {secret['State']}"),
    ),
)
