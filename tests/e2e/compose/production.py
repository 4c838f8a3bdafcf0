"""The production shape, brought up from a fresh copy by the commands of docs/compose.md."""

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

from tests.e2e.compose.engine.base_images import BaseImages
from tests.e2e.compose.engine.docker import Engine

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "compose.md"
NAMESPACE_PATH = "/apis/secret.grafana.app/v1beta1/namespaces/default/securevalues"
DECRYPT_CLIENT = ROOT / "tests" / "e2e" / "decrypt_client.py"
PROCESSES = ("gateway", "metadata", "vault")
DATABASES = ("metadata-db", "vault-db")
SERVICES = PROCESSES + DATABASES
NOTHING: dict[str, list[str]] = {"containers": [], "volumes": [], "networks": []}
NOT_IN_A_CLONE = (".*", "__pycache__", "secrets", "*.egg-info")
# Without it the command line does not make an environment: the one of this test run serves.
NOT_NEEDED = ("local.lock",)


class Section(Enum):
    """Every section of the page that has commands; each is run by a test."""

    START = "Start"
    TRY = "Try it"
    BACK_UP = "Back up"
    CERTIFICATES = "Certificates"
    UPGRADE = "Upgrade"
    STOP = "Stop"


def documented(section: Section) -> list[str]:
    """The shell blocks of one section, in order."""
    return _blocks(dict(_sections())[section.value])


def sections_with_commands() -> list[str]:
    """The titles of all sections with a shell block, in order."""
    return [title for title, text in _sections() if _blocks(text)]


def _sections() -> list[tuple[str, str]]:
    _, *parts = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)
    return [(part.splitlines()[0].strip(), part) for part in parts]


def _blocks(text: str) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def copy_of_the_repository(folder: Path) -> Path:
    """A fresh copy, without what a clone does not have."""
    ignore = shutil.ignore_patterns(*NOT_IN_A_CLONE, *NOT_NEEDED)
    shutil.copytree(ROOT, folder, ignore=ignore)
    shutil.copy(ROOT / ".dockerignore", folder)
    return folder


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Production:
    """A project of Compose in a copy of the repository."""

    engine: Engine
    clone: Path
    project: str
    environment: Mapping[str, str]
    https_port: int
    decrypt_port: int

    @property
    def secrets(self) -> Path:
        """The folder with everything that Compose mounts."""
        return self.clone / "deploy" / "secrets"

    @property
    def url(self) -> str:
        """Where secure values are."""
        return f"https://localhost:{self.https_port}{NAMESPACE_PATH}"

    def token(self, name: str) -> str:
        """A token of the operator's."""
        return (self.secrets / "operator" / f"{name}-token").read_text().strip()

    def follow(self, section: Section) -> str:
        """Run a section of the page, as a person would; answer what it printed.

        Raises:
            CommandError: one of its commands failed.
        """
        return self.shell("\n".join(documented(section)))

    def shell(self, script: str) -> str:
        """Run commands of the page in this copy, on this copy's ports; see `follow`."""
        script = script.replace("localhost:8080", f"localhost:{self.https_port}")
        script = script.replace("localhost:9402", f"localhost:{self.decrypt_port}")
        return self._run("bash", "-euo", "pipefail", "-c", script)

    def compose(self, *arguments: str) -> str:
        """Return what `docker compose …` printed."""
        return self._run("docker", "compose", *arguments)

    def container(self, service: str) -> str:
        """The id of a service's container."""
        return self.compose("ps", "--all", "--quiet", service).strip()

    def execute(self, service: str, *command: str) -> str:
        """Return what a command printed inside a service's container."""
        return self.engine.docker("exec", self.container(service), *command)

    def inspect(self, service: str) -> dict[str, Any]:
        """All that Docker says of a service's container."""
        (found,) = json.loads(self.engine.docker("inspect", self.container(service)))
        return dict(found)

    def request(self, method: str, path: str = "", body: object = None) -> Answer:
        """What the gateway answers to the administrator, by curl."""
        authorization = f'header = "Authorization: Bearer {self.token("admin")}"\n'
        content = [] if body is None else ["--data", json.dumps(body)]
        output = self.engine.reach(
            *("curl", "--silent", "--show-error", "--config", "-", "--request", method),
            *("--cacert", self.secrets / "ca.pem", "--max-time", "30"),
            *("--header", "Content-Type: application/json", *content),
            *("--write-out", "\n%{http_code}", self.url + path),
            stdin=authorization.encode(),
        )
        text, _, status = output.rpartition("\n")
        return Answer(status=int(status), body=json.loads(text))

    def create(self, name: str, value: str, *, decrypters: list[str] | None = None) -> Answer:
        """Create a secure value."""
        return self.request("POST", body=a_secure_value(name, value, decrypters=decrypters))

    def decrypt(self, *names: str) -> dict[str, dict[str, str]]:
        """Each name's answer; the client is generated from the public proto, in a process."""
        request = {
            "package": "decryptv1beta1",
            "target": f"localhost:{self.decrypt_port}",
            "ca": str(self.secrets / "ca.pem"),
            "token": self.token("decrypter"),
            "namespace": "default",
            "names": names,
        }
        python = str(ROOT / ".venv" / "bin" / "python")
        output = self.engine.reach(python, DECRYPT_CLIENT, stdin=json.dumps(request).encode())
        answered: dict[str, dict[str, str]] = json.loads(output)
        return answered

    def with_settings(self, **settings: str) -> "Production":
        """The same copy as another project, with these variables of the compose file."""
        own = {"COMPOSE_PROJECT_NAME": self.project}
        return replace(self, environment={**self.environment, **own, **settings})

    def leftovers(self) -> dict[str, list[str]]:
        """What of the project is still in the engine."""
        label = f"--filter=label=com.docker.compose.project={self.project}"
        kinds = {
            "containers": ("ps", "--all"),
            "volumes": ("volume", "ls"),
            "networks": ("network", "ls"),
        }
        return {
            kind: self.engine.docker(*words, "--quiet", label).split()
            for kind, words in kinds.items()
        }

    def _run(self, *command: str) -> str:
        return self.engine.reach(*command, environment=self.environment, directory=self.clone)


def a_secure_value(
    name: str, value: str | None = None, *, decrypters: list[str] | None = None
) -> dict[str, Any]:
    """A body as the documented examples send it."""
    spec: dict[str, Any] = {
        "description": "made by a test",
        "decrypters": ["k6-cloud"] if decrypters is None else decrypters,
    }
    if value is not None:
        spec["value"] = value
    return {"metadata": {"name": name}, "spec": spec}


def surroundings(
    base: BaseImages, *, project: str, ports: tuple[int, int], wheels: bool
) -> dict[str, str]:
    """The variables of the compose file: nothing of an operator's own project is touched."""
    chosen = {
        "COMPOSE_PROJECT_NAME": project,
        "COMPOSE_ENV_FILES": "deploy/secrets/compose.env",
        "SPLITKEEP_IMAGE": f"{project}:latest",
        "SPLITKEEP_HTTPS_PORT": str(ports[0]),
        "SPLITKEEP_DECRYPT_PORT": str(ports[1]),
        "SPLITKEEP_HEALTH_INTERVAL": "2s",
        "PYTHON_IMAGE": base.python,
        "POSTGRES_IMAGE": base.postgres,
        # The commands of the page that need Python find the environment that runs the tests.
        "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}",
    }
    if wheels:
        chosen["SPLITKEEP_BUILD_PIP_NO_INDEX"] = "1"
        chosen["SPLITKEEP_BUILD_PIP_FIND_LINKS"] = "/build/wheelhouse"
    return chosen
