"""What a client of the vault sees, over TLS and with tokens, on all four services."""

import asyncio
import json
from io import StringIO
from typing import Any

import grpc
import pytest

from chassis.errors import (
    AlreadyExistsError,
    InvalidArgumentError,
    KnownError,
    Rule,
    UnauthenticatedError,
    UnavailableError,
)
from chassis.grpc_client import call, stream
from chassis.log_level import LogLevel
from chassis.postgres import Database
from chassis.sensitive import Sensitive
from chassis.telemetry import configure_logging
from protos.decryptv1 import decrypt_pb2 as decryptv1
from protos.decryptv1 import decrypt_pb2_grpc as decryptv1_grpc
from protos.decryptv1beta1 import decrypt_pb2 as decryptv1beta1
from protos.decryptv1beta1 import decrypt_pb2_grpc as decryptv1beta1_grpc
from protos.splitkeep.metadata.v1 import secure_value_pb2
from protos.splitkeep.vault.v1 import decrypter_pb2, secure_values_pb2
from protos.splitkeep.vault.v1.decrypter_pb2_grpc import DecrypterStub
from protos.splitkeep.vault.v1.secure_values_pb2_grpc import SecureValuesStub
from tests.fakes.vault_svc.metadata import InMemoryMetadata
from tests.fakes.vault_svc.vault import IDENTITY, NAMESPACE
from tests.integration.chassis.reflected import REFLECTION_SERVICES, reflected
from tests.integration.vault_svc.conftest import Serving
from tests.integration.vault_svc.installation import Installation
from tests.integration.vault_svc.peer import InMemoryPeer
from vault_svc.grpc_api.services import SERVICE_NAMES

CANARY = b"canary-7f3a9c-hunter2"
GRAFANA = {
    "decryptv1": (decryptv1, decryptv1_grpc),
    "decryptv1beta1": (decryptv1beta1, decryptv1beta1_grpc),
}


class Client:
    """Calls as a client would, each with a token."""

    def __init__(self, channel: grpc.aio.Channel, installation: Installation) -> None:
        self.channel, self.installation = channel, installation

    async def create(self, name: str, value: bytes = CANARY, **more: Any) -> Any:
        request = secure_values_pb2.CreateSecureValueRequest(
            draft=a_draft(name), value=value, **more
        )
        return await self.call(
            SecureValuesStub(self.channel).CreateSecureValue,
            request,
            self.installation.writer(),
        )

    async def update(self, name: str, value: bytes, **more: Any) -> Any:
        request = secure_values_pb2.UpdateSecureValueRequest(
            draft=a_draft(name), value=value, **more
        )
        return await self.call(
            SecureValuesStub(self.channel).UpdateSecureValue,
            request,
            self.installation.writer(),
        )

    async def decrypt(self, *names: str, token: Sensitive[str] | None = None) -> Any:
        request = decrypter_pb2.DecryptSecureValuesRequest(namespace=NAMESPACE, names=names)
        return await self.call(
            DecrypterStub(self.channel).DecryptSecureValues,
            request,
            token or self.installation.token(),
        )

    async def decrypt_as_grafana(
        self, package: str, *names: str, token: Sensitive[str] | None = None
    ) -> dict[str, tuple[str, str]]:
        messages, stubs = GRAFANA[package]
        method = stubs.SecureValueDecrypterStub(self.channel).DecryptSecureValues
        request = messages.SecureValueDecryptRequest(namespace=NAMESPACE, names=names)
        answer = await self.call(method, request, token or self.installation.token())
        return {
            name: (one.WhichOneof("result"), one.value or one.error_message)
            for name, one in answer.decrypted_values.items()
        }

    async def call(self, method: Any, request: Any, token: Sensitive[str] | None) -> Any:
        return await call(method, request, deadline_seconds=10, token=token)


def a_draft(name: str) -> secure_value_pb2.SecureValueDraft:
    return secure_value_pb2.SecureValueDraft(
        namespace=NAMESPACE, name=name, description="a password", decrypters=[IDENTITY]
    )


@pytest.fixture
def client(serving: Serving, installation: Installation) -> Client:
    return Client(serving.channel, installation)


@pytest.mark.parametrize("package", GRAFANA)
async def test_grafanas_client_gets_value_refusal_and_absence_in_one_call(
    client: Client, known: InMemoryMetadata, package: str
) -> None:
    await client.create("mine")
    await client.create("theirs")
    known.allow(NAMESPACE, "theirs", "k6-cloud")

    assert await client.decrypt_as_grafana(package, "mine", "theirs", "absent", "mine") == {
        "mine": ("value", CANARY.decode()),
        "theirs": ("error_message", "not authorized"),
        "absent": ("error_message", "not found"),
    }


