"""How the calls ended and what they took, as the servers counted it.

A tool that speaks HTTP cannot see a gRPC status, and none sees whether a name was answered with
a value: both are read from /metrics before and after, and so is the processes' CPU time.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import httpx2
from prometheus_client.parser import text_string_to_metric_families

CALLS = "grpc_server_calls"
DECISIONS = "vault_decrypt_decisions"
CPU_SECONDS = "process_cpu_seconds_total"


@dataclass(frozen=True, slots=True)
class Counts:
    """Some servers' counters at one moment, or their growth."""

    calls: Counter[tuple[str, str]]  # by full method and status code
    decisions: Counter[str]  # by answer
    cpu_seconds: float = 0

    @classmethod
    async def read(cls, operations: Sequence[str]) -> Self:
        """What the servers with these operations URLs say now, added up."""
        found = cls(Counter(), Counter())
        async with httpx2.AsyncClient() as http:
            for url in operations:
                answer = (await http.get(f"{url}/metrics")).raise_for_status()
                found = found.plus(cls.parse(answer.text))
        return found

    @classmethod
    def parse(cls, exposition: str) -> Self:
        calls: Counter[tuple[str, str]] = Counter()
        decisions: Counter[str] = Counter()
        cpu_seconds = 0.0
        for family in text_string_to_metric_families(exposition):
            for sample in family.samples:
                if sample.name == f"{CALLS}_total":
                    method = f"{sample.labels['service']}/{sample.labels['method']}"
                    calls[method, sample.labels["code"]] += int(sample.value)
                elif sample.name == f"{DECISIONS}_total":
                    decisions[sample.labels["answer"]] += int(sample.value)
                elif sample.name == CPU_SECONDS:
                    cpu_seconds += sample.value
        return cls(calls, decisions, cpu_seconds)

    def plus(self, other: Self) -> Self:
        return replace(
            self,
            calls=self.calls + other.calls,
            decisions=self.decisions + other.decisions,
            cpu_seconds=self.cpu_seconds + other.cpu_seconds,
        )

    def since(self, before: Self) -> Self:
        return replace(
            self,
            calls=self.calls - before.calls,
            decisions=self.decisions - before.decisions,
            cpu_seconds=self.cpu_seconds - before.cpu_seconds,
        )

    def served(self, method: str) -> int:
        return sum(count for (name, _), count in self.calls.items() if name == method)

    def not_ok(self, method: str) -> int:
        """Calls answered with an error; one that its caller cut off is not one."""
        return self.served(method) - self.calls[method, "OK"] - self.calls[method, "CANCELLED"]

    @property
    def granted(self) -> int:
        return self.decisions["granted"]

    @property
    def not_granted(self) -> int:
        return self.decisions.total() - self.granted
