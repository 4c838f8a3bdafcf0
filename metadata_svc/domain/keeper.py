"""Where the values of a namespace are kept."""

SYSTEM_KEEPER = "system"


def keeper_for_create(active: str | None) -> str:
    """The keeper of a new secure value: the namespace's active one, else the vault itself."""
    return SYSTEM_KEEPER if active is None else active


def is_system(keeper: str) -> bool:
    """Whether it is the vault itself, which has no keeper row and always exists."""
    return keeper == SYSTEM_KEEPER
