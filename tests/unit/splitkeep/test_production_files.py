"""Production's secrets: complete, as private as they can be, made once."""

import json
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest

from splitkeep.certificates import LEAF_LIFETIME
from splitkeep.production_files import (
    MissingFilesError,
    OpenDirectoryError,
    ProductionSecrets,
)

NOW = datetime(2026, 11, 23, tzinfo=UTC)

EXPECTED = {
    "ca.pem",
    "compose.env",
    "gateway/ca.pem",
    "gateway/tls.key",
    "gateway/tls.pem",
    "metadata-db/password",
    "metadata/dsn",
    "metadata/issuers.json",
    "metadata/jwks.json",
    "metadata/peer-ca.pem",
    "metadata/peer.key",
    "metadata/peer.pem",
    "metadata/tls.key",
    "metadata/tls.pem",
    "operator/admin-token",
    "operator/ca.key",
    "operator/issuer.key",
    "operator/peer-ca.key",
    "operator/peer-ca.pem",
    "vault-db/password",
    "vault/dsn",
    "vault/issuers.json",
    "vault/jwks.json",
    "vault/kek.json",
    "vault/peer-ca.pem",
    "vault/peer.key",
    "vault/peer.pem",
    "vault/tls.key",
    "vault/tls.pem",
}


def make(directory: Path, now: datetime = NOW) -> None:
    ProductionSecrets(directory=directory, uid=os.getuid(), gid=os.getgid(), now=now).make()


def contents(directory: Path) -> dict[str, bytes]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    directory = tmp_path / "deploy" / "secrets"
    make(directory)
    return directory


def test_everything_that_is_mounted_is_there(made: Path) -> None:
    assert set(contents(made)) == EXPECTED


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o701])
def test_a_directory_that_others_may_look_into_is_refused(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)

    with pytest.raises(OpenDirectoryError, match="chmod 700"):
        make(tmp_path)

    assert contents(tmp_path) == {}


def test_making_again_renews_the_first_token_and_nothing_else(made: Path) -> None:
    before = contents(made)

    make(made, NOW + timedelta(days=2))

    after = contents(made)
    assert {name for name in before if before[name] != after[name]} == {"operator/admin-token"}


def test_making_again_renews_certificates_but_never_keys_of_data(made: Path) -> None:
    before = contents(made)

    make(made, NOW + LEAF_LIFETIME)

    after = contents(made)
    changed = {name for name in before if before[name] != after[name]}
    assert {"vault/tls.pem", "vault/peer.pem", "gateway/tls.pem"} <= changed
    assert not changed & {"vault/kek.json", "vault/dsn", "metadata-db/password", "ca.pem"}


def test_a_restored_key_file_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "vault").mkdir(mode=0o700)
    (tmp_path / "vault" / "kek.json").write_text("restored")

    make(tmp_path)

    assert (tmp_path / "vault" / "kek.json").read_text() == "restored"


@pytest.mark.parametrize(
    "lost",
    [
        "operator/ca.key",
        "operator/peer-ca.key",
        "operator/issuer.key",
        "vault/kek.json",
        "metadata-db/password",
        "vault-db/password",
    ],
)
def test_keys_and_passwords_of_what_is_there_are_asked_for_and_not_made_again(
    made: Path, lost: str
) -> None:
    (made / lost).unlink()
    before = contents(made)

    with pytest.raises(MissingFilesError, match=lost):
        make(made, NOW + LEAF_LIFETIME)

    assert contents(made) == before


def test_issuers_that_an_operator_added_stay(made: Path) -> None:
    (made / "vault" / "issuers.json").write_text("the operator's own")

    make(made)

    assert (made / "vault" / "issuers.json").read_text() == "the operator's own"


def test_private_files_are_private_and_the_directory_is_closed(made: Path) -> None:
    modes = {
        name: stat.S_IMODE((made / name).stat().st_mode)
        for name in EXPECTED
        if name.endswith((".key", "/dsn", "kek.json", "admin-token"))
    }

    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(made.stat().st_mode) == 0o700


def test_no_service_gets_what_is_anothers(made: Path) -> None:
    password = (made / "vault-db" / "password").read_bytes()
    seen_by_metadata = [path.read_bytes() for path in (made / "metadata").iterdir()]

    assert not any(password in content for content in seen_by_metadata)
    assert not (made / "metadata" / "kek.json").exists()
    assert {p.name for p in (made / "gateway").iterdir()} == {"tls.pem", "tls.key", "ca.pem"}


def test_the_first_token_manages_and_does_not_decrypt(made: Path) -> None:
    token = (made / "operator" / "admin-token").read_text()
    keys = json.loads((made / "metadata" / "jwks.json").read_text())["keys"]

    claims = jwt.decode(token, options={"verify_signature": False})

    assert (claims["roles"], claims["namespace"]) == (["Admin"], "*")
    assert "serviceIdentity" not in claims
    assert jwt.get_unverified_header(token)["kid"] == keys[0]["kid"]
