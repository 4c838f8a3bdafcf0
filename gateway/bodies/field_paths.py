"""Paths of fields that a client made up, as messages and headers may show them."""

LONGEST_SHOWN = 128  # characters


def shown_path(path: str) -> str:
    """The path in printable ASCII without quotes, cut where it is long."""
    text = "".join(
        char if char.isascii() and char.isprintable() and char not in '"\\' else "?"
        for char in path[: LONGEST_SHOWN + 1]
    )
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
