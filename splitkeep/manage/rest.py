"""The public REST API as the commands use it; objects are the JSON that the server sent."""

import ssl
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeAlias
from urllib.parse import quote
from uuid import uuid4

import httpx2

from splitkeep.manage.failures import CommandError, ExitCode, refusal
from splitkeep.manage.installation import Installation

Object: TypeAlias = dict[str, Any]

SECRETS, KEEPERS = "securevalues", "keepers"
GROUP = "/apis/secret.grafana.app/v1beta1"
REVIEWS = "/apis/authorization.k8s.io/v1"
SELF = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
USER_AGENT = "splitkeep"
"""Field managers are named after it."""
PAGE = 500
TIMEOUT_SECONDS = 30.0
ATTEMPTS = 2  # of a create, which happens once however often it is sent
MERGE_PATCH = "application/merge-patch+json"
LOST_ANSWERS = (httpx2.ReadError, httpx2.RemoteProtocolError)
"""What a connection ends with that was closed after the request went out."""


class RestApi:
    """One installation's API. Every method raises CommandError; RefusedError with causes."""

    def __init__(self, installation: Installation) -> None:
        self._namespace = installation.namespace
        self._server = installation.server
        self._http = _client(installation)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._http.close()

    @property
    def namespace(self) -> str:
        """Whose objects these are."""
        return self._namespace

    def pages(self, kind: str, query: Mapping[str, str], *, limit: int = 0) -> Iterator[Object]:
        """The pages of a list, until it ends or has `limit` items (0: no limit)."""
        wanted, following = limit, ""
        while True:
            size = min(wanted, PAGE) if limit else PAGE
            page = self._send(
                "GET",
                self._collection(kind),
                params={**query, "limit": str(size), "continue": following},
            )
            yield page
            wanted -= len(page["items"])
            following = page["metadata"].get("continue", "")
            if not following or (limit and wanted <= 0):
                return

    def items(self, kind: str, query: Mapping[str, str]) -> Iterator[Object]:
        """Every object of a list."""
        for page in self.pages(kind, query):
            yield from page["items"]

    def get(self, kind: str, name: str) -> Object:
        """The object."""
        return self._send("GET", self._one(kind, name))

    def create(self, kind: str, document: Object, *, dry_run: bool = False) -> Object:
        """The new object; it is made once, also if an answer is lost on the way."""
        path, key = self._collection(kind), str(uuid4())
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._send(
                    "POST",
                    path,
                    params=_dry_run(dry_run),
                    json=document,
                    headers={"Idempotency-Key": key},
                )
            except CommandError as error:
                if attempt == ATTEMPTS or not isinstance(error.__cause__, LOST_ANSWERS):
                    raise
        raise AssertionError

    def replace(self, kind: str, document: Object, *, dry_run: bool = False) -> Object:
        """The object as replaced."""
        path = self._one(kind, document["metadata"]["name"])
        return self._send("PUT", path, params=_dry_run(dry_run), json=document)

    def patch(self, kind: str, name: str, patch: Object, *, dry_run: bool = False) -> Object:
        """The object as merged with the patch (RFC 7396)."""
        headers = {"Content-Type": MERGE_PATCH}
        path = self._one(kind, name)
        return self._send("PATCH", path, params=_dry_run(dry_run), json=patch, headers=headers)

    def edit(self, kind: str, name: str, parts: Object, *, dry_run: bool = False) -> Object:
        """The object with single parts changed; the right to write is enough."""
        path = f"{self._one(kind, name)}/edit"
        return self._send("POST", path, params=_dry_run(dry_run), json=parts)

    def delete(self, kind: str, name: str, *, dry_run: bool = False) -> None:
        """The object is gone."""
        self._send("DELETE", self._one(kind, name), params=_dry_run(dry_run))

    def activate(self, keeper: str) -> Object:
        """New secure values are kept by this keeper."""
        return self._send("POST", f"{self._one(KEEPERS, keeper)}/activate", json={})

    def myself(self) -> Object:
        """Who the server takes the caller for: `status.userInfo` of a SelfSubjectReview."""
        answer = self._send("POST", SELF, json={})
        return dict(answer["status"]["userInfo"])

    def rules(self) -> list[Object]:
        """What the caller may do in the namespace."""
        document = {"spec": {"namespace": self._namespace}}
        answer = self._send("POST", f"{REVIEWS}/selfsubjectrulesreviews", json=document)
        return list(answer["status"]["resourceRules"])

    def ready(self) -> tuple[bool, str]:
        """Whether the gateway serves, and what it says of it."""
        answer = self._answer("GET", "/readyz")
        return answer.is_success, answer.text.strip()

    def version(self) -> Object:
        """The server's version."""
        return self._send("GET", "/version", has="gitVersion")

    def _collection(self, kind: str) -> str:
        return f"{GROUP}/namespaces/{_segment(self._namespace)}/{kind}"

    def _one(self, kind: str, name: str) -> str:
        return f"{self._collection(kind)}/{_segment(name)}"

    def _send(self, method: str, path: str, *, has: str = "kind", **request: Any) -> Object:
        """What the server answered. A page of something else in between is no success."""
        answer = self._answer(method, path, **request)
        document = _document(answer)
        if not answer.is_success:
            raise refusal(answer.status_code, document)
        if has not in document:
            message = f"{self._server} answers, but not as a gateway does: check the address"
            raise CommandError(message)
        return document

    def _answer(self, method: str, path: str, **request: Any) -> httpx2.Response:
        try:
            return self._http.request(method, path, **request)
        except httpx2.HTTPError as error:
            # Its text names the fault, never what was sent.
            reason = str(error) or type(error).__name__
            message = f"{self._server} cannot be reached: {reason}"
            raise CommandError(message, ExitCode.UNAVAILABLE) from error
        except httpx2.InvalidURL as error:
            message = f"{self._server} is no URL of a server"
            raise CommandError(message, ExitCode.USAGE) from error


def _client(installation: Installation) -> httpx2.Client:
    try:
        return httpx2.Client(
            base_url=installation.server,
            verify=_trust(installation),
            headers={
                "Authorization": f"Bearer {installation.token.reveal()}",
                "User-Agent": USER_AGENT,
            },
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
        )
    except httpx2.InvalidURL:
        message = f"{installation.server} is no URL of a server"
        raise CommandError(message, ExitCode.USAGE) from None


def _segment(text: str) -> str:
    """One segment of a path: what is no name is for the server to refuse."""
    if not text or text in {".", ".."}:
        raise CommandError(f"{text!r} is no name", ExitCode.USAGE)
    return quote(text, safe="")


def _dry_run(asked: bool) -> dict[str, str]:  # noqa: FBT001  # it is about nothing else
    return {"dryRun": "All"} if asked else {}


def _document(answer: httpx2.Response) -> Object:
    try:
        document = answer.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _trust(installation: Installation) -> ssl.SSLContext:
    if installation.ca is None:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cafile=installation.ca)
    except (OSError, ssl.SSLError) as error:
        message = f"{installation.ca} cannot be read as certificates of authorities"
        raise CommandError(message, ExitCode.USAGE) from error