@pytest.mark.parametrize("package", GRAFANA)
async def test_without_permission_grafanas_client_learns_nothing(
    client: Client, installation: Installation, package: str
) -> None:
    await client.create("mine")
    token = installation.token(permissions=())

    answers = await client.decrypt_as_grafana(package, "mine", "absent", token=token)

    assert set(answers.values()) == {("error_message", "not authorized")}


@pytest.mark.parametrize("package", GRAFANA)
async def test_what_is_no_text_fails_on_grafanas_wire_alone(
    client: Client, package: str
) -> None:
    await client.create("binary", b"\xff\x00\xfe")

    as_grafana = await client.decrypt_as_grafana(package, "binary")
    as_ours = await client.decrypt("binary")

    assert as_grafana == {"binary": ("error_message", "decryption failed")}
    assert as_ours.results[0].value == b"\xff\x00\xfe"


@pytest.mark.parametrize("package", GRAFANA)
async def test_what_would_pass_a_clients_limit_is_refused_for_good(
    client: Client, package: str
) -> None:
    names = [f"n{number}" for number in range(172)]
    for name in names:
        await client.create(name, b"x" * 24_576)

    with pytest.raises(InvalidArgumentError, match="ask for fewer names"):
        await client.decrypt_as_grafana(package, *names)

    fitting = await client.decrypt_as_grafana(package, *names[:169])
    assert len(fitting) == 169


async def test_our_own_answers_have_bytes_versions_and_typed_failures(
    client: Client, known: InMemoryMetadata
) -> None:
    await client.create("mine", b"old")
    await client.update("mine", b"new")
    await client.create("theirs")
    known.allow(NAMESPACE, "theirs")

    answer = await client.decrypt("absent", "mine", "theirs", "mine")

    assert [(r.name, r.value, r.failure, r.version) for r in answer.results] == [
        ("absent", b"", decrypter_pb2.DECRYPT_FAILURE_NOT_FOUND, 0),
        ("mine", b"new", 0, 2),
        ("theirs", b"", decrypter_pb2.DECRYPT_FAILURE_NOT_AUTHORIZED, 0),
    ]


async def test_a_stream_carries_what_no_single_message_could(
    client: Client, serving: Serving, installation: Installation
) -> None:
    names = [f"n{number}" for number in range(200)]
    for name in names:
        await client.create(name, b"x" * 24_576)
    request = decrypter_pb2.StreamSecureValuesRequest(namespace=NAMESPACE, names=names)

    parts = [
        part
        async for part in stream(
            DecrypterStub(serving.channel).StreamSecureValues,
            request,
            deadline_seconds=30,
            token=installation.token(),
        )
    ]

    assert [result.name for part in parts for result in part.results] == names
    assert max(part.ByteSize() for part in parts) < 4 * 1024 * 1024


async def test_a_create_answers_the_secure_value_without_its_value(client: Client) -> None:
    answer = await client.create("mine")

    assert (answer.secure_value.name, answer.secure_value.version) == ("mine", 1)
    assert CANARY not in answer.SerializeToString()


async def test_an_update_heeds_its_preconditions(client: Client) -> None:
    await client.create("mine", b"old")

    with pytest.raises(KnownError) as error:
        await client.update(
            "mine", b"new", preconditions=secure_value_pb2.Preconditions(uid="another")
        )

    assert type(error.value).__name__ == "ConflictError"
    assert (await client.decrypt("mine")).results[0].value == b"old"


async def test_a_dry_run_makes_nothing(client: Client, known: InMemoryMetadata) -> None:
    answer = await client.create("mine", dry_run=True)

    assert answer.secure_value.name == "mine"
    assert known.live == {}


async def test_a_value_that_is_too_long_is_told_with_all_else(client: Client) -> None:
    request = secure_values_pb2.CreateSecureValueRequest(
        draft=secure_value_pb2.SecureValueDraft(namespace=NAMESPACE, name="a"),
        value=b"x" * 24_577,
    )

    with pytest.raises(InvalidArgumentError) as error:
        await client.call(
            SecureValuesStub(client.channel).CreateSecureValue,
            request,
            client.installation.writer(),
        )

    assert [violation.field for violation in error.value.violations] == [
        "spec.description",
        "spec.value",
    ]


