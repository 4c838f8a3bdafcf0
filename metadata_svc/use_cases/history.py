"""Whether what is continued from is still kept."""

from chassis.errors import ExpiredError
from metadata_svc.ports.changes import Past


def require_kept(past: Past[object], *, after: int) -> None:
    """Return if every write after number `after` is kept, or is beyond the entries given.

    Raises ExpiredError if one is missing, or if the namespace never came so far: its database
    was restored, and what the caller saw is not what happened here.
    """
    numbers = [entry.resource_version for entry in past.entries]
    expected = range(after + 1, after + 1 + len(numbers))
    missing = numbers != list(expected)
    none_left = not numbers and past.resource_version != after
    if missing or none_left or past.resource_version < after:
        raise ExpiredError
