"""Every decrypt decision in a structured log line, and counted.

- Names of one call of which the same came share a line: a line for each would cost more than
  opening the value does.
- What the lines of one caller share is encoded once, not for each of its calls.
- Lines of the same moment are written at once, before any of their calls is answered. The
  answers then leave one after another, too: a processor does the same thing many times far
  faster than many things in turn.
"""

from collections.abc import Sequence

from chassis.log_level import LogLevel
from chassis.log_phrases import Phrase
from chassis.metrics import Metrics
from chassis.telemetry import lines_written
from vault_svc.ports.decisions import Answer, DecryptRecord

EVENT = "decrypt"
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
        shared = decided[:-2]  # all but the names and their versions
        phrase = self._phrases.get(shared)
        if phrase is None:
            phrase = _phrase_of(decided)
            self._keep(shared, phrase)
        while len(names) > NAMES_PER_LINE:
            phrase.say(names=names[:NAMES_PER_LINE], versions=versions[:NAMES_PER_LINE])
            names, versions = names[NAMES_PER_LINE:], versions[NAMES_PER_LINE:]
        phrase.say(names=names, versions=versions)

    def _keep(self, shared: tuple[str, ...], phrase: Phrase) -> None:
        """The phrase is kept in the place of the oldest, unless it is long."""
        if sum(map(len, shared)) > MAXIMUM_PHRASE_CHARACTERS:
            return
        if len(self._phrases) >= MAXIMUM_PHRASES:
            del self._phrases[next(iter(self._phrases))]
        self._phrases[shared] = phrase


def _phrase_of(decided: DecryptRecord) -> Phrase:
    failed = decided.answer is Answer.DECRYPTION_FAILED
    return Phrase(
        LogLevel.ERROR if failed else LogLevel.INFO,
        EVENT,
        identity=decided.service_identity,
        claimed_identity=decided.claimed_identity,
        issuer=decided.issuer,
        subject=decided.subject,
        namespace=decided.namespace,
        decision=decided.answer.value,
        reason=decided.reason,
    )
