"""A value that does not print, pickle, copy or serialise."""

from typing import Generic, NoReturn, TypeVar

T = TypeVar("T", bytes, str)

REDACTED = "[redacted]"


class Sensitive(Generic[T]):
    """Holds plaintext, a token or a key; `.reveal()` is the only way out.

    - Every rendering (`str`, `repr`, f-strings, `%`) is `[redacted]`.
    - Pickling and copying raise `TypeError`; JSON encoders do not know the type.
    - There is no equality and no length: a comparison is the caller's, and in constant time.
    """

    __slots__ = ("__value",)

    def __init__(self, value: T) -> None:
        self.__value: T = value

    def reveal(self) -> T:
        """The value itself. Hold it no longer than the call that needs it."""
        return self.__value

    def __repr__(self) -> str:
        return REDACTED

    def __format__(self, _spec: str) -> str:
        return REDACTED

    def __eq__(self, _other: object) -> bool:
        raise TypeError(
            "sensitive values are not compared; reveal both and use hmac.compare_digest"
        )

    __hash__ = None  # type: ignore[assignment]  # an unhashable type, as Python spells it

    def __reduce__(self) -> NoReturn:
        raise TypeError("sensitive values are neither pickled nor copied")
