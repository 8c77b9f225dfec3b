"""The live page is on the loopback address alone, for those who know its address."""

from __future__ import annotations

import http.client
import json
from dataclasses import replace

import pytest

from infrastructure.errors import PlatformError
from infrastructure.local.run_page.serve import served
from tests.run_page_sample import sample_document


def asked(address: str, path: str, **headers: str) -> tuple[int, str]:
    host = address.split("/")[2]
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_each_request_gets_the_run_as_it_is_then():
    seconds = iter((1.0, 2.0))
    with served(lambda: replace(sample_document(), is_live=True, seconds=next(seconds))) as address:
        secret = address.split("/")[3]
        assert "connect-src 'self'" in asked(address, f"/{secret}/")[1]
        assert json.loads(asked(address, f"/{secret}/document.json")[1])["seconds"] == 2.0


def test_it_listens_on_127_0_0_1_and_its_address_holds_a_secret():
    with served(sample_document) as address:
        assert address.startswith("http://127.0.0.1:")
        assert len(address.split("/")[3]) >= 20
        for path in ("/", "/document.json", "/favicon.ico", "/../"):
            status, body = asked(address, path)
            assert status == 404 and "transaction" not in body


@pytest.mark.parametrize("host", ["bank.example", "127.0.0.1", "127.0.0.1.bank.example:80", ""])
def test_a_request_that_names_another_host_is_refused(host):
    with served(sample_document) as address:
        status, body = asked(address, f"/{address.split('/')[3]}/document.json", Host=host)
        assert status in (400, 421) and "EUR" not in body


def test_a_port_that_is_taken_is_named():
    with served(sample_document) as address:
        port = int(address.split(":")[2].split("/")[0])
        with pytest.raises(PlatformError, match="cannot be served"), served(sample_document, port):
            pass


def test_nothing_listens_afterwards():
    with served(sample_document) as address:
        pass
    with pytest.raises(ConnectionError):
        asked(address, "/")
