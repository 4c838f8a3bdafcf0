"""High-water marks: named numbers that only rise, shared with listeners."""

from collections.abc import Callable, Mapping

Listener = Callable[[Mapping[str, int]], None]


class HighWaterMarks:
    """The greatest number recorded under each name."""

    def __init__(self) -> None:
        self._marks: dict[str, int] = {}
        self._listeners: list[Listener] = []

    def highest(self, name: str) -> int:
        """The greatest number recorded under the name; 0 if there is none."""
        return self._marks.get(name, 0)

    def all(self) -> dict[str, int]:
        """Every name and its greatest number."""
        return dict(self._marks)

    def note(self, marks: Mapping[str, int]) -> None:
        """Raises the marks to these values and passes those that rose to the listeners."""
        risen = {name: n for name, n in marks.items() if n > self.highest(name)}
        if risen:
            self._marks |= risen
            for listener in self._listeners:
                listener(risen)

    def listen(self, listener: Listener) -> None:
        """Calls the listener with every later rise."""
        self._listeners.append(listener)
