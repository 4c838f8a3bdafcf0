"""The two kinds, as clients write them down."""

from dataclasses import dataclass
from typing import Any

from tests.e2e.stack import a_canary

GROUP = "secret.grafana.app"
API_VERSION = f"{GROUP}/v1beta1"
AWS = {
    "region": "eu-central-1",
    "assumeRole": {"assumeRoleArn": "arn:aws:iam::123456789012:role/Reader", "externalID": "x"},
}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind and the smallest object of it."""

    name: str
    plural: str
    spec: dict[str, Any]

    @property
    def singular(self) -> str:
        return self.name.lower()

    def full(self, name: str) -> str:
        """The object's name as `-o name` prints it."""
        return f"{self.singular}.{GROUP}/{name}"

    def manifest(
        self, name: str, *, labels: dict[str, str] | None = None, **spec: Any
    ) -> dict[str, Any]:
        metadata: dict[str, Any] = {"name": name}
        if labels:
            metadata["labels"] = labels
        return {
            "apiVersion": API_VERSION,
            "kind": self.name,
            "metadata": metadata,
            "spec": self.spec | spec,
        }


SECURE_VALUE = Kind(
    "SecureValue",
    "securevalues",
    {"description": "made by a client", "decrypters": ["k6-cloud"]},
)
KEEPER = Kind("Keeper", "keepers", {"description": "made by a client", "aws": AWS})
KINDS = (SECURE_VALUE, KEEPER)


def a_manifest(kind: Kind, name: str, **changes: Any) -> dict[str, Any]:
    """What creates an object of this kind: a secure value has a value."""
    value = {"value": a_canary()} if kind is SECURE_VALUE else {}
    return kind.manifest(name, **(value | changes))
