"""Which names of a peer's certificate count, over real TLS."""

import ipaddress
from typing import Any

import pytest
from cryptography import x509
from google.protobuf.wrappers_pb2 import StringValue

from chassis.errors import PermissionDeniedError
from chassis.grpc_client import call
from chassis.grpc_server import Tls as ServerTls
from chassis.grpc_server import peer_sans
from tests.integration.chassis.certificates import Authority
from tests.integration.chassis.echo import EchoStub
from tests.integration.chassis.harness import Harness

HELLO = StringValue(value="hello")
PEER = "the-vault"
OTHER = x509.DNSName("other")
# The text of a UTF8String, as a user principal name has it.
PRINCIPAL = x509.OtherName(
    x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x09" + PEER.encode()
)
NOT_THE_PEER: dict[str, tuple[str, list[x509.GeneralName]]] = {
    "a URI": ("x", [x509.UniformResourceIdentifier(PEER)]),
    "a SPIFFE id": ("x", [x509.UniformResourceIdentifier(f"spiffe://{PEER}")]),
    "an e-mail address": ("x", [x509.RFC822Name(PEER)]),
    "an e-mail address at the name": ("x", [x509.RFC822Name(f"a@{PEER}")]),
    "an IP address": ("x", [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
    "a registered id": ("x", [x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))]),
    "a directory name": ("x", [x509.DirectoryName(x509.Name([]))]),
    "another kind of name": ("x", [PRINCIPAL]),
    "a name that goes on after a NUL": ("x", [x509.DNSName(f"{PEER}\0.example")]),
    "a name that ends with a NUL": ("x", [x509.DNSName(f"{PEER}\0")]),
    "a name that begins with a NUL": ("x", [x509.DNSName(f"\0{PEER}")]),
    "the common name alone": (PEER, []),
    "the common name beside another": (PEER, [OTHER]),
    "another case": ("x", [x509.DNSName(PEER.upper())]),
    "a final dot": ("x", [x509.DNSName(f"{PEER}.")]),
    "a space before it": ("x", [x509.DNSName(f" {PEER}")]),
    "two in one": ("x", [x509.DNSName(f"{PEER},other")]),
    "a wildcard": ("x", [x509.DNSName("*")]),
    "a name below it": ("x", [x509.DNSName(f"a.{PEER}")]),
    "a name above it": ("x", [x509.DNSName("the")]),
    "every kind but a DNS name": (
        PEER,
        [OTHER, x509.UniformResourceIdentifier(PEER), x509.RFC822Name(PEER), PRINCIPAL],
    ),
}


async def names(_text: str, context: Any) -> str:
    return ",".join(sorted(peer_sans(context)))


async def called(
    harness: Harness, common_name: str, alternatives: list[x509.GeneralName], allowed: str
) -> str:
    peers = Authority(harness.folder, "peers")
    pair = peers.issue_for(common_name, alternatives, file="peer")
    harness.tls = ServerTls(
        harness.tls.certificate_chain, harness.tls.private_key, peers.certificate
    )
    port = await harness.serve(names, peers=frozenset({allowed}))
    channel = await harness.channel(
        port, certificate_chain=pair.certificate, private_key=pair.private_key
    )
    return str((await call(EchoStub(channel).Once, HELLO, deadline_seconds=5)).value)


@pytest.mark.parametrize("case", NOT_THE_PEER)
async def test_only_a_whole_dns_name_of_the_certificate_is_a_peers_name(
    harness: Harness, case: str
) -> None:
    with pytest.raises(PermissionDeniedError):
        await called(harness, *NOT_THE_PEER[case], allowed=PEER)


@pytest.mark.parametrize("allowed", ["*", "*.example", f"{PEER}."])
async def test_a_peer_is_never_a_pattern_of_names(harness: Harness, allowed: str) -> None:
    with pytest.raises(PermissionDeniedError):
        await called(harness, "x", [x509.DNSName(allowed)], allowed=allowed)


async def test_a_dns_name_counts_in_any_company(harness: Harness) -> None:
    alternatives = [
        x509.UniformResourceIdentifier("spiffe://other"),
        x509.DNSName(f"{PEER}\0"),
        x509.DNSName(PEER),
        OTHER,
    ]

    assert await called(harness, "x", alternatives, allowed=PEER) == f"other,{PEER}"


async def test_the_second_call_of_a_connection_is_judged_as_the_first(
    harness: Harness,
) -> None:
    peers = Authority(harness.folder, "peers")
    pair = peers.issue_for("x", [x509.RFC822Name(PEER)], file="peer")
    harness.tls = ServerTls(
        harness.tls.certificate_chain, harness.tls.private_key, peers.certificate
    )
    port = await harness.serve(names, peers=frozenset({PEER}))
    channel = await harness.channel(
        port, certificate_chain=pair.certificate, private_key=pair.private_key
    )
    for _ in range(2):
        with pytest.raises(PermissionDeniedError):
            await call(EchoStub(channel).Once, HELLO, deadline_seconds=5)
