"""What a container of the production stack may do, and what an onlooker sees of its secrets."""

import json
import re
from pathlib import Path

import pytest

from tests.e2e.compose.engine.docker import CommandError
from tests.e2e.compose.production import PROCESSES, SERVICES, Production
from tests.e2e.stack import MARK, a_canary

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

IMAGE_USER = 10001
SHORTEST_SECRET = 16


def status(production: Production, service: str) -> dict[str, str]:
    lines = production.execute(service, "cat", "/proc/1/status").splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


@pytest.mark.parametrize("service", SERVICES)
def test_the_first_process_is_not_root_and_has_no_capability(
    production: Production, service: str
) -> None:
    found = status(production, service)

    users = {int(uid) for uid in found["Uid"].split()}
    assert 0 not in users
    assert users == {IMAGE_USER} or service not in PROCESSES
    assert {int(found[kind], 16) for kind in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert found["NoNewPrivs"] == "1"


@pytest.mark.parametrize("service", SERVICES)
def test_the_file_system_is_read_only(production: Production, service: str) -> None:
    with pytest.raises(CommandError, match="Read-only file system"):
        production.execute(service, "touch", "/probe")


@pytest.mark.parametrize("service", SERVICES)
def test_no_core_is_dumped(production: Production, service: str) -> None:
    limits = production.execute(service, "cat", "/proc/1/limits")

    assert re.search(r"^Max core file size +0 +0 ", limits, flags=re.MULTILINE)


@pytest.mark.parametrize("service", SERVICES)
def test_memory_and_processes_are_bounded(production: Production, service: str) -> None:
    host = production.inspect(service)["HostConfig"]

    assert host["Memory"] > 0
    assert host["PidsLimit"] > 0
    assert host["Privileged"] is False


def test_the_image_holds_the_code_and_nothing_else(production: Production) -> None:
    packages = production.execute("gateway", "ls", "-A", "/app").split()

    assert sorted(packages) == [
        "chassis",
        "gateway",
        "metadata_svc",
        "protos",
        "splitkeep",
        "vault_svc",
    ]


def test_nothing_in_the_image_belongs_to_the_user_that_runs_it(production: Production) -> None:
    find = (
        "find",
        "/app",
        "/opt/venv",
        "(",
        "-user",
        str(IMAGE_USER),
        "-o",
        "-perm",
        "-o=w",
        ")",
    )

    assert production.execute("gateway", *find, "-not", "-type", "l") == ""


@pytest.mark.parametrize("tool", ["pip", "gcc", "cc", "make"])
def test_the_environment_can_neither_compile_nor_install(
    production: Production, tool: str
) -> None:
    look = f"import pathlib; print(pathlib.Path('/opt/venv/bin/{tool}').exists())"

    assert production.execute("gateway", "python", "-c", look).strip() == "False"


def test_no_secret_is_in_the_settings_or_the_logs_of_a_container(
    production: Production,
) -> None:
    production.create("watched", a_canary())
    production.decrypt("watched")
    seen = {
        service: json.dumps(production.inspect(service))
        + production.engine.docker("logs", production.container(service))
        for service in (*SERVICES, "metadata-migrate", "vault-migrate")
    }
    seen["image"] = production.engine.docker(
        "history", "--no-trunc", f"{production.project}:latest"
    )

    found = {
        (service, label)
        for service, text in seen.items()
        for label, secret in secret_texts(production)
        if secret in text
    }

    assert found == set()


def secret_texts(production: Production) -> list[tuple[str, str]]:
    """Each text that nobody may see, with a label that may be printed."""
    texts = [("a value", MARK)]
    private = [path for path in production.secrets.rglob("*") if is_private(path)]
    for path in private:
        lines = path.read_text().splitlines()
        texts += [(path.name, line) for line in lines if not line.startswith("-----")]
    keks = json.loads((production.secrets / "vault" / "kek.json").read_text())["keks"]
    texts += [("the KEK", key) for key in keks.values()]
    assert all(len(text) >= SHORTEST_SECRET or text == MARK for _, text in texts)
    return texts


def is_private(path: Path) -> bool:
    return path.suffix == ".key" or path.name in {"password", "dsn"} or "token" in path.name
