"""Tools that know no proto find out what is served, on both services' ports."""

import asyncio
import base64
import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from chassis.grpc_client import open_channel
from splitkeep.files import write_json
from tests.e2e.go_tools import INSTALL_SECONDS, go_tool
from tests.e2e.stack import ROOT, Stack
from tests.integration.chassis.reflected import REFLECTION_SERVICES, reflected

SERVICES = {
    "vault": "splitkeep.vault.v1.SecureValues",
    "metadata": "splitkeep.metadata.v1.SecureValues",
}
CALLS = 20
CALL_SECONDS = 120

needs_go = pytest.mark.timeout(INSTALL_SECONDS + CALL_SECONDS)


@pytest.mark.parametrize("reflecting", REFLECTION_SERVICES)
@pytest.mark.parametrize("port", SERVICES)
def test_both_services_describe_themselves_in_both_versions(
    stack: Stack, port: str, reflecting: str
) -> None:
    async def ask() -> list[Any]:
        channel = open_channel(stack.info[port], ca=Path(stack.info["ca"]))
        async with channel:
            return [
                *await reflected(channel, reflecting, list_services=""),
                *await reflected(channel, reflecting, file_containing_symbol=SERVICES[port]),
            ]

    listed, described = asyncio.run(ask())

    names = {service.name for service in listed.list_services_response.service}
    assert {SERVICES[port], *REFLECTION_SERVICES} <= names
    assert described.file_descriptor_response.file_descriptor_proto


def run(program: str, *words: str) -> str:
    done = subprocess.run(
        [program, *words], capture_output=True, text=True, check=False, timeout=CALL_SECONDS
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs_go
@pytest.mark.parametrize("port", SERVICES)
def test_grpcurl_describes_every_service_and_every_method(stack: Stack, port: str) -> None:
    grpcurl = go_tool("github.com/fullstorydev/grpcurl/cmd/grpcurl", "latest")
    target = ("-cacert", stack.info["ca"], stack.info[port])

    services = run(grpcurl, *target, "list").split()
    methods = [
        m for service in services for m in run(grpcurl, *target, "list", service).split()
    ]
    described = run(grpcurl, *target, "describe", *methods[:1])

    assert set(services) >= {SERVICES[port], *REFLECTION_SERVICES}
    assert len(methods) > len(services)
    assert "is a method" in described
    for symbol in (*services, *methods):
        assert symbol.rpartition(".")[2] in run(grpcurl, *target, "describe", symbol)


@needs_go
@pytest.mark.parametrize(
    ("symbol", "kind"),
    [
        ("splitkeep.vault.v1.DecryptFailure", "an enum"),
        ("splitkeep.vault.v1.DecryptFailure.DECRYPT_FAILURE_NOT_FOUND", "an enum value"),
        ("splitkeep.vault.v1.DECRYPT_FAILURE_NOT_FOUND", "an enum value"),
        ("splitkeep.vault.v1.DecryptResult", "a message"),
        ("splitkeep.vault.v1.DecryptResult.value", "a field"),
        ("splitkeep.vault.v1.DecryptResult.outcome", "a one-of"),
    ],
)
def test_grpcurl_describes_every_kind_of_symbol(stack: Stack, symbol: str, kind: str) -> None:
    grpcurl = go_tool("github.com/fullstorydev/grpcurl/cmd/grpcurl", "latest")

    described = run(
        grpcurl, "-cacert", stack.info["ca"], stack.info["vault"], "describe", symbol
    )

    assert f"is {kind}" in described


@needs_go
def test_grpcurl_decrypts_without_a_proto(stack: Stack, tmp_path: Path) -> None:
    grpcurl = go_tool("github.com/fullstorydev/grpcurl/cmd/grpcurl", "latest")
    stack.create("by-grpcurl", "canary-grpcurl", decrypters=["k6-cloud"])

    answered = run(
        grpcurl,
        *(
            "-cacert",
            stack.info["ca"],
            "-d",
            '{"namespace": "default", "names": ["by-grpcurl"]}',
        ),
        *("-H", f"x-access-token: {stack.info['tokens']['decrypter']}"),
        *(stack.info["vault"], "splitkeep.vault.v1.Decrypter/DecryptSecureValues"),
    )

    (result,) = json.loads(answered)["results"]
    assert base64.b64decode(result["value"]) == b"canary-grpcurl"


@needs_go
@pytest.mark.parametrize("version", ["latest", "v0.120.0"])
def test_ghz_loads_reads_and_writes_without_a_proto(
    stack: Stack, tmp_path: Path, version: str
) -> None:
    ghz = go_tool("github.com/bojand/ghz/cmd/ghz", version)
    name = f"by-ghz-{version.replace('.', '-')}"
    stack.create(name, "canary-ghz", decrypters=["k6-cloud"])
    draft = {"namespace": "default", "description": "d", "decrypters": ["k6-cloud"]}
    value = base64.b64encode(b"canary-ghz").decode()
    calls: dict[str, tuple[str, Any]] = {
        "splitkeep.vault.v1.Decrypter/DecryptSecureValues": (
            "decrypter",
            {"namespace": "default", "names": [name]},
        ),
        "decryptv1beta1.SecureValueDecrypter/DecryptSecureValues": (
            "decrypter",
            {"namespace": "default", "names": [name]},
        ),
        "splitkeep.vault.v1.SecureValues/CreateSecureValue": (
            "admin",
            {
                "draft": draft | {"name": f"{name}-{{{{.RequestNumber}}}}"},
                "value": value,
            },
        ),
        "splitkeep.vault.v1.SecureValues/UpdateSecureValue": (
            "admin",
            {"draft": draft | {"name": name}, "value": value},
        ),
    }
    for method, (token, data) in calls.items():
        write_json(tmp_path / "token", {"x-access-token": stack.info["tokens"][token]})
        report = json.loads(
            run(
                ghz,
                *(f"--cacert={stack.info['ca']}", f"--metadata-file={tmp_path / 'token'}"),
                *(f"--call={method}", f"--data={json.dumps(data)}", f"--total={CALLS}"),
                *("--concurrency=1", "--format=json", stack.info["vault"]),
            )
        )
        assert report["statusCodeDistribution"] == {"OK": CALLS}, (method, report)


@needs_go
@pytest.mark.parametrize("version", ["latest", "v0.120.0"])
@pytest.mark.parametrize("name", ["single", "batch", "mixed-decrypt", "mixed-write"])
def test_the_configurations_for_ghz_by_hand_work(
    stack: Stack, tmp_path: Path, name: str, version: str
) -> None:
    ghz = go_tool("github.com/bojand/ghz/cmd/ghz", version)
    prepare(stack.directory)
    changed = json.loads((ROOT / "tests/bench/ghz" / f"{name}.json").read_text())
    state = f"{stack.directory}/"
    text = json.dumps(changed | {"host": stack.info["vault"], "duration": "1s"})
    (tmp_path / "config.json").write_text(text.replace(".splitkeep/", state))

    report = json.loads(run(ghz, "--config", str(tmp_path / "config.json"), "--format=json"))

    assert set(report["statusCodeDistribution"]) == {"OK"}


@cache
def prepare(state: Path) -> None:
    """The stack has the values and files that the configurations name."""
    run(sys.executable, "-m", "tests.bench", "--state", str(state), "--prepare", "--quick")
