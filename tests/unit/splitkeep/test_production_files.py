"""Production's secrets: complete, as private as they can be, made once."""

import json
import os
import shutil
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509

from splitkeep import files, issued_files
from splitkeep.certificates import (
    AUTHORITY_LIFETIME,
    LEAF_LIFETIME,
    KeyPair,
    ensure_authority,
    ensure_leaf,
    load_pair,
)
from splitkeep.issued_files import NotAFileError, RecordError
from splitkeep.issuer import new_issuer_key
from splitkeep.production_files import (
    AuthorityError,
    MissingFilesError,
    Names,
    OpenDirectoryError,
    ProductionSecrets,
)

NOW = datetime(2026, 11, 23, tzinfo=UTC)

EXPECTED = {
    "ca.pem",
    "compose.env",
    "issued.json",
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
    "operator/ca.pem",
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


def make(directory: Path, now: datetime = NOW, names: Names | None = None) -> str:
    secrets = ProductionSecrets(
        directory=directory,
        uid=os.getuid(),
        gid=os.getgid(),
        now=now,
        names=names or Names(),
    )
    return "\n".join(secrets.make())


def contents(directory: Path) -> dict[str, bytes]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


@pytest.fixture(scope="session")
def once_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("deploy") / "secrets"
    make(directory)
    return directory


@pytest.fixture
def made(once_made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # dozens of them, for nothing
    shutil.copytree(once_made, tmp_path / "secrets")
    return tmp_path / "secrets"


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
    assert {name for name in before if before[name] != after[name]} == {
        "operator/admin-token",
        "issued.json",
    }


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


def place_certificates_of_another_authority(made: Path, operator: Path, name: str) -> None:
    """As an operator does who has an authority of his own."""
    operator.mkdir()
    own = KeyPair(operator / "ca.pem", operator / "ca.key")
    authority = ensure_authority(own, name="The operator's", now=NOW)
    pair = KeyPair(made / name / "tls.pem", made / name / "tls.key")
    pair.certificate.unlink()
    pair.private_key.unlink()
    ensure_leaf(pair, authority, names=("secrets.example.com",), now=NOW)
    (made / "ca.pem").write_bytes(own.certificate.read_bytes())


@pytest.mark.parametrize("days_later", [0, 1_000])
def test_certificates_of_another_authority_stay_and_are_named(
    made: Path, tmp_path: Path, days_later: int
) -> None:
    place_certificates_of_another_authority(made, tmp_path / "own", "gateway")
    before = contents(made)

    left = make(made, NOW + timedelta(days=days_later))

    after = contents(made)
    for name in ("gateway/tls.pem", "gateway/tls.key", "ca.pem", "operator/ca.key"):
        assert after[name] == before[name], name
    assert "gateway/tls.pem and gateway/tls.key" in left
    assert "ends on 2028-11-22" in left
    assert "ca.pem is not as" in left


@pytest.mark.parametrize("days_later", [0, 1_000])
def test_certificates_of_another_authority_stay_in_what_an_older_release_made(
    made: Path, tmp_path: Path, days_later: int
) -> None:
    (made / "issued.json").unlink()
    (made / "operator" / "ca.pem").unlink()
    place_certificates_of_another_authority(made, tmp_path / "own", "vault")
    before = contents(made)

    make(made, NOW + timedelta(days=days_later))

    after = contents(made)
    for name in ("vault/tls.pem", "vault/tls.key", "ca.pem", "operator/ca.key"):
        assert after[name] == before[name], name
    assert (after["gateway/tls.pem"] == before["gateway/tls.pem"]) is (days_later == 0)


def test_what_an_older_release_made_is_renewed(made: Path) -> None:
    (made / "issued.json").unlink()
    (made / "operator" / "ca.pem").unlink()
    before = contents(made)

    assert make(made, NOW + LEAF_LIFETIME) == ""

    after = contents(made)
    changed = {name for name in before if before[name] != after[name]}
    leaves = {n for n in EXPECTED if n.endswith(("/tls.pem", "/peer.pem"))}
    assert changed == {*leaves, "operator/admin-token"}


# What other files were made with: a change is refused (see the tests of authorities).
REFUSED_IF_CHANGED = {
    "issued.json",
    "operator/ca.pem",
    *(name for name in EXPECTED if name.startswith("operator/") and name.endswith(".key")),
}


@pytest.mark.parametrize("file", sorted(EXPECTED - REFUSED_IF_CHANGED))
def test_a_file_that_the_operator_changed_stays_as_it_is(made: Path, file: str) -> None:
    path = made / file
    path.write_bytes(path.read_bytes() + b"\n")
    changed = path.read_bytes()

    make(made, NOW + LEAF_LIFETIME)

    assert path.read_bytes() == changed


@pytest.mark.parametrize("name", ["ca", "peer-ca"])
@pytest.mark.parametrize("kind", ["no key", "another key"])
def test_the_key_of_an_authority_is_never_replaced(made: Path, name: str, kind: str) -> None:
    another = new_issuer_key() if kind == "another key" else b"the operator's own"
    (made / "operator" / f"{name}.key").write_bytes(another)
    before = contents(made)

    with pytest.raises(AuthorityError, match=rf"{name}\.key"):
        make(made, NOW + AUTHORITY_LIFETIME)

    assert contents(made) == before


def test_a_link_is_the_operators_and_stays_one(made: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "tls.pem"
    (made / "vault" / "tls.pem").rename(elsewhere)
    (made / "vault" / "tls.pem").symlink_to(elsewhere)
    before = elsewhere.read_bytes()

    left = make(made, NOW + LEAF_LIFETIME)

    assert (made / "vault" / "tls.pem").is_symlink()
    assert elsewhere.read_bytes() == before
    assert "vault/tls.pem" in left


def test_a_renewed_authority_keeps_its_key(made: Path) -> None:
    key = (made / "operator" / "ca.key").read_bytes()
    first = (made / "ca.pem").read_bytes()

    make(made, NOW + AUTHORITY_LIFETIME - timedelta(days=1))

    assert (made / "operator" / "ca.key").read_bytes() == key
    assert (made / "ca.pem").read_bytes() != first
    assert (made / "gateway" / "ca.pem").read_bytes() == (made / "ca.pem").read_bytes()


def test_an_administrators_token_that_was_removed_is_not_made_again(made: Path) -> None:
    (made / "operator" / "admin-token").unlink()

    left = make(made)

    assert not (made / "operator" / "admin-token").exists()
    assert "admin-token was removed" in left


def test_a_key_file_that_is_gone_is_asked_for_also_when_compose_env_is_gone_too(
    made: Path,
) -> None:
    (made / "compose.env").unlink()
    (made / "vault" / "kek.json").unlink()

    with pytest.raises(MissingFilesError, match=r"vault/kek\.json"):
        make(made)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"names": []}', '{"files": 1}'])
def test_a_damaged_record_is_refused_in_a_sentence_and_nothing_is_written(
    made: Path, content: str
) -> None:
    (made / "issued.json").write_text(content)
    before = contents(made)

    with pytest.raises(RecordError, match="restore it"):
        make(made, NOW + LEAF_LIFETIME)

    assert contents(made) == before


def names_in(path: Path) -> set[str]:
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return {str(name.value) for name in extension.value}


def test_further_names_are_borne_by_the_published_ports_alone_and_stay(made: Path) -> None:
    further = {"secrets.example.com", "*.internal.example.com", "192.0.2.7", "2001:db8::7"}
    make(made, names=Names(add=frozenset(further)))

    make(made)

    assert further <= names_in(made / "gateway" / "tls.pem")
    assert further <= names_in(made / "vault" / "tls.pem")
    assert not further & names_in(made / "metadata" / "tls.pem")


def test_a_dropped_name_is_no_longer_borne(made: Path) -> None:
    make(made, names=Names(add=frozenset({"a.example.com", "b.example.com"})))

    make(made, names=Names(drop=frozenset({"a.example.com"})))

    names = names_in(made / "vault" / "tls.pem")
    assert ("a.example.com" in names, "b.example.com" in names) == (False, True)


def test_the_private_keys_stay_when_names_change(made: Path) -> None:
    before = (made / "gateway" / "tls.key").read_bytes()

    make(made, names=Names(add=frozenset({"a.example.com"})))

    assert (made / "gateway" / "tls.key").read_bytes() == before


def test_the_modes_of_what_it_made_are_put_right(made: Path) -> None:
    (made / "vault" / "tls.key").chmod(0o644)

    make(made)

    assert stat.S_IMODE((made / "vault" / "tls.key").stat().st_mode) == 0o600


class _DiskError(OSError):
    """The disk is full."""


def test_whatever_write_fails_the_next_run_completes_and_no_pair_is_mismatched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = files.write_file
    fuse = 0

    def fail_at_the_fuse(path: Path, content: bytes, **options: Any) -> None:
        nonlocal fuse
        if fuse == 0:
            raise _DiskError
        fuse -= 1
        written(path, content, **options)

    monkeypatch.setattr(os, "fsync", lambda _: None)  # hundreds of them, for nothing
    monkeypatch.setattr(issued_files, "write_file", fail_at_the_fuse)
    monkeypatch.setattr(files, "write_file", fail_at_the_fuse)
    for steps in range(200):
        directory = tmp_path / str(steps)
        fuse = steps
        try:
            make(directory)
        except _DiskError:
            fuse = 1_000
            assert all(belong_together(pair) for pair in directory.rglob("*.pem"))
            make(directory)
            assert set(contents(directory)) >= EXPECTED - {"operator/admin-token"}
        else:
            break
    assert steps > len(EXPECTED)


def belong_together(certificate: Path) -> bool:
    key = certificate.with_suffix(".key")
    pair = KeyPair(certificate, key)
    return not key.exists() or load_pair(pair) is not None


@pytest.mark.parametrize("name", ["metadata/dsn", "vault/issuers.json", "vault/jwks.json"])
def test_an_operators_link_to_nothing_is_named_and_stays(tmp_path: Path, name: str) -> None:
    make(tmp_path)
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to(tmp_path / "not-mounted-yet")

    with pytest.raises(NotAFileError, match=name):
        make(tmp_path)

    assert (tmp_path / name).is_symlink()


@pytest.mark.parametrize("name", ["issued.json", "operator/ca.key", "gateway/tls.pem"])
def test_a_pipe_is_named_and_not_read(tmp_path: Path, name: str) -> None:
    make(tmp_path)
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)

    with pytest.raises(NotAFileError, match=name):
        make(tmp_path)


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PRIVATE KEY-----", b"\xff"])
@pytest.mark.parametrize("name", ["operator/issuer.key", "vault-db/password"])
def test_a_damaged_key_or_password_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    make(tmp_path)
    (tmp_path / name).write_bytes(content if name.endswith("key") else content[:1].strip(b"-"))

    with pytest.raises((AuthorityError, MissingFilesError), match=name):
        make(tmp_path)
