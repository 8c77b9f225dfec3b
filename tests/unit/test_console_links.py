"""Addresses in AWS's console."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from infrastructure.settings import Settings
from scripts.commands.console_links import console_links


@pytest.mark.parametrize(
    ("region", "domain"),
    [
        ("eu-central-1", "eu-central-1.console.aws.amazon.com"),
        ("cn-north-1", "cn-north-1.console.amazonaws.cn"),
        ("us-gov-west-1", "us-gov-west-1.console.amazonaws-us-gov.com"),
    ],
)
def test_every_link_is_of_the_regions_console(region: str, domain: str) -> None:
    for title, url in console_links(Settings(region=region)):
        parts = urlsplit(url)
        assert (parts.scheme, parts.netloc) == ("https", domain), title


def test_stream_bucket_and_log_are_named() -> None:
    links = dict(console_links(Settings()))
    assert "banking-data-dev-transactions" in links["stream"]
    assert links["raw objects"].endswith("banking-data-dev-raw-123456789012-us-east-1?region=us-east-1")
    assert "$252Faws$252Flambda$252Fbanking-data-dev-process-transaction" in links["function's log"]