async def test_a_create_sent_again_under_its_key_happens_once(
    client: Client, known: InMemoryMetadata
) -> None:
    first = await client.create("mine", idempotency_key="create-1")
    await client.update("mine", b"newer")

    assert await client.create("mine", idempotency_key="create-1") == first
    assert known.last_versions == {(NAMESPACE, "mine"): 2}
    assert (await client.decrypt("mine")).results[0].value == b"newer"


async def test_of_16_equal_creates_at_once_one_happens_and_all_are_told(
    client: Client, known: InMemoryMetadata
) -> None:
    made = await asyncio.gather(
        *(client.create("mine", idempotency_key="create-1") for _ in range(16))
    )

    assert made == [made[0]] * 16
    assert known.last_versions == {(NAMESPACE, "mine"): 1}


async def test_another_create_under_a_key_is_a_violation_of_the_key(client: Client) -> None:
    await client.create("mine", idempotency_key="create-1")

    for name, value, key in (
        ("mine", b"another", "create-1"),
        ("other", CANARY, "create-1"),
        ("other", CANARY, "x" * 256),
    ):
        with pytest.raises(InvalidArgumentError) as error:
            await client.create(name, value, idempotency_key=key)
        assert [(v.field, v.rule) for v in error.value.violations] == [
            ("Idempotency-Key", Rule.INVALID)
        ]


async def test_two_callers_do_not_meet_under_one_key(client: Client) -> None:
    first = await client.create("mine", idempotency_key="create-1")
    request = secure_values_pb2.CreateSecureValueRequest(
        draft=a_draft("mine"), value=CANARY, idempotency_key="create-1"
    )
    other = client.installation.token(
        identity="", permissions=(), roles=("Admin",), subject="user:another"
    )

    with pytest.raises(AlreadyExistsError):
        await client.call(SecureValuesStub(client.channel).CreateSecureValue, request, other)
    assert (await client.create("mine", idempotency_key="create-1")) == first


async def test_the_key_rests_wrapped_and_bound_to_what_it_is_for(
    client: Client, database: Database
) -> None:
    await client.create("mine", idempotency_key="create-1")

    rows = await database.fetch(
        "SELECT purpose, state, octet_length(wrapped_key), get_byte(wrapped_key, 0) "
        "FROM data_keys ORDER BY purpose"
    )
    assert [tuple(row) for row in rows] == [
        ("fingerprint", "retired", 61, 0x41),
        ("seal", "active", 61, 0x31),
    ]


async def test_a_text_that_contains_the_value_is_refused_and_goes_no_further(
    client: Client, peer: InMemoryPeer
) -> None:
    draft = a_draft("mine")
    draft.description = f"it is {CANARY.decode()}"
    draft.annotations["note"] = CANARY.decode()
    request = secure_values_pb2.CreateSecureValueRequest(draft=draft, value=CANARY)

    with pytest.raises(InvalidArgumentError) as error:
        await client.call(
            SecureValuesStub(client.channel).CreateSecureValue,
            request,
            client.installation.writer(),
        )

    assert [(v.field, v.rule) for v in error.value.violations] == [
        ("metadata.annotations", Rule.FORBIDDEN),
        ("spec.description", Rule.FORBIDDEN),
    ]
    assert CANARY.decode() not in str(error.value)
    assert [CANARY in heard.SerializeToString() for heard in peer.requests] == [False]


async def test_a_value_through_a_third_party_keeper_is_a_violation_of_spec(
    client: Client, known: InMemoryMetadata
) -> None:
    known.keeper = "aws-1"

    for dry_run in (False, True):
        with pytest.raises(InvalidArgumentError, match="third-party keeper") as error:
            await client.create("mine", dry_run=dry_run)
        assert [(v.field, v.rule) for v in error.value.violations] == [("spec", Rule.FORBIDDEN)]


async def test_a_draft_without_a_namespace_is_refused(client: Client) -> None:
    with pytest.raises(InvalidArgumentError) as error:
        await client.call(
            SecureValuesStub(client.channel).CreateSecureValue,
            secure_values_pb2.CreateSecureValueRequest(value=b"x"),
            client.installation.writer(),
        )

    assert [v.field for v in error.value.violations] == ["metadata.namespace"]


