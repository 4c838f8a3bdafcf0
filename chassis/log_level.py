"""From which level on lines are logged. Pure, so that configuration can name it."""

from enum import StrEnum


class LogLevel(StrEnum):
    """The levels of the standard library that a process may be set to."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
