"""Resolve: which of these names may a service identity decrypt, and where are their values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from chassis.errors import FieldViolation, InvalidArgumentError, Rule
from metadata_svc.domain.access import Location, Resolution, resolve
from metadata_svc.domain.text import is_name, is_namespace
from metadata_svc.ports.reader import Address, Reader

MAX_NAMES = 1000  # of all the questions of one request together; nor are there more questions


class Question(NamedTuple):
    """The names that one caller of the vault wants opened; the vault verified the identity."""

    namespace: str
    names: Sequence[str]
    service_identity: str


@dataclass(frozen=True, slots=True)
class ResolveNames:
    """Decides for the vault, which verified the identities; no cache has a say."""

    reader: Reader

    async def resolve(self, questions: Sequence[Question]) -> list[list[Resolution]]:
        """For each question one answer for each name, in the order asked.

        What cannot be a name is not found. A question with a blank identity is answered with
        nothing at all; the others are none the worse for it. All names are looked up at once,
        after this was called; what is decided for one question knows nothing of the others.

        Raises InvalidArgumentError for more than 1 000 names in all, or as many questions.
        """
        _require_bounded(questions)
        wanted = _addresses(questions)
        found = await self.reader.locate(list(wanted)) if wanted else {}
        return [_answer(question, found) for question in questions]


def _addresses(questions: Sequence[Question]) -> set[Address]:
    """Those that can be there at all, each once: many often want the same at one moment."""
    namespaces = set(filter(is_namespace, {question.namespace for question in questions}))
    return {
        (question.namespace, name)
        for question in questions
        if question.namespace in namespaces and _is_askable(question)
        for name in question.names
        if is_name(name)
    }


def _answer(question: Question, found: Mapping[Address, Location]) -> list[Resolution]:
    if not _is_askable(question):
        return []
    namespace, identity = question.namespace, question.service_identity
    return [resolve(found.get((namespace, name)), identity) for name in question.names]


def _is_askable(question: Question) -> bool:
    return bool(question.service_identity.strip())


def _require_bounded(questions: Sequence[Question]) -> None:
    names = sum(len(question.names) for question in questions)
    for field, count in (("questions", len(questions)), ("questions.names", names)):
        if count > MAX_NAMES:
            message = f"must have at most {MAX_NAMES} items"
            violation = FieldViolation(field, Rule.TOO_MANY, message)
            raise InvalidArgumentError(violations=(violation,))
