"""The services' own objects with what lies beside them canned, to work one stage at a time.

Questions, rows and answers are those of real secrets: both databases were asked for them once.
"""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import grpc

from chassis.caller import Caller
from chassis.clock import SystemClock
from chassis.flood_control import FloodControl
from chassis.grpc_methods import Method
from chassis.identity import Authenticator, JwtVerifier, load_issuers
from chassis.in_flight import InFlight, Limits, MethodContext, PortContext
from chassis.metrics import Metrics
from chassis.postgres import Database
from chassis.sensitive import Sensitive
from chassis.verification_budget import VerificationBudget
from metadata_svc.domain.access import Location
from metadata_svc.grpc_api.resolutions import answers_to_proto, question_from_proto
from metadata_svc.ports.reader import Address, Reader
from metadata_svc.postgres.reader import PostgresReader, load_reader_queries
from metadata_svc.use_cases.resolve import ResolveNames
from protos.splitkeep.metadata.v1 import vault_peer_pb2
from splitkeep.certificates import KeyPair, ensure_authority, ensure_leaf
from tests.bench.seed import secret_name
from tests.bench.under_test import DECRYPTER, NAMESPACE
from vault_svc.domain.keyring import ReplacementRule
from vault_svc.domain.sealing import DataKey
from vault_svc.kek_providers.local_file import load_keks
from vault_svc.metadata_client import GrpcMetadataClient
from vault_svc.ports.metadata import MetadataClient, Question, Resolution
from vault_svc.ports.values import SealedValueStore, StoredValues, ValueKey
from vault_svc.postgres.data_keys import PostgresDataKeyStore
from vault_svc.postgres.sealed_values import PostgresSealedValueStore
from vault_svc.use_cases.data_keys import DataKeys
from vault_svc.use_cases.decrypt import MAXIMUM_ANSWER_BYTES
from vault_svc.use_cases.opening import Asking, Form, Opening, Outcome
from vault_svc.use_cases.readings import Reading, Readings
from vault_svc.use_cases.unwrapped_keys import CacheBounds

PEER = "splitkeep-vault"
CERTIFICATE_KEY = "x509_pem_cert"
SECONDS = 10.0
CONNECTIONS = 1


@dataclass(frozen=True, slots=True)
class CannedContext:
    """What gRPC tells of a call."""

    token: Sensitive[str]
    caller: Caller

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return (("x-access-token", self.token.reveal()), ("user-agent", "stages"))

    def set_trailing_metadata(self, _metadata: object) -> None:
        return

    async def read(self) -> bytes:
        return b""

    def peer(self) -> str:
        return "ipv4:127.0.0.1:1"

    def time_remaining(self) -> float:
        return SECONDS

    def auth_context(self) -> Mapping[str, Sequence[bytes]]:
        return {CERTIFICATE_KEY: (_peer_certificate(),)}


@cache
def _peer_certificate() -> bytes:
    """Of the vault, as gRPC hands it over."""
    with TemporaryDirectory() as folder:
        authority, leaf = (
            KeyPair(Path(folder, f"{name}.pem"), Path(folder, f"{name}.key"))
            for name in ("authority", "leaf")
        )
        now = datetime.now(UTC)
        signer = ensure_authority(authority, name="bench", now=now)
        ensure_leaf(leaf, signer, names=(PEER,), now=now)
        return leaf.certificate.read_bytes()


@dataclass(frozen=True, slots=True)
class CannedChannel:
    """Serialises what is sent and has one answer, which it parses."""

    answer: bytes

    def unary_unary(self, _path: str, **_options: object) -> None:
        """Nothing is asked so."""

    def stream_stream(
        self,
        _path: str,
        request_serializer: Callable[[Any], bytes],
        response_deserializer: Callable[[bytes], Any],
        **_options: object,
    ) -> "Callable[[], CannedStream]":
        codec = (request_serializer, response_deserializer)
        return lambda: CannedStream(self.answer, *codec)


@dataclass(frozen=True, slots=True)
class CannedStream:
    """One of a CannedChannel."""

    answer: bytes
    serialise: Callable[[Any], bytes]
    parse: Callable[[bytes], Any]

    def add_done_callback(self, _callback: object) -> None:
        """It is never done."""

    async def write(self, request: Any) -> None:
        self.serialise(request)

    async def read(self) -> Any:
        return self.parse(self.answer)


@dataclass(frozen=True, slots=True)
class CannedReader:
    """Metadata's rows."""

    found: dict[Address, Location]

    async def locate(self, _addresses: object) -> dict[Address, Location]:
        return self.found


@dataclass(frozen=True, slots=True)
class CannedMetadata:
    """The vault's view of metadata."""

    decided: tuple[tuple[Resolution, ...], ...]

    async def resolve(self, _questions: object) -> tuple[tuple[Resolution, ...], ...]:
        return self.decided


@dataclass(frozen=True, slots=True)
class CannedValues:
    """The vault's rows."""

    stored: StoredValues

    async def read(self, _keys: object, *, maximum_bytes: int) -> StoredValues:
        return self.stored


@dataclass(frozen=True, slots=True)
class CannedReadings:
    """One reading for whoever asks."""

    reading: Reading

    async def of(self, _asked: object) -> Reading:
        return self.reading


@dataclass(frozen=True, slots=True)
class CannedOpening:
    """The outcomes are there."""

    found: Mapping[str, Outcome]

    async def outcomes(self, _asking: object, _names: object) -> dict[str, Outcome]:
        return dict(self.found)


