"""Which token issuers are trusted, with which keys, and how far.

The bounds are what an issuer may assert at most. `*` in a bound means any, and only if written;
an absent bound means nothing. An item of `subjects` is exact, or a prefix followed by `*`; if
it is absent it means any, because files written for earlier releases do not have it. The file:

    {"issuers": [{"issuer": "https://issuer.example", "audiences": ["api"], "roles": [],
                  "algorithm": "ES256", "jwks_file": "jwks.json", "namespaces": ["*"],
                  "subjects": ["user:*"], "service_identities": ["*"], "actions": [],
                  "may_grant_decrypt": true}]}
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from chassis.config import StartRefusedError
from chassis.file_problems import file_problem
from chassis.file_rules import FileRuleError, Holds, check_file, read_file
from chassis.strict_json import parse_object

ANY = "*"
MAX_FILE_BYTES = 1_048_576
ALGORITHMS = frozenset({"ES256", "ES384", "RS256", "EdDSA"})

_BOUNDS = ("namespaces", "service_identities", "roles", "actions")
_KEYS = frozenset(
    {
        "issuer",
        "audiences",
        "algorithm",
        "jwks_file",
        "jwks_url",
        "jwks_proxy",
        "jwks_ca",
        "may_grant_decrypt",
        "subjects",
        *_BOUNDS,
    }
)


_KEY_SCHEMES = frozenset({"https"})
_PROXY_SCHEMES = frozenset({"http", "https"})


class IssuersFileError(StartRefusedError):
    """The issuers file is not usable; every problem is listed and begins with its path."""

    def __init__(self, path: Path, problems: tuple[str, ...]) -> None:
        super().__init__(tuple(f"{path}: {problem}" for problem in problems))


@dataclass(frozen=True)
class Issuer:
    """One trusted issuer, its one algorithm, where its keys are, and its bounds.

    `jwks_ca` is the PEM file of the authority that signs the certificate of `jwks_url`'s host;
    without it the machine's own trust store decides. `jwks_proxy` is the URL of a proxy to it.
    """

    issuer: str
    audiences: frozenset[str]
    algorithm: str
    jwks_file: Path | None = None
    jwks_url: str | None = None
    jwks_ca: Path | None = None
    jwks_proxy: str | None = None
    namespaces: frozenset[str] = frozenset()
    service_identities: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    actions: frozenset[str] = frozenset()
    subjects: frozenset[str] = frozenset({ANY})
    may_grant_decrypt: bool = False

    def may_name(self, subject: str) -> bool:
        """Whether the bounds allow tokens of this subject."""
        return any(
            subject == bound or (bound.endswith(ANY) and subject.startswith(bound[:-1]))
            for bound in self.subjects
        )

    def may_manage_as(self, subject: str, namespace: str) -> bool:
        """Whether the bounds allow the subject any role or action in the namespace.

        `*` is every namespace; then one that they share is enough.
        """
        somewhere = namespace == ANY or not self.namespaces.isdisjoint({namespace, ANY})
        return somewhere and bool(self.roles or self.actions) and self.may_name(subject)


def load_issuers(path: Path) -> tuple[Issuer, ...]:
    """The trusted issuers. Raises IssuersFileError listing every problem."""
    try:
        document = parse_object(read_file(path, Holds.TRUST, maximum_bytes=MAX_FILE_BYTES))
    except FileRuleError as error:
        raise IssuersFileError(path, (str(error),)) from None
    except OSError as error:
        raise IssuersFileError(path, (file_problem(error),)) from None
    except ValueError as error:
        raise IssuersFileError(path, (f"is {error}",)) from None
    entries = document.get("issuers")
    if set(document) != {"issuers"} or not isinstance(entries, list) or not entries:
        raise IssuersFileError(path, ('must be {"issuers": […]} with at least one issuer',))
    problems = [
        f"issuers[{index}]: {problem}"
        for index, entry in enumerate(entries)
        for problem in _problems(entry)
    ]
    names = [entry.get("issuer") for entry in entries if isinstance(entry, dict)]
    if len(set(map(json.dumps, names))) != len(names):
        problems.append("two entries have the same issuer")
    if problems:
        raise IssuersFileError(path, tuple(problems))
    issuers = tuple(_issuer(entry, path.parent) for entry in entries)
    if problems := [text for issuer in issuers for text in _file_problems(issuer)]:
        raise IssuersFileError(path, tuple(problems))
    return issuers


def _file_problems(issuer: Issuer) -> Iterator[str]:
    """Of the files that it names. A missing file is reported by its reader."""
    for key, file in (("jwks_file", issuer.jwks_file), ("jwks_ca", issuer.jwks_ca)):
        if file is not None:
            with suppress(OSError):
                try:
                    check_file(file, Holds.TRUST)
                except FileRuleError as error:
                    yield f"{key} names {file}, which {error}"


def _problems(entry: Any) -> Iterator[str]:
    if not isinstance(entry, dict):
        yield "must be an object"
        return
    yield from (f"unknown key {key[:64]!r}" for key in sorted(set(entry) - _KEYS))
    if not _is_text(entry.get("issuer")) or not entry["issuer"].isprintable():
        yield "issuer must be a non-empty string of printable characters"
    if entry.get("algorithm") not in tuple(ALGORITHMS):
        yield "algorithm must be one of " + ", ".join(sorted(ALGORITHMS))
    if not _is_texts(entry.get("audiences")) or not entry["audiences"]:
        yield "audiences must be a list of one or more strings"
    yield from (
        f"{key} must be a list of strings"
        for key in _BOUNDS
        if not _is_texts(entry.get(key, []))
    )
    yield from _subjects_problems(entry.get("subjects", [ANY]))
    if not isinstance(entry.get("may_grant_decrypt", False), bool):
        yield "may_grant_decrypt must be true or false"
    yield from _key_source_problems(entry)


def _subjects_problems(subjects: Any) -> Iterator[str]:
    if not _is_texts(subjects):
        yield "subjects must be a list of strings"
    elif any(ANY in subject[:-1] for subject in subjects):
        yield "subjects may have * at the end of an item only"


def _key_source_problems(entry: dict[str, Any]) -> Iterator[str]:
    if ("jwks_file" in entry) == ("jwks_url" in entry):
        yield "exactly one of jwks_file and jwks_url is needed"
    yield from (
        f"{key} must be a non-empty string"
        for key in ("jwks_file", "jwks_url", "jwks_ca", "jwks_proxy")
        if key in entry and not _is_text(entry[key])
    )
    url = entry.get("jwks_url")
    if isinstance(url, str) and not _is_url(url, _KEY_SCHEMES):
        yield "jwks_url must be an https URL without user, password or fragment"
    proxy = entry.get("jwks_proxy")
    if isinstance(proxy, str) and not _is_url(proxy, _PROXY_SCHEMES):
        yield "jwks_proxy must be an http or https URL without user, password or fragment"
    yield from (
        f"{key} goes with jwks_url only"
        for key in ("jwks_ca", "jwks_proxy")
        if key in entry and "jwks_url" not in entry
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(_is_text(item) for item in value)


def _is_url(url: str, schemes: frozenset[str]) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    plain = not (parts.username or parts.password or parts.fragment)
    return parts.scheme in schemes and bool(parts.hostname) and plain


def _issuer(entry: dict[str, Any], folder: Path) -> Issuer:
    return Issuer(
        issuer=entry["issuer"],
        audiences=frozenset(entry["audiences"]),
        algorithm=entry["algorithm"],
        jwks_file=folder / entry["jwks_file"] if "jwks_file" in entry else None,
        jwks_url=entry.get("jwks_url"),
        jwks_ca=folder / entry["jwks_ca"] if "jwks_ca" in entry else None,
        jwks_proxy=entry.get("jwks_proxy"),
        subjects=frozenset(entry.get("subjects", [ANY])),
        may_grant_decrypt=entry.get("may_grant_decrypt", False),
        **{key: frozenset(entry.get(key, [])) for key in _BOUNDS},
    )