async def test_metadata_never_hears_the_value_not_even_in_a_field_nobody_knows(
    client: Client, peer: InMemoryPeer
) -> None:
    unknown_field = bytes([0xBA, 0x3E, len(CANARY)]) + CANARY  # number 999, as bytes
    draft = secure_value_pb2.SecureValueDraft.FromString(
        a_draft("mine").SerializeToString() + unknown_field
    )
    assert CANARY in draft.SerializeToString()
    request = secure_values_pb2.CreateSecureValueRequest(draft=draft, value=CANARY)

    await client.call(
        SecureValuesStub(client.channel).CreateSecureValue,
        request,
        client.installation.writer(),
    )

    assert len(peer.requests) == 2
    for heard in peer.requests:
        assert CANARY not in heard.SerializeToString()


@pytest.mark.parametrize("token", [None, Sensitive("nonsense")], ids=["none", "nonsense"])
async def test_without_a_token_nothing_is_served(
    client: Client, serving: Serving, token: Sensitive[str] | None
) -> None:
    decrypter, values = DecrypterStub(serving.channel), SecureValuesStub(serving.channel)
    calls = [
        (decrypter.DecryptSecureValues, decrypter_pb2.DecryptSecureValuesRequest()),
        (values.CreateSecureValue, secure_values_pb2.CreateSecureValueRequest()),
        (values.UpdateSecureValue, secure_values_pb2.UpdateSecureValueRequest()),
    ]

    for method, request in calls:
        with pytest.raises(UnauthenticatedError):
            await client.call(method, request, token)


async def test_an_id_token_beside_the_token_makes_it_a_users_call(
    client: Client, serving: Serving, installation: Installation
) -> None:
    await client.create("mine")
    request = decrypter_pb2.DecryptSecureValuesRequest(namespace=NAMESPACE, names=["mine"])

    answer = await call(
        DecrypterStub(serving.channel).DecryptSecureValues,
        request,
        deadline_seconds=10,
        token=installation.token(),
        metadata=(("x-id-token", "a person"),),
    )

    assert answer.results[0].failure == decrypter_pb2.DECRYPT_FAILURE_NOT_AUTHORIZED


async def test_an_outage_of_metadata_makes_the_whole_call_unavailable(
    client: Client, peer: InMemoryPeer
) -> None:
    await client.create("mine")
    peer.failure = RuntimeError("down")

    with pytest.raises(UnavailableError):
        await client.decrypt_as_grafana("decryptv1beta1", "mine")

    peer.failure = None
    assert (await client.decrypt("mine")).results[0].value == CANARY


async def test_every_decision_is_logged_and_no_line_holds_a_value_or_token(
    client: Client, serving: Serving, installation: Installation
) -> None:
    lines = StringIO()
    configure_logging("vault", LogLevel.DEBUG, lines)
    await client.create("mine")
    await client.create("mine-too")
    token = installation.token()
    request = decrypter_pb2.DecryptSecureValuesRequest(
        namespace=NAMESPACE, names=["mine", "absent", "mine-too"]
    )

    await call(
        DecrypterStub(serving.channel).DecryptSecureValues,
        request,
        deadline_seconds=10,
        token=token,
        metadata=(("x-grafana-service-identity-name", "says-k6" + "x" * 300),),
    )

    logged = [json.loads(line) for line in lines.getvalue().splitlines()]
    decisions = [line for line in logged if line["event"] == "decrypt"]
    assert [(d["identity"], d["names"], d["decision"]) for d in decisions] == [
        (IDENTITY, ["mine", "mine-too"], "granted"),
        (IDENTITY, ["absent"], "not found"),
    ]
    assert decisions[0]["claimed_identity"] == "(malformed)"  # longer than an identity may be
    assert CANARY.decode() not in lines.getvalue()
    assert token.reveal() not in lines.getvalue()
    assert CANARY not in serving.metrics.exposition()


async def test_decisions_are_counted(client: Client, serving: Serving) -> None:
    await client.create("mine")
    await client.decrypt("mine", "absent")

    exposition = serving.metrics.exposition().decode()
    assert 'vault_decrypt_decisions_total{answer="granted"} 1.0' in exposition
    assert 'vault_decrypt_decisions_total{answer="not_found"} 1.0' in exposition


@pytest.mark.parametrize("reflecting", REFLECTION_SERVICES)
async def test_the_services_are_found_by_reflection(serving: Serving, reflecting: str) -> None:
    (listed,) = await reflected(serving.channel, reflecting, list_services="")
    (described,) = await reflected(
        serving.channel,
        reflecting,
        file_containing_symbol="splitkeep.vault.v1.SecureValues.CreateSecureValue",
    )

    names = {service.name for service in listed.list_services_response.service}
    assert names >= SERVICE_NAMES
    assert described.file_descriptor_response.file_descriptor_proto
