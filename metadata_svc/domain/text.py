"""What a text must be to be a name, a label, or storable at all.

Sources: RFC 1123 §2.1 (host names), RFC 1035 §2.3.4 (253 characters), and the Kubernetes rules
for labels and qualified names.
"""

import re

MAX_NAME_LENGTH = 253
MAX_NAMESPACE_LENGTH = 63
MAX_LABEL_LENGTH = 63

_SEGMENT = "[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"{_SEGMENT}(?:\.{_SEGMENT})*")
_DNS_LABEL = re.compile(_SEGMENT)
_LABEL = re.compile("[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# Grafana's clients read an org's number out of these; org 1 is `default`, and none is 0.
_RESERVED_NAMESPACE = re.compile("org-0*[01]|stacks-0+")


def is_storable(text: str) -> bool:
    """Whether Postgres can hold it: neither NUL nor a lone surrogate."""
    return _UNSTORABLE.search(text) is None


def is_name(text: str) -> bool:
    """Whether it is an RFC 1123 subdomain of 1 to 253 characters."""
    return len(text) <= MAX_NAME_LENGTH and _SUBDOMAIN.fullmatch(text) is not None


def is_namespace(text: str) -> bool:
    """Whether it is an RFC 1123 label of 1 to 63 characters and not a reserved one."""
    if len(text) > MAX_NAMESPACE_LENGTH or _DNS_LABEL.fullmatch(text) is None:
        return False
    return _RESERVED_NAMESPACE.fullmatch(text) is None


def is_label(text: str) -> bool:
    """Whether it can be a label's key or value, or a decrypter: 1 to 63 characters."""
    return len(text) <= MAX_LABEL_LENGTH and _LABEL.fullmatch(text) is not None


def is_qualified_name(text: str) -> bool:
    """Whether it can be an annotation's key: a name, or a subdomain, a slash and a name."""
    prefix, slash, name = text.rpartition("/")
    if slash and not is_name(prefix.lower()):
        return False
    return is_label(name)
