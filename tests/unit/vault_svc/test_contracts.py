"""The fakes, and the adapters that need no server, keep their ports' promises."""

import io
import json

import pytest

from chassis.log_level import LogLevel
from chassis.metrics import Metrics
from chassis.telemetry import configure_logging
from tests.contracts.vault_svc.data_key_store import DataKeyStoreContract
from tests.contracts.vault_svc.decision_log import DecisionLogContract, Written
from tests.contracts.vault_svc.fingerprint_key_store import FingerprintKeyStoreContract
from tests.contracts.vault_svc.kek_provider import KekProviderContract
from tests.contracts.vault_svc.metadata_client import MetadataClientContract
from tests.contracts.vault_svc.sealed_value_store import SealedValueStoreContract
from tests.fakes.vault_svc.clock import StandingClock
from tests.fakes.vault_svc.decisions import ListedDecisions
from tests.fakes.vault_svc.keks import SwitchedKek, a_kek
from tests.fakes.vault_svc.metadata import InMemoryMetadata
from tests.fakes.vault_svc.stores import (
    InMemoryDataKeyStore,
    InMemoryFingerprintKeyStore,
    InMemorySealedValueStore,
    Rows,
)
from vault_svc.decision_log import StructuredDecisionLog
from vault_svc.ports.decisions import DecisionLog
from vault_svc.ports.keks import KekProvider


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def values(rows: Rows) -> InMemorySealedValueStore:
    return InMemorySealedValueStore(rows)


@pytest.fixture
def keys(rows: Rows) -> InMemoryDataKeyStore:
    return InMemoryDataKeyStore(rows)


@pytest.fixture
def fingerprint_keys(rows: Rows) -> InMemoryFingerprintKeyStore:
    return InMemoryFingerprintKeyStore(rows)


class TestInMemorySealedValueStore(SealedValueStoreContract):
    pass


class TestInMemoryDataKeyStore(DataKeyStoreContract):
    pass


class TestInMemoryFingerprintKeyStore(FingerprintKeyStoreContract):
    pass


class TestInMemoryMetadata(MetadataClientContract):
    @pytest.fixture
    def known(self) -> InMemoryMetadata:
        return InMemoryMetadata(StandingClock())

    @pytest.fixture
    def client(self, known: InMemoryMetadata) -> InMemoryMetadata:
        return known


class TestLocalKek(KekProviderContract):
    @pytest.fixture
    def provider(self) -> KekProvider:
        return a_kek("local-1")

    @pytest.fixture
    def other(self) -> KekProvider:
        return a_kek("local-1")


class TestSwitchedKek(KekProviderContract):
    @pytest.fixture
    def provider(self) -> KekProvider:
        return SwitchedKek(a_kek())

    @pytest.fixture
    def other(self) -> KekProvider:
        return SwitchedKek(a_kek())


class TestStructuredDecisionLog(DecisionLogContract):
    @pytest.fixture
    def stream(self) -> io.StringIO:
        stream = io.StringIO()
        configure_logging("vault", LogLevel.INFO, stream)
        return stream

    @pytest.fixture
    def metrics(self) -> Metrics:
        return Metrics()

    @pytest.fixture
    def log(self, stream: io.StringIO, metrics: Metrics) -> DecisionLog:
        return StructuredDecisionLog(metrics)

    @pytest.fixture
    def written(self, stream: io.StringIO) -> Written:
        return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


class TestListedDecisions(DecisionLogContract):
    @pytest.fixture
    def log(self) -> ListedDecisions:
        return ListedDecisions()

    @pytest.fixture
    def written(self, log: ListedDecisions) -> Written:
        return lambda: [
            {
                "identity": record.service_identity,
                "claimed_identity": record.claimed_identity,
                "subject": record.subject,
                "namespace": record.namespace,
                "names": list(record.names),
                "decision": record.answer.value,
                "reason": record.reason,
                "versions": list(record.versions),
            }
            for record in log.records
        ]
