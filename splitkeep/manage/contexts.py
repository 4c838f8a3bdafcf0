"""The file of contexts: which installations there are, and as whom to speak to each.

It is its owner's alone (mode 0600), in `$XDG_CONFIG_HOME/splitkeep/contexts.json`, or where
SPLITKEEP_CONFIG says. A token is named by where it comes from: a file or a command. The file
holds one only where somebody asked for it (`--token-inline`).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from splitkeep.files import others_rights, private_directory, read_json, write_file
from splitkeep.manage.failures import CommandError, ExitCode

CONFIG_VARIABLE = "SPLITKEEP_CONFIG"
FILE_NAME = "contexts.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One installation, and where the token for it comes from."""

    server: str
    ca: str = ""
    """A PEM file; empty for the authorities that the system trusts."""
    namespace: str = "default"
    token_file: str = ""
    token_command: tuple[str, ...] = ()
    token: str = field(default="", repr=False)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Raises TypeError for what is no context."""
        fields = dict(document)
        fields["token_command"] = tuple(fields.get("token_command", ()))
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class Contexts:
    """What the file holds."""

    by_name: Mapping[str, Context] = field(default_factory=dict)
    current: str = ""

    def named(self, name: str) -> Context:
        """The context of this name. Raises CommandError."""
        if name not in self.by_name:
            known = ", ".join(sorted(self.by_name)) or "none"
            raise CommandError(f"there is no context {name!r} (known: {known})", ExitCode.USAGE)
        return self.by_name[name]

    def with_context(self, name: str, context: Context) -> "Contexts":
        """The same with this one, which becomes the current one if it is the first."""
        return Contexts({**self.by_name, name: context}, self.current or name)

    def without(self, name: str) -> "Contexts":
        """The same without this one. Raises CommandError if it is not there."""
        self.named(name)
        rest = {known: context for known, context in self.by_name.items() if known != name}
        return Contexts(rest, "" if self.current == name else self.current)

    def using(self, name: str) -> "Contexts":
        """The same, with this one as the current one. Raises CommandError."""
        self.named(name)
        return replace(self, current=name)


def contexts_file(environ: Mapping[str, str]) -> Path:
    """Where the file is, whether or not it is there."""
    chosen = environ.get(CONFIG_VARIABLE)
    if chosen:
        return Path(chosen)
    # XDG Base Directory Specification: a relative path counts as none.
    base = Path(environ.get("XDG_CONFIG_HOME", ""))
    if not base.is_absolute():
        base = Path(environ.get("HOME", "/")) / ".config"
    return base / "splitkeep" / FILE_NAME


def read_contexts(path: Path) -> Contexts:
    """What the file holds; nothing if there is none.

    Raises CommandError if others may read or write it, or it is not what this wrote.
    """
    try:
        document = read_json(path)
    except FileNotFoundError:
        return Contexts()
    except (OSError, ValueError) as error:
        raise CommandError(f"{path} cannot be read: {error}") from error
    if others_rights(path):
        raise CommandError(f"{path} is open to others: run `chmod 600 {path}`")
    try:
        found = {
            name: Context.from_json(context) for name, context in document["contexts"].items()
        }
        return Contexts(found, str(document.get("current", "")))
    except (AttributeError, KeyError, TypeError) as error:
        raise CommandError(f"{path} is no file of contexts") from error


def write_contexts(path: Path, contexts: Contexts) -> None:
    """The file holds exactly these, for its owner alone."""
    document = {
        "current": contexts.current,
        "contexts": {
            name: {key: value for key, value in asdict(context).items() if value}
            for name, context in contexts.by_name.items()
        },
    }
    private_directory(path.parent)
    write_file(path, (json.dumps(document, indent=2) + "\n").encode())
