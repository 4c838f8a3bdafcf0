"""The API group, its versions, its kinds, and what one request is about."""

from dataclasses import dataclass

GROUP = "secret.grafana.app"
VERSIONS = ("v1beta1", "v1")
"""Served with one schema; the version asked is the version answered."""


@dataclass(frozen=True, slots=True)
class Kind:
    """The spellings of one kind of resource, and the group it belongs to."""

    name: str
    plural: str
    singular: str
    words: str
    """For sentences."""
    group: str = GROUP


SECURE_VALUE = Kind(
    name="SecureValue", plural="securevalues", singular="securevalue", words="secure value"
)
KEEPER = Kind(name="Keeper", plural="keepers", singular="keeper", words="keeper")


@dataclass(frozen=True, slots=True)
class Target:
    """What the path of a request names. Without a name: the whole collection."""

    kind: Kind
    version: str
    namespace: str
    name: str = ""
    subresource: str = ""

    @property
    def api_version(self) -> str:
        """The `apiVersion` of the objects under this path."""
        return f"{self.kind.group}/{self.version}"
