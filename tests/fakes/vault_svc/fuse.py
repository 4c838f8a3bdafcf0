"""A fuse for ports: it counts calls, and at the n-th the process dies."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar, cast

T = TypeVar("T")


class Death(Enum):
    """When, with respect to the effect of the call."""

    BEFORE = "nothing done"
    AFTER = "done, the answer lost"


class DiedError(Exception):
    """The process is no more."""


@dataclass
class Fuse:
    """Burns at the call of this number, counted from 0, over all the ports behind it."""

    burns_at: int
    death: Death
    calls: int = 0
    burnt: bool = False

    def before(self, port: T) -> T:
        """The port, behind this fuse."""
        return cast(T, _Fused(port, self))

    async def call(self, method: Callable[..., Awaitable[Any]], *args: Any, **kw: Any) -> Any:
        if self.burnt:
            raise DiedError  # a dead process does nothing any more
        number, self.calls = self.calls, self.calls + 1
        if number != self.burns_at:
            return await method(*args, **kw)
        self.burnt = True
        if self.death is Death.AFTER:
            await method(*args, **kw)
        raise DiedError


class _Fused:
    def __init__(self, port: Any, fuse: Fuse) -> None:
        self._port, self._fuse = port, fuse

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._port, name)
        if not callable(attribute):
            return attribute

        async def fused(*args: Any, **kw: Any) -> Any:
            return await self._fuse.call(attribute, *args, **kw)

        return fused
