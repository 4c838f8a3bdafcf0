"""Which signals a process heeds: not those that whoever started it had it ignore.

`nohup` has SIGHUP ignored, a shell without job control SIGINT of what it starts in the
background. A handler would take that back.
"""

import signal
from collections.abc import Iterator


def heeded(*numbers: signal.Signals) -> Iterator[signal.Signals]:
    """Those that were not ignored when the process began."""
    return (number for number in numbers if signal.getsignal(number) != signal.SIG_IGN)
