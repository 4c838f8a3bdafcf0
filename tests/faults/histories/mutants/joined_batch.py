"""vault_svc with a fault: a call joins the batch that has its question, sent or not."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

from chassis.process import run
from vault_svc.__main__ import serve
from vault_svc.use_cases import readings
from vault_svc.use_cases.coalescing import Coalescer
from vault_svc.use_cases.readings import Asked


def _key(asked: Asked) -> tuple[Any, ...]:
    question = asked.question
    return (question.namespace, question.service_identity, *question.names)


class JoiningCoalescer(Coalescer[Any, Any]):
    def __init__(self, *given: Any) -> None:
        Coalescer.__init__(self, *given)
        self._sent: dict[Any, asyncio.Future[Any]] = {}

    async def ask(self, question: Any) -> Any:
        sent = self._sent.get(_key(question))
        if sent is not None and not sent.done():
            return await asyncio.shield(sent)
        return await Coalescer.ask(self, question)

    async def _run(self, batch: Sequence[Any]) -> None:
        self._sent |= {_key(waiting.question): waiting.answer for waiting in batch}
        await Coalescer._run(self, batch)


if __name__ == "__main__":
    vars(readings)["Coalescer"] = JoiningCoalescer
    sys.exit(run(serve))
