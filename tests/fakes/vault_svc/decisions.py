"""Decisions kept in a list."""

from vault_svc.ports.decisions import DecryptRecord


class ListedDecisions:
    """See ports.decisions.DecisionLog."""

    def __init__(self) -> None:
        self.records: list[DecryptRecord] = []

    def record(self, decided: DecryptRecord) -> None:
        self.records.append(decided)
