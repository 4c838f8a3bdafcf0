"""Names that the server completes from a prefix."""

from metadata_svc.domain.text import MAX_NAME_LENGTH, is_name

SUFFIX_LENGTH = 10  # characters, of 5 random bits each
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"  # 32 characters: one byte's low 5 bits, unbiased
_MAX_PREFIX_LENGTH = MAX_NAME_LENGTH - SUFFIX_LENGTH


def is_prefix(text: str) -> bool:
    """Whether a suffix makes it a name; one that is too long is cut, as Kubernetes does."""
    return bool(text) and is_name(_cut(text) + "a" * SUFFIX_LENGTH)


def completed(prefix: str, random: bytes) -> str:
    """The prefix, cut so that the name fits, and one character per random byte."""
    suffix = "".join(_ALPHABET[byte & 31] for byte in random[:SUFFIX_LENGTH])
    return _cut(prefix) + suffix


def is_completion(name: str, prefix: str) -> bool:
    """Whether `completed` could have made the name from the prefix."""
    start, suffix = name[:-SUFFIX_LENGTH], name[-SUFFIX_LENGTH:]
    return start == _cut(prefix) and not set(suffix) - set(_ALPHABET)


def _cut(prefix: str) -> str:
    return prefix[:_MAX_PREFIX_LENGTH]
