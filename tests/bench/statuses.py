"""How the calls ended, as the servers counted them.

A tool that speaks HTTP cannot see a gRPC status, and none sees whether a name was answered with
a value: both are read from /metrics before and after.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Self

import httpx2
from prometheus_client.parser import text_string_to_metric_families

CALLS = "grpc_server_calls"
DECISIONS = "vault_decrypt_decisions"


@dataclass(frozen=True, slots=True)
class Counts:
    """A server's counters at one moment, or their growth."""

    calls: Counter[tuple[str, str]]  # by full method and status code
    decisions: Counter[str]  # by answer

    @classmethod
    async def read(cls, operations: str) -> Self:
        """What `operations` (a URL) says now."""
        async with httpx2.AsyncClient() as http:
            answer = await http.get(f"{operations}/metrics")
        return cls.parse(answer.raise_for_status().text)

    @classmethod
    def parse(cls, exposition: str) -> Self:
        calls: Counter[tuple[str, str]] = Counter()
        decisions: Counter[str] = Counter()
        for family in text_string_to_metric_families(exposition):
            for sample in family.samples:
                if sample.name == f"{CALLS}_total":
                    method = f"{sample.labels['service']}/{sample.labels['method']}"
                    calls[method, sample.labels["code"]] += int(sample.value)
                elif sample.name == f"{DECISIONS}_total":
                    decisions[sample.labels["answer"]] += int(sample.value)
        return cls(calls, decisions)

    def since(self, before: "Counts") -> "Counts":
        return Counts(self.calls - before.calls, self.decisions - before.decisions)

    def ok(self, method: str) -> int:
        return self.calls[method, "OK"]

    def not_ok(self, method: str) -> int:
        return sum(
            count
            for (name, code), count in self.calls.items()
            if name == method and code != "OK"
        )

    @property
    def granted(self) -> int:
        return self.decisions["granted"]

    @property
    def not_granted(self) -> int:
        return self.decisions.total() - self.granted
