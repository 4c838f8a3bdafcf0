"""Sentences for the person at the terminal, on standard error."""

from splitkeep.manage.failures import CommandError, RefusedError
from splitkeep.terminal import one_line, tell


def tell_failure(error: CommandError, *, about: str = "") -> None:
    """The error, and each field with the rule that it breaks."""
    subject = f"{one_line(about)}: " if about else ""
    causes = error.causes if isinstance(error, RefusedError) else ()
    if not causes:
        tell(f"splitkeep: {subject}{error}")
        return
    tell(f"splitkeep: {subject}refused")
    for cause in causes:
        tell(f"  {one_line(cause.field)}: {one_line(cause.message)}")
