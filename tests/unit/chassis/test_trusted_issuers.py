"""The issuers file is followed while the process runs."""

import json
from pathlib import Path
from typing import Any

import pytest
import structlog

from chassis.errors import UnauthenticatedError
from chassis.issuers import IssuersFileError
from chassis.sensitive import Sensitive
from chassis.trusted_issuers import IssuersFileVerifier
from tests.unit.chassis.tokens import (
    AUDIENCE,
    ISSUER,
    SettableClock,
    claims,
    generate,
    jwk,
    publish,
    signed,
)

OTHER = "https://other.example"
KEYS = {ISSUER: generate("ES256"), OTHER: generate("ES256")}


class Folder:
    """An issuers file and its key sets, and a verifier that follows them."""

    def __init__(self, path: Path) -> None:
        self.path, self.file = path, path / "issuers.json"
        for name, key in KEYS.items():
            publish(self._key_set(name), jwk(key, "k1"))
        self.write(ISSUER, OTHER)
        self.clock = SettableClock()
        self.verifier = IssuersFileVerifier(self.file, self.clock)

    def write(self, *names: str, **changed: Any) -> None:
        """The file is replaced as a deployment does it: by another one of its name."""
        entries = [
            {
                "issuer": name,
                "audiences": [AUDIENCE],
                "algorithm": "ES256",
                "jwks_file": self._key_set(name).name,
                "namespaces": ["*"],
                "roles": ["*"],
            }
            | changed
            for name in names
        ]
        new = self.path / "new.json"
        new.write_text(json.dumps({"issuers": entries}))
        new.replace(self.file)

    def _key_set(self, name: str) -> Path:
        return self.path / f"jwks-{list(KEYS).index(name)}.json"

    async def trusts(self, name: str) -> bool:
        token = signed(KEYS[name], claims(iss=name, roles=["Admin"]))
        try:
            await self.verifier.verify(Sensitive(token))
        except UnauthenticatedError:
            return False
        return True


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


async def test_an_issuer_that_is_taken_out_stops_at_the_next_look(folder: Folder) -> None:
    assert await folder.trusts(ISSUER)
    assert await folder.trusts(OTHER)

    folder.write(ISSUER)
    folder.clock.advance(1)

    assert not await folder.trusts(OTHER)
    assert await folder.trusts(ISSUER)


async def test_an_issuer_that_is_put_in_is_trusted_at_the_next_look(folder: Folder) -> None:
    folder.write(ISSUER)
    folder.clock.advance(1)
    assert not await folder.trusts(OTHER)

    folder.write(OTHER)
    folder.clock.advance(1)

    assert await folder.trusts(OTHER)
    assert not await folder.trusts(ISSUER)


async def test_a_narrowed_bound_counts_for_tokens_that_were_verified_before(
    folder: Folder,
) -> None:
    assert await folder.trusts(ISSUER)

    folder.write(ISSUER, OTHER, roles=[])
    folder.clock.advance(1)

    assert not await folder.trusts(ISSUER)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"issuers": []}', '{"issuers": [{"issuer": "x"}]}', None]
)
async def test_a_file_that_is_not_usable_leaves_the_last_good_one(
    folder: Folder, content: str | None
) -> None:
    if content is None:
        folder.file.unlink()
    else:
        folder.file.write_text(content)

    with structlog.testing.capture_logs() as logged:
        for _ in range(3):
            folder.clock.advance(1)
            assert await folder.trusts(ISSUER)
            assert await folder.trusts(OTHER)

    assert [(line["log_level"], line["event"]) for line in logged] == [
        ("warning", "issuers not renewed")
    ]
    folder.write(OTHER)
    folder.clock.advance(1)
    assert not await folder.trusts(ISSUER)


async def test_an_authority_that_is_not_there_leaves_the_last_good_file(
    folder: Folder,
) -> None:
    entry = {"jwks_url": "https://x.example/keys", "jwks_ca": "absent.pem"}
    whole = json.loads(folder.file.read_text())
    del whole["issuers"][0]["jwks_file"]
    whole["issuers"][0] |= entry
    folder.file.write_text(json.dumps(whole))
    folder.clock.advance(1)

    assert await folder.trusts(ISSUER)


async def test_keys_that_cannot_be_read_any_more_survive_the_reload_of_the_file(
    folder: Folder,
) -> None:
    assert await folder.trusts(ISSUER)
    (folder.path / "jwks-0.json").unlink()

    folder.write(ISSUER)
    folder.clock.advance(1)

    assert await folder.trusts(ISSUER)


def test_a_start_on_a_file_that_is_not_usable_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IssuersFileError):
        IssuersFileVerifier(tmp_path / "absent.json", SettableClock())
