"""How a port accepts calls; what the modes are is in chassis/accept_modes.py."""

from enum import StrEnum


class AcceptMode(StrEnum):
    """Which mode a setting asks for; AUTO is fast where that is supported."""

    AUTO = "auto"
    STANDARD = "standard"
    FAST = "fast"
