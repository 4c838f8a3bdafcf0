"""`splitkeep kubeconfig`: see splitkeep.arguments.kubeconfig."""

import sys
from argparse import Namespace
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from chassis.errors import KnownError
from chassis.sensitive import Sensitive
from splitkeep.cli import fail
from splitkeep.client_tokens import TokenFile
from splitkeep.commands.decrypt import MissingError, check_ca
from splitkeep.commands.token import IssuerKeyError, mint_token
from splitkeep.files import write_file
from splitkeep.issuer import TokenRequest, TokenRequestError
from splitkeep.local.stack import NAMESPACE
from splitkeep.local.state import State, no_stack, read_description
from splitkeep.terminal import tell

MARK = b"# Made by `splitkeep kubeconfig`, which may overwrite it.\n"
KUBERNETES_PATH = "/k8s"
"""Below it the gateway lists what kubectl needs and Grafana's clients do not understand."""
DEFAULT_ROLE = "Admin"
ALL_NAMESPACES = "*"


class OutputError(Exception):
    """The file is not written; the text says why."""


# Their texts are sentences for whoever typed the command, and hold no token.
REFUSALS = (
    MissingError,
    IssuerKeyError,
    TokenRequestError,
    OutputError,
    KnownError,
    OSError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A gateway, and as whom to speak to it."""

    server: str
    ca: bytes
    token: Sensitive[str]
    namespace: str


def run(arguments: Namespace, _environ: Mapping[str, str]) -> int:
    """See Command."""
    try:
        text = MARK + render(find_access(arguments), arguments.context)
        if arguments.output:
            write_kubeconfig(arguments.output, text)
    except REFUSALS as error:
        return fail(error)
    if arguments.output:
        tell(f"{arguments.output} is written", to=sys.stdout)
    else:
        sys.stdout.write(text.decode())
    return 0


def find_access(arguments: Namespace) -> Access:
    """What the command line says, or the stack that runs here and a new token of its issuer.

    The stack's token goes to the stack's gateway only. Raises MissingError, IssuerKeyError,
    TokenRequestError, KnownError, OSError.
    """
    given = (arguments.server, arguments.ca, arguments.token_file)
    if all(given):
        return _given_access(arguments)
    if any(given):
        raise MissingError("--server, --ca and --token-file go together")
    stack = read_description(arguments.state)
    if stack is None:
        raise MissingError(
            f"{no_stack(arguments.state)}, or give --server, --ca and --token-file"
        )
    return Access(
        server=stack["gateway"],
        ca=Path(stack["ca"]).read_bytes(),
        token=mint_token(_request(arguments), State(arguments.state).issuer_key),
        namespace=_context_namespace(arguments),
    )


def _given_access(arguments: Namespace) -> Access:
    if arguments.role or arguments.grant:
        raise MissingError("--role and --grant are for a new token; --token-file has one")
    check_ca(arguments.ca)
    return Access(
        server=arguments.server,
        ca=arguments.ca.read_bytes(),
        token=TokenFile(arguments.token_file)(),
        namespace=_context_namespace(arguments),
    )


def _context_namespace(arguments: Namespace) -> str:
    """A context has one namespace, also where the token is good for all."""
    wanted: str = arguments.namespace
    return NAMESPACE if wanted == ALL_NAMESPACES else wanted


def _request(arguments: Namespace) -> TokenRequest:
    """The token that the command line asks for: an administrator's if it asks for none."""
    grants = tuple(arguments.grant)
    return TokenRequest(
        subject=arguments.subject,
        namespace=arguments.namespace,
        ttl=arguments.ttl,
        roles=tuple(arguments.role) or (() if grants else (DEFAULT_ROLE,)),
        grants=grants,
    )


def render(access: Access, name: str) -> bytes:
    """A kubeconfig (`v1`, kind `Config`) with one context, which is the current one."""
    cluster = {
        "server": access.server.removesuffix("/").removesuffix(KUBERNETES_PATH)
        + KUBERNETES_PATH,
        "certificate-authority-data": b64encode(access.ca).decode(),
    }
    context = {"cluster": name, "user": name, "namespace": access.namespace}
    document: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": cluster}],
        "contexts": [{"name": name, "context": context}],
        "users": [{"name": name, "user": {"token": access.token.reveal()}}],
    }
    return yaml.safe_dump(document, sort_keys=False).encode()


def write_kubeconfig(path: Path, text: bytes) -> None:
    """The file has this text and is its owner's alone.

    A kubeconfig that somebody else made may be the way to all their clusters: it stays. Raises
    OutputError, OSError.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise OutputError(f"--output {path} is no plain file")
    if path.exists() and path.stat().st_size and not path.read_bytes().startswith(MARK):
        raise OutputError(f"--output {path} holds something else: name another file")
    if not path.parent.is_dir():
        raise OutputError(f"--output {path}: there is no directory {path.parent}")
    write_file(path, text)
