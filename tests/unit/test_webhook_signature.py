"""Signatures of webhooks: the specification's own example, two secrets while one is replaced, and a receiver's code."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from data_governance.webhook_signature import new_secret, signed_headers
from infrastructure.errors import PlatformError

# https://github.com/standard-webhooks/standard-webhooks, the vector that its libraries are tested with
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
BODY = b'{"test": 2432232314}'
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "fraud_stream.md"


def documented_receiver() -> Callable[[str, dict[str, str], bytes], bool]:
    """The function that the documentation shows."""
    (code,) = re.findall(r"```python\n(.+?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert code.count("\n") <= 12
    names: dict[str, Any] = {}
    exec(code, names)
    verified: Callable[[str, dict[str, str], bytes], bool] = names["verified"]
    return verified


def test_the_example_of_standard_webhooks_is_signed_as_there() -> None:
    assert signed_headers(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, BODY) == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": SIGNATURE,
    }


def test_while_a_secret_is_replaced_receivers_of_both_take_the_message() -> None:
    old, new = new_secret(), new_secret()
    headers = signed_headers(f"{new} {old}", "alert", int(time.time()), BODY)
    for secret in (old, new):
        assert Webhook(secret).verify(BODY, headers) == {"test": 2432232314}
        assert documented_receiver()(secret, headers, BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(BODY, headers)


def test_the_documented_receiver_takes_neither_another_body_nor_another_secret_nor_an_old_message() -> None:
    verified, secret = documented_receiver(), new_secret()
    headers = signed_headers(secret, "alert", int(time.time()), BODY)
    old = signed_headers(secret, "alert", int(time.time()) - 3600, BODY)
    assert verified(secret, headers, BODY)
    assert not verified(secret, headers, BODY + b" ")
    assert not verified(new_secret(), headers, BODY)
    assert not verified(secret, headers | {"webhook-id": "other"}, BODY)
    assert not verified(secret, old, BODY)


@pytest.mark.parametrize(
    "secret", ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=", "whsec_!!", f"{SECRET} x"]
)
def test_another_form_of_secret_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(PlatformError, match="Put such a value") as refused:
        signed_headers(secret, "alert", 1614265330, BODY)
    assert not any(part in str(refused.value) for part in secret.split() if part != "x")


def test_no_two_new_secrets_are_the_same() -> None:
    assert len({new_secret() for _ in range(10)}) == 10
