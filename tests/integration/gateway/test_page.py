"""The documentation page's files, as far as a browser is not needed to judge them."""

import hashlib
import re

import pytest

from gateway.page import FILES, WEB
from tests.integration.gateway.conftest import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="session")

VENDORED = WEB / "swagger-ui"


async def test_the_vendored_files_are_those_that_were_taken() -> None:
    lines = [line.split("  ") for line in (VENDORED / "SHA256SUMS").read_text().splitlines()]
    listed = {name: digest for digest, name in lines}

    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDORED.iterdir()
        if path.name not in {"SHA256SUMS", "README.md"}
    }

    assert found == listed
    assert "LICENSE" in found


async def test_the_vendored_files_stay_of_a_size() -> None:
    assert sum(path.stat().st_size for path in VENDORED.iterdir()) < 2_100_000


@pytest.mark.parametrize("path", [*FILES, "/docs/"])
async def test_every_file_is_under_the_strict_policy(gateway: Gateway, path: str) -> None:
    async with gateway.http(token=None) as http:
        answer = await http.get(path)

    policy = dict(
        part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; ")
    )
    assert answer.status_code == 200
    assert policy.pop("default-src") == "'none'"
    assert policy.pop("img-src") == "'self' data:"
    for forbidden in ("base-uri", "form-action", "frame-ancestors"):
        assert policy.pop(forbidden) == "'none'"
    assert set(policy.values()) == {"'self'"}
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


async def test_the_page_has_nothing_inline_and_nothing_from_elsewhere() -> None:
    page = (WEB / "docs" / "index.html").read_text()

    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", page) == []
    assert re.findall(r"""(?:src|href)=["'](?:https?:)?//""", page) == []


async def test_the_page_s_own_script_stores_nothing() -> None:
    script = (WEB / "docs" / "docs.js").read_text()

    assert re.findall("localStorage|sessionStorage|cookie|indexedDB", script) == []
    assert "persistAuthorization: false" in script


async def test_every_file_of_the_page_is_served() -> None:
    page = (WEB / "docs" / "index.html").read_text()

    named = set(re.findall(r"""(?:src|href)=["'](/docs/[^"'?]+)""", page))

    assert named == FILES.keys() - {"/docs"}