@dataclass(frozen=True, slots=True)
class CannedDecrypt:
    """The whole answer is there."""

    found: Sequence[Outcome]

    async def decrypt(self, _call: object) -> Sequence[Outcome]:
        return self.found


class SilentLog:
    """Writes nothing."""

    async def record(self, _decided: object) -> None:
        return


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What is the same for every case."""

    reader: PostgresReader
    values: PostgresSealedValueStore
    data_keys: DataKeys
    authenticator: Authenticator
    metrics: Metrics

    @classmethod
    async def of(cls, told: Mapping[str, Any]) -> "Parts":
        metadata, vault = [
            await Database.connect(
                Sensitive(told[name]), application_name="stages", connections=CONNECTIONS
            )
            for name in ("metadata", "vault")
        ]
        clock, random = SystemClock(), secrets.token_bytes
        return cls(
            reader=PostgresReader(metadata, load_reader_queries()),
            values=PostgresSealedValueStore(vault),
            data_keys=DataKeys(
                store=PostgresDataKeyStore(vault),
                keks=load_keks(Path(told["keks"]), random),
                clock=clock,
                random=random,
                rule=ReplacementRule(),
                bounds=CacheBounds(),
            ),
            authenticator=Authenticator(
                JwtVerifier(load_issuers(Path(told["issuers"])), clock)
            ),
            metrics=Metrics(),
        )

    def method(self, peers: frozenset[str] | None) -> Method:
        """One that answers at once, with everything that happens around it."""
        port = PortContext(
            name="stages",
            metrics=self.metrics,
            authenticator=self.authenticator,
            budget=VerificationBudget(time.monotonic),
            floods=FloodControl(0, 1, _never),
            back_off=_never,
        )
        context = MethodContext(
            service="stages",
            method="Empty",
            port=port,
            in_flight=InFlight(Limits()),
            needs_token=peers is None,
            peers=peers,
        )
        return Method(grpc.unary_unary_rpc_method_handler(_at_once, bytes, bytes), context)


def _never() -> None:
    """No call is refused."""


async def _at_once(_request: object, _context: object) -> bytes:
    return b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """So many questions in a batch, and what the stages before made of them."""

    questions: Sequence[Question]
    addresses: Sequence[Address]
    keys: Sequence[ValueKey]
    located: dict[Address, Location]
    decided: tuple[tuple[Resolution, ...], ...]
    stored: StoredValues
    asking: Asking
    data_key: DataKey
    outcomes: Sequence[Outcome]  # of the first question
    sent: bytes  # to metadata
    answered: bytes  # by metadata

    @property
    def names(self) -> Sequence[str]:
        """Of the first question."""
        return self.questions[0].names

    def readings(self) -> Readings:
        metadata, values = CannedMetadata(self.decided), CannedValues(self.stored)
        return Readings(cast(MetadataClient, metadata), cast(SealedValueStore, values))


async def prepare(parts: Parts, questions: int, names: int) -> Case:
    """Both databases have been asked once. Raises KeyError if a name is not there."""
    asked = [
        Question(NAMESPACE, [secret_name(q * names + n) for n in range(names)], DECRYPTER)
        for q in range(questions)
    ]
    addresses = [(NAMESPACE, name) for question in asked for name in question.names]
    located = await parts.reader.locate(addresses)
    keys = [ValueKey(NAMESPACE, located[address].value_id) for address in addresses]
    stored = await parts.values.read(keys, maximum_bytes=MAXIMUM_ANSWER_BYTES)
    sent, answered, decided = await _over_the_hop(asked, located)
    asking = Asking(NAMESPACE, DECRYPTER, Form.TEXT, MAXIMUM_ANSWER_BYTES)
    opening = opening_of(parts, Reading(decided[0], too_large=False, values=stored.values))
    outcomes = await opening.outcomes(asking, asked[0].names)
    return Case(
        questions=asked,
        addresses=addresses,
        keys=keys,
        located=located,
        decided=decided,
        stored=stored,
        asking=asking,
        data_key=await parts.data_keys.unwrapped(stored.values[keys[0]].data_key),
        outcomes=list(outcomes.values()),
        sent=sent,
        answered=answered,
    )


def opening_of(parts: Parts, reading: Reading) -> Opening:
    return Opening(cast(Readings, CannedReadings(reading)), parts.data_keys)


async def _over_the_hop(
    asked: Sequence[Question], located: dict[Address, Location]
) -> tuple[bytes, bytes, tuple[tuple[Resolution, ...], ...]]:
    """What crosses the wire, there and back, and what the vault takes from it."""
    request = vault_peer_pb2.ResolveRequest()
    for namespace, names, identity in asked:
        request.questions.add(namespace=namespace, names=names, service_identity=identity)
    sent = request.SerializeToString()
    answered = await answer_of(resolving(located), sent)
    return sent, answered, await client_of(answered).resolve(asked)


def client_of(answered: bytes) -> GrpcMetadataClient:
    return GrpcMetadataClient(cast(grpc.aio.Channel, CannedChannel(answered)))


def resolving(located: dict[Address, Location]) -> ResolveNames:
    return ResolveNames(cast(Reader, CannedReader(located)))


async def answer_of(resolve: ResolveNames, request: bytes) -> bytes:
    """What metadata makes of a request, but for its query."""
    parsed = vault_peer_pb2.ResolveRequest.FromString(request)
    questions = [question_from_proto(question) for question in parsed.questions]
    return answers_to_proto(await resolve.resolve(questions)).SerializeToString()
