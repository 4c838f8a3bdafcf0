"""The API group, its versions, its kinds, and what one request is about."""

from dataclasses import dataclass

GROUP = "secret.grafana.app"
VERSIONS = ("v1beta1", "v1")
"""Served with one schema; the version asked is the version answered."""


@dataclass(frozen=True, slots=True)
class Kind:
    """The three spellings of one kind of resource."""

    name: str
    plural: str
    singular: str


SECURE_VALUE = Kind(name="SecureValue", plural="securevalues", singular="securevalue")


@dataclass(frozen=True, slots=True)
class Target:
    """What the path of a request names. Without a name: the whole collection."""

    kind: Kind
    version: str
    namespace: str
    name: str = ""

    @property
    def api_version(self) -> str:
        """The `apiVersion` of the objects under this path."""
        return f"{GROUP}/{self.version}"
