"""How long ago something was, in the words kubectl uses: `5s`, `3m20s`, `3d4h`, `2y`."""

from datetime import datetime, timedelta

_SECOND, _MINUTE = timedelta(seconds=1), timedelta(minutes=1)
_HOUR, _DAY, _YEAR = timedelta(hours=1), timedelta(days=1), timedelta(days=365)

_LONGEST: tuple[tuple[timedelta, tuple[tuple[timedelta, str], ...]], ...] = (
    (2 * _MINUTE, ((_SECOND, "s"),)),
    (10 * _MINUTE, ((_MINUTE, "m"), (_SECOND, "s"))),
    (3 * _HOUR, ((_MINUTE, "m"),)),
    (8 * _HOUR, ((_HOUR, "h"), (_MINUTE, "m"))),
    (2 * _DAY, ((_HOUR, "h"),)),
    (8 * _DAY, ((_DAY, "d"), (_HOUR, "h"))),
    (2 * _YEAR, ((_DAY, "d"),)),
    (8 * _YEAR, ((_YEAR, "y"), (_DAY, "d"))),
    (timedelta.max, ((_YEAR, "y"),)),
)
"""Below which age which units are told: two of them only while the smaller one matters."""

UNKNOWN = "<unknown>"


def age(created: str, now: datetime) -> str:
    """The age of what was created at this RFC 3339 time; clocks may differ by a second."""
    try:
        elapsed = now - datetime.fromisoformat(created)
    except ValueError:
        return UNKNOWN
    if elapsed <= -2 * _SECOND:
        return "<invalid>"
    return _spelt(max(elapsed, timedelta(0)))


def _spelt(elapsed: timedelta) -> str:
    units = next(units for below, units in _LONGEST if elapsed < below)
    words: list[str] = []
    for length, unit in units:
        count, elapsed = divmod(elapsed, length)
        if count or not words:
            words.append(f"{count}{unit}")
    return "".join(words)
