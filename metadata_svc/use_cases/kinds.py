"""What differs between the kinds: which right each verb needs, and what selects by field."""

from collections.abc import Mapping
from types import MappingProxyType

from metadata_svc.domain.access import Action
from metadata_svc.domain.resource import Kind
from metadata_svc.domain.selector import SelectedField

READ: Mapping[Kind, Action] = MappingProxyType(
    {Kind.SECURE_VALUE: Action.READ, Kind.KEEPER: Action.READ_KEEPER}
)
WRITE: Mapping[Kind, Action] = MappingProxyType(
    {Kind.SECURE_VALUE: Action.WRITE, Kind.KEEPER: Action.WRITE_KEEPER}
)
DELETE: Mapping[Kind, Action] = MappingProxyType(
    {Kind.SECURE_VALUE: Action.DELETE, Kind.KEEPER: Action.DELETE_KEEPER}
)
FIELDS: Mapping[Kind, frozenset[SelectedField]] = MappingProxyType(
    {
        Kind.SECURE_VALUE: frozenset(SelectedField),
        Kind.KEEPER: frozenset({SelectedField.NAME}),
    }
)
