"""`splitkeep dev` from start to end: two databases, three processes, one command."""

import json
import os
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest

from splitkeep.environment import ROOT
from splitkeep.local.settings import PORT_OPTIONS
from splitkeep.local.state import State
from tests.fakes.proxies import environment_of_proxy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

T = TypeVar("T")
START_SECONDS = 120.0
STOP_SECONDS = 90.0
SECRET = "canary-of-the-dev-test"
COLLECTION = "/apis/secret.grafana.app/v1beta1/namespaces/default/securevalues"


def await_value(read: Callable[[], T | None], seconds: float = START_SECONDS) -> T:
    """What `read` answers once it is not None; a file tells nobody that it was written."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = read()
        if value is not None:
            return value
        time.sleep(0.05)
    pytest.fail("it did not come in time")


@dataclass(frozen=True)
class Workplace:
    """A state directory with its own ports, and the commands that use it."""

    state: State
    environ: Mapping[str, str]

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "splitkeep", "dev", *words],
            cwd=ROOT,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "splitkeep", *words],
            cwd=ROOT,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def description(self) -> dict[str, Any] | None:
        try:
            content: dict[str, Any] = json.loads(self.state.description.read_bytes())
        except OSError:
            return None
        return content

    @contextmanager
    def running(self, *words: str) -> Iterator[dict[str, Any]]:
        process = self.start(*words)
        try:
            yield await_value(lambda: self._described_or_dead(process))
        finally:
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=STOP_SECONDS)
            assert process.returncode == 0, output
            assert SECRET not in output

    def _described_or_dead(self, process: subprocess.Popen[str]) -> dict[str, Any] | None:
        if process.poll() is not None:
            pytest.fail(f"dev ended: {process.communicate()[0]}")
        return self.description()


@contextmanager
def a_workplace(directory: Path) -> Iterator[Workplace]:
    free = {option.variable: "0" for option in PORT_OPTIONS}
    inherited = {n: v for n, v in os.environ.items() if not n.startswith("SPLITKEEP_")}
    state = State(directory)
    chosen = {"SPLITKEEP_STATE_DIR": str(directory), "PYTHONPATH": str(ROOT)}
    yield Workplace(state, {**inherited, **free, **chosen})
    if directory.exists():
        state.erase()


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Workplace]:
    """A place where nothing runs."""
    with a_workplace(tmp_path / "state") as made:
        yield made


@pytest.fixture(scope="module")
def busy_workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    """A place where one stack runs for all tests of this file that leave it as it is."""
    with a_workplace(tmp_path_factory.mktemp("dev") / "state") as made, made.running():
        yield made


@pytest.fixture
def stack(busy_workplace: Workplace) -> dict[str, Any]:
    """What dev.json says of that stack now."""
    return await_value(busy_workplace.description)


def rest(stack: Mapping[str, Any]) -> httpx2.Client:
    return httpx2.Client(
        base_url=stack["gateway"],
        verify=ssl.create_default_context(cafile=stack["ca"]),
        headers={"Authorization": f"Bearer {stack['tokens']['admin']}"},
        timeout=30,
    )


def create(stack: Mapping[str, Any], name: str) -> None:
    """Creates a secure value; waits, as the answer says, for a service that is coming back."""
    spec = {"description": "a test", "value": SECRET, "decrypters": ["k6-cloud"]}
    body = {"metadata": {"name": name}, "spec": spec}
    with rest(stack) as client:

        def answer() -> httpx2.Response | None:
            response = client.post(COLLECTION, json=body)
            return None if response.status_code == 503 else response

        final = await_value(answer, 30)
    assert final.status_code == 201, final.text


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def is_dead(pid: int) -> bool | None:
    return None if is_alive(pid) else True


def test_a_secret_is_created_over_rest_and_decrypted_on_the_command_line(
    busy_workplace: Workplace, stack: dict[str, Any]
) -> None:
    create(stack, "db-password")

    read = busy_workplace.run("decrypt", "db-password")
    missing = busy_workplace.run("decrypt", "--json", "db-password", "no-such")

    assert (read.returncode, read.stdout, read.stderr) == (0, SECRET, "")
    assert missing.returncode == 1
    assert json.loads(missing.stdout)["no-such"] == {"error": "not found"}


def test_the_description_is_private_and_names_running_processes(
    busy_workplace: Workplace, stack: dict[str, Any]
) -> None:
    assert stat.S_IMODE(busy_workplace.state.description.stat().st_mode) == 0o600
    assert [is_alive(pid) for pid in stack["pids"].values()] == [True] * 3


def test_a_second_start_on_the_same_state_is_refused(busy_workplace: Workplace) -> None:
    second = busy_workplace.run("dev")

    assert second.returncode == 1
    assert "a stack is running" in second.stderr


@pytest.mark.usefixtures("stack")
def test_a_reset_under_a_running_stack_is_refused_and_destroys_nothing(
    busy_workplace: Workplace,
) -> None:
    key = busy_workplace.state.kek_file.read_bytes()

    refused = busy_workplace.run("dev", "--reset")

    assert refused.returncode == 1
    assert busy_workplace.state.kek_file.read_bytes() == key


@pytest.mark.parametrize("name", ["metadata", "vault", "gateway"])
def test_a_process_that_is_killed_comes_back_under_a_new_id(
    busy_workplace: Workplace, stack: dict[str, Any], name: str
) -> None:
    def renewed() -> bool | None:
        now = busy_workplace.description()
        return True if now and now["pids"][name] != stack["pids"][name] else None

    create(stack, f"before-{name}")
    os.kill(stack["pids"][name], signal.SIGKILL)
    await_value(renewed)
    create(stack, f"after-{name}")

    read = busy_workplace.run("decrypt", f"before-{name}", f"after-{name}")

    assert read.stdout == f"before-{name}={SECRET}\nafter-{name}={SECRET}\n"


def test_neither_service_is_told_the_others_database(stack: dict[str, Any]) -> None:
    for name, other in (("metadata", "vault"), ("vault", "metadata")):
        environ = Path(f"/proc/{stack['pids'][name]}/environ").read_text()

        assert f"{name}-dsn" in environ
        assert f"{other}-dsn" not in environ
        assert stack["dsn"][other] not in environ


def test_data_outlive_a_kill_and_a_stop_and_end_with_a_reset(workplace: Workplace) -> None:
    process = workplace.start()
    killed = await_value(workplace.description)
    create(killed, "kept")
    process.kill()
    process.communicate()
    for pid in killed["pids"].values():
        await_value(partial(is_dead, pid), STOP_SECONDS)
    key = workplace.state.kek_file.read_bytes()
    workplace.state.description.unlink()  # left by the killed; the next one is awaited

    with workplace.running() as recovered:
        assert workplace.run("decrypt", "kept").stdout == SECRET
    assert workplace.description() is None
    assert not any(is_alive(pid) for pid in recovered["pids"].values())

    with workplace.running("--reset"):
        assert workplace.run("decrypt", "kept").stderr == "kept: not found\n"
    assert workplace.state.kek_file.read_bytes() != key


HAVING_IGNORED = """
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, "-m", "splitkeep", "dev"])
"""


def test_a_stack_under_nohup_outlives_its_terminal(workplace: Workplace) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HAVING_IGNORED],
        cwd=ROOT,
        env=workplace.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        running = await_value(workplace.description)
        for pid in (process.pid, *running["pids"].values()):
            os.kill(pid, signal.SIGHUP)
        time.sleep(1)  # nothing tells that a signal was ignored
        assert process.poll() is None
        assert workplace.description() == running
        create(running, "still-there")
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


@pytest.mark.parametrize("name", [b"a b", b'it\'s "100%", $HOME', b"\xff\xe9"])
def test_a_stack_runs_in_a_directory_of_any_name(tmp_path: Path, name: bytes) -> None:
    with a_workplace(tmp_path / os.fsdecode(name)) as made, made.running() as running:
        create(running, "pg-main")
        read = made.run("decrypt", "pg-main")
        printed = made.run("kubeconfig", "--output", str(made.state.directory / "kubeconfig"))

    assert (read.stdout, read.stderr) == (SECRET, "")
    assert (printed.returncode, printed.stderr) == (0, "")


def test_a_start_while_the_old_stack_ends_waits_for_it(workplace: Workplace) -> None:
    old = workplace.start()
    before = await_value(workplace.description)["pids"]
    old.terminate()
    new = workplace.start()
    try:
        after = await_value(lambda: another(workplace.description(), before))
    finally:
        new.terminate()
        said, _ = new.communicate(timeout=STOP_SECONDS)
        old.communicate(timeout=STOP_SECONDS)

    assert after["pids"] != before
    assert (old.returncode, new.returncode) == (0, 0), said


def another(
    description: dict[str, Any] | None, pids: Mapping[str, int]
) -> dict[str, Any] | None:
    """The description, if it is that of another start."""
    return description if description and description["pids"] != pids else None


def test_a_stack_that_was_killed_is_told_in_a_sentence(workplace: Workplace) -> None:
    process = workplace.start()
    killed = await_value(workplace.description)
    process.kill()
    process.communicate()
    for pid in killed["pids"].values():
        await_value(partial(is_dead, pid), STOP_SECONDS)

    refused = workplace.run("decrypt", "a")

    assert refused.returncode == 1
    assert refused.stderr.startswith(f"splitkeep: no stack runs on {workplace.state.directory}")


def test_a_stack_whose_state_directory_is_deleted_says_so_once_and_stops(
    workplace: Workplace,
) -> None:
    process = workplace.start()
    running = await_value(workplace.description)
    data_of_root = workplace.state.directory / "postgres-directory"
    outside = Path(data_of_root.read_text()) if data_of_root.exists() else None
    try:
        shutil.rmtree(workplace.state.directory)
        output, _ = process.communicate(timeout=STOP_SECONDS)
    finally:
        process.kill()
        if outside is not None:
            shutil.rmtree(outside)

    assert process.returncode == 1
    assert output.count("was deleted") == 1, output
    # The other terminal knows nothing of this one's environment.
    assert f"decrypt --state {workplace.state.directory} pg-main" in output
    assert "starting it again" not in output
    assert not any(is_alive(pid) for pid in running["pids"].values())


def test_a_refused_start_tells_the_problems_of_all_processes_in_plain_lines(
    workplace: Workplace,
) -> None:
    wrong = {
        "SPLITKEEP_VAULT_PORTT": "1",
        "SPLITKEEP_VAULT_LOG_LEVEL": "loud",
        "SPLITKEEP_GATEWAY_CALL_SECONDS": "x",
    }
    misled = Workplace(workplace.state, {**workplace.environ, **wrong})

    refused = misled.run("dev")

    assert refused.returncode == 1
    assert all(name in refused.stderr for name in wrong), refused.stderr
    assert "is SPLITKEEP_VAULT_PORT meant?" in refused.stderr
    assert "{" not in refused.stderr


def test_a_misspelt_variable_is_named_before_anything_starts_or_is_erased(
    workplace: Workplace,
) -> None:
    misled = Workplace(workplace.state, {**workplace.environ, "SPLITKEEP_VALUT_PORT": "1"})

    refused = misled.run("dev", "--reset")

    assert refused.returncode == 1
    assert "is SPLITKEEP_VAULT_PORT meant?" in refused.stderr
    assert not workplace.state.directory.exists()


def test_a_taken_port_is_named_before_anything_starts(workplace: Workplace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = workplace.run("dev", "--gateway-port", str(taken.getsockname()[1]))

    assert refused.returncode == 1
    assert "--gateway-port" in refused.stderr


@contextmanager
def an_unvisited_port() -> Iterator[int]:
    """Somebody listens there, and nobody comes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]
        listener.settimeout(0)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_proxies_key_logs_and_traces_that_the_environment_names_are_not_used(
    tmp_path: Path,
) -> None:
    key_log = tmp_path / "keys.log"
    with an_unvisited_port() as port, a_workplace(tmp_path / "state") as quiet:
        hostile = {
            **environment_of_proxy(port),
            "SSLKEYLOGFILE": str(key_log),
            "GRPC_VERBOSITY": "debug",
            "GRPC_TRACE": "http,call_error,http2_stream_state",
        }
        workplace = Workplace(quiet.state, {**quiet.environ, **hostile})
        with workplace.running() as stack:
            create(stack, "db-password")
            read = workplace.run("decrypt", "db-password")
            logs = [path.read_text() for path in quiet.state.directory.rglob("*.log")]

    assert (read.returncode, read.stdout, read.stderr) == (0, SECRET, "")
    assert logs
    for told in (SECRET, *stack["tokens"].values()):
        assert not any(told in log for log in logs)
    assert not key_log.exists()
