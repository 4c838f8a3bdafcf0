"""Every decrypt decision in a structured log line, and counted.

- Names of one call of which the same came share a line: a line for each would cost more than
  opening the value does.
- What the lines of one caller share is encoded once, not for each of its calls.
- Lines of the same moment are written at once, before any of their calls is answered. The
  answers then leave one after another, too: a processor does the same thing many times far
  faster than many things in turn.
- A name that no secure value can have is counted (`malformed_names`), not written. A namespace
  or claimed identity that cannot be one is replaced (`(malformed)`). The rest is bounded by the
  rules for names and tokens: a line is below 64 KiB, and the lines of one call, which has at
  most 1 000 names, are below 1 MiB together.
"""

from collections.abc import Sequence

from chassis.log_level import LogLevel
from chassis.log_phrases import Phrase
from chassis.metrics import Metrics
from chassis.telemetry import lines_written
from vault_svc.domain.access import could_be_identity, could_be_name
from vault_svc.ports.decisions import Answer, DecryptRecord

EVENT = "decrypt"
MALFORMED = "(malformed)"  # no namespace and no identity has a bracket
# Their names were found, so they are names: matching each again would cost a batch.
FOUND = (Answer.GRANTED, Answer.DECRYPTION_FAILED)
NAMES_PER_LINE = 100
# Callers choose some of what a phrase is made of: there is no end to what they could say.
MAXIMUM_PHRASES = 1024
MAXIMUM_PHRASE_CHARACTERS = 1024


class StructuredDecisionLog:
    """See ports.DecisionLog. What does not open is an error: damage, or someone's hand."""

    def __init__(self, metrics: Metrics) -> None:
        self._phrases: dict[tuple[str, ...], Phrase] = {}
        counter = metrics.counter(
            "vault_decrypt_decisions", "Names decided on, by answer.", ("answer",)
        )
        self._counts = {answer: counter.labels(answer.name.lower()) for answer in Answer}

    async def record(self, decided: Sequence[DecryptRecord]) -> None:
        """See ports.DecisionLog.record."""
        for one in decided:
            self._say(one)
        await lines_written()

    def _say(self, decided: DecryptRecord) -> None:
        names, versions = decided.names, decided.versions
        self._counts[decided.answer].inc(len(names))
        phrase = self._phrase(decided)
        if decided.answer not in FOUND and not all(map(could_be_name, names)):
            names, versions = _possible(names, versions)
            phrase.say(
                names=names[:NAMES_PER_LINE],
                versions=versions[:NAMES_PER_LINE],
                malformed_names=len(decided.names) - len(names),
            )
            names, versions = names[NAMES_PER_LINE:], versions[NAMES_PER_LINE:]
        while names:
            phrase.say(names=names[:NAMES_PER_LINE], versions=versions[:NAMES_PER_LINE])
            names, versions = names[NAMES_PER_LINE:], versions[NAMES_PER_LINE:]

    def _phrase(self, decided: DecryptRecord) -> Phrase:
        """The phrase is kept in the place of the oldest, unless it was made of long texts."""
        shared = decided[:-2]  # all but the names and their versions
        phrase = self._phrases.get(shared)
        if phrase is None:
            phrase = _phrase_of(decided)
            if sum(map(len, shared)) <= MAXIMUM_PHRASE_CHARACTERS:
                if len(self._phrases) >= MAXIMUM_PHRASES:
                    del self._phrases[next(iter(self._phrases))]
                self._phrases[shared] = phrase
        return phrase


def _possible(
    names: Sequence[str], versions: Sequence[int]
) -> tuple[Sequence[str], Sequence[int]]:
    """The names that could be names, with their versions."""
    pairs = zip(names, versions, strict=True)
    kept = [(name, version) for name, version in pairs if could_be_name(name)]
    return [name for name, _ in kept], [version for _, version in kept]


def _phrase_of(decided: DecryptRecord) -> Phrase:
    failed = decided.answer is Answer.DECRYPTION_FAILED
    claimed, namespace = decided.claimed_identity, decided.namespace
    return Phrase(
        LogLevel.ERROR if failed else LogLevel.INFO,
        EVENT,
        identity=decided.service_identity,
        claimed_identity=claimed if not claimed or could_be_identity(claimed) else MALFORMED,
        issuer=decided.issuer,
        subject=decided.subject,
        namespace=namespace if could_be_name(namespace) else MALFORMED,
        decision=decided.answer.value,
        reason=decided.reason,
    )
