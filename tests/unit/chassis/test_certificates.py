"""What is said of the certificates in use."""

import asyncio
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog

from chassis import tls_files
from chassis.certificates import Certificates
from chassis.database_tls import add_certificates
from chassis.errors import UnavailableError
from chassis.log_level import LogLevel
from chassis.metrics import Metrics
from chassis.sensitive import Sensitive
from chassis.telemetry import configure_logging
from chassis.tls_files import CurrentTls, Tls
from splitkeep.certificates import KeyPair, ensure_authority, ensure_leaf

MADE = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
NOT_AFTER = "tls_certificate_not_after_seconds"


class StandingClock:
    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    lines = io.StringIO()
    configure_logging("test", LogLevel.INFO, lines)
    yield lines
    structlog.reset_defaults()


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    """A server's pair and the authority of its clients, made at MADE."""
    pairs = [KeyPair(tmp_path / f"{n}.pem", tmp_path / f"{n}.key") for n in ("ca", "leaf")]
    authority = ensure_authority(pairs[0], name="test", now=MADE)
    ensure_leaf(pairs[1], authority, names=("localhost",), now=MADE)
    return Tls(pairs[1].certificate, pairs[1].private_key, pairs[0].certificate)


@pytest.fixture
def current(tls: Tls) -> CurrentTls:
    return CurrentTls(tls)


@pytest.fixture
def metrics(current: CurrentTls) -> Metrics:
    made, files = Metrics(), current.files
    made.certificates.add(
        "clients", files.certificate_chain, lambda: current.contents().certificates
    )
    made.certificates.add(
        "clients CA", files.certificate_chain, lambda: current.contents().authorities
    )
    return made


@pytest.fixture
def certificates(metrics: Metrics) -> Certificates:
    return metrics.certificates


@pytest.fixture
def end(current: CurrentTls) -> datetime:
    """When the server's certificate ends."""
    return current.contents().certificates[0].not_valid_after_utc


def events(log: io.StringIO) -> list[tuple[str, str, str]]:
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    return [(line["level"], line["use"], line["event"]) for line in lines if line.get("use")]


def test_a_gauge_tells_when_each_certificate_ends(metrics: Metrics, end: datetime) -> None:
    read = metrics.registry.get_sample_value

    assert read(NOT_AFTER, {"use": "clients", "place": "0"}) == end.timestamp()
    assert read(NOT_AFTER, {"use": "clients CA", "place": "0"}) is not None


def test_the_gauge_follows_a_renewed_file(
    metrics: Metrics, tls: Tls, tmp_path: Path, end: datetime
) -> None:
    authority = ensure_authority(
        KeyPair(tmp_path / "ca.pem", tmp_path / "ca.key"), name="test", now=MADE
    )
    later = KeyPair(tmp_path / "later.pem", tmp_path / "later.key")
    ensure_leaf(later, authority, names=("localhost",), now=MADE + 100 * DAY)
    later.private_key.replace(tls.private_key)
    later.certificate.replace(tls.certificate_chain)

    name = "tls_certificate_not_after_seconds"
    found = metrics.registry.get_sample_value(name, {"use": "clients", "place": "0"})

    assert found is not None
    assert found > end.timestamp()


def test_nothing_is_said_of_a_certificate_that_lasts(
    certificates: Certificates, log: io.StringIO, end: datetime
) -> None:
    certificates.look(end - 31 * DAY)

    assert [event for event in events(log) if event[1] == "clients"] == []


@pytest.mark.parametrize(
    ("days", "level", "event"),
    [
        (29, "warning", "a certificate ends within 30 days"),
        (-1, "error", "a certificate has expired"),
    ],
)
def test_an_end_is_told_before_and_after_it(
    certificates: Certificates,
    log: io.StringIO,
    end: datetime,
    days: int,
    level: str,
    event: str,
) -> None:
    certificates.look(end - days * DAY)

    assert (level, "clients", event) in events(log)


def test_a_certificate_that_does_not_count_yet_is_told(
    certificates: Certificates, log: io.StringIO
) -> None:
    certificates.look(MADE - 2 * DAY)

    assert ("error", "clients", "a certificate is not yet valid") in events(log)


def test_what_was_told_is_told_again_after_a_day_and_not_before(
    certificates: Certificates, log: io.StringIO, end: datetime
) -> None:
    begin = end - 10 * DAY
    for minutes in range(0, 2 * 24 * 60 + 1, 60):
        certificates.look(begin + timedelta(minutes=minutes))

    assert len([e for e in events(log) if e[1] == "clients"]) == 3


async def test_a_port_is_ready_as_long_as_its_certificate_is_valid(
    certificates: Certificates, end: datetime
) -> None:
    clock = StandingClock(end - DAY)
    check = certificates.check("clients", clock)
    await check()

    clock.at = end + DAY
    with pytest.raises(UnavailableError):
        await check()
    clock.at = MADE - 2 * DAY
    with pytest.raises(UnavailableError):
        await check()


async def test_it_is_told_at_the_start(
    certificates: Certificates, log: io.StringIO, end: datetime
) -> None:
    stopping = asyncio.Event()
    watching = asyncio.create_task(certificates.watch(StandingClock(end), stopping))
    await asyncio.sleep(0.01)
    stopping.set()
    await watching

    assert any(event[1] == "clients" for event in events(log))


def test_the_certificates_that_a_dsn_names_have_a_gauge_as_long_as_they_can_be_read(
    tls: Tls, end: datetime
) -> None:
    metrics = Metrics()
    dsn = f"postgresql://u@h/d?sslcert={tls.certificate_chain}&sslrootcert={tls.client_ca}"
    add_certificates(metrics.certificates, Sensitive(f"{dsn}&sslmode=verify-full"))

    own, authority = {"use": "database", "place": "0"}, {"use": "database CA", "place": "0"}
    assert metrics.registry.get_sample_value(NOT_AFTER, own) == end.timestamp()
    assert metrics.registry.get_sample_value(NOT_AFTER, authority)
    tls.certificate_chain.unlink()
    assert metrics.registry.get_sample_value(NOT_AFTER, own) is None
    assert metrics.registry.get_sample_value(NOT_AFTER, authority)


def test_a_dsn_that_names_no_certificate_has_no_gauge() -> None:
    metrics = Metrics()
    add_certificates(metrics.certificates, Sensitive("postgresql://u@h/d"))
    dsn = "postgresql://u@h/d?sslmode=verify-full&sslrootcert=system"
    add_certificates(metrics.certificates, Sensitive(dsn))

    assert f"{NOT_AFTER}{{" not in metrics.exposition().decode()


def test_a_file_that_is_replaced_while_it_is_first_read_is_read_again(
    tls: Tls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = ensure_authority(
        KeyPair(tmp_path / "ca.pem", tmp_path / "ca.key"), name="test", now=MADE
    )
    later = KeyPair(tmp_path / "later.pem", tmp_path / "later.key")
    ensure_leaf(later, authority, names=("localhost",), now=MADE + 100 * DAY)
    read_tls = tls_files.read_tls

    def read_and_replaced(files: Tls) -> tls_files.TlsContents:
        contents = read_tls(files)
        if later.certificate.exists():
            later.certificate.replace(files.certificate_chain)
            later.private_key.replace(files.private_key)
        return contents

    monkeypatch.setattr(tls_files, "read_tls", read_and_replaced)
    current = CurrentTls(tls)

    (own, *_) = current.contents().certificates
    assert own.not_valid_before_utc > MADE + 98 * DAY
