"""Decisions kept in a list."""

from collections.abc import Sequence

from vault_svc.ports.decisions import DecryptRecord


class ListedDecisions:
    """See ports.decisions.DecisionLog."""

    def __init__(self) -> None:
        self.records: list[DecryptRecord] = []

    async def record(self, decided: Sequence[DecryptRecord]) -> None:
        self.records.extend(decided)
