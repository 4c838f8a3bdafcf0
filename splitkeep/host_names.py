"""Names that a certificate may bear: host names, wildcards and addresses.

- Host names by RFC 1123 §2.1 and RFC 5890: labels of letters, digits and hyphens, 63 at most
  each, 253 in all. A name outside ASCII is written in its A-label form (`xn--…`).
- A wildcard stands for the whole leftmost label and no other (RFC 9525 §6.3).
"""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

# Those that the services call one another by.
SERVICE_NAMES = ("metadata", "vault", "gateway")
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
NAME_CHARACTERS = 253
FEWEST_LABELS_UNDER_A_WILDCARD = 2  # `*.com` would be everybody's


class HostNameError(ValueError):
    """No certificate bears this; the text says which rule forbids it."""


def parse_host_name(text: str) -> str:
    """The name as certificates bear it: in lower case, an address in its shortest form.

    Raises HostNameError.
    """
    address = _address(text)
    if address is not None:
        return _checked_address(address)
    name = text.lower()
    if not name.isascii():
        raise HostNameError("is not ASCII: write it in its form that begins with xn--")
    if any(mark in name for mark in "/:@"):
        raise HostNameError("is not a name or an address alone: leave out scheme and port")
    labels = name.removeprefix("*.").split(".")
    if name.startswith("*.") and len(labels) < FEWEST_LABELS_UNDER_A_WILDCARD:
        raise HostNameError("is too wide: a wildcard needs at least two labels after it")
    if "*" in name.removeprefix("*."):
        raise HostNameError("has a wildcard that is not the whole leftmost label")
    if len(name) > NAME_CHARACTERS or not all(map(LABEL.fullmatch, labels)):
        raise HostNameError(
            "is not a host name: labels of letters, digits and hyphens, 1 to 63 long each and "
            f"{NAME_CHARACTERS} characters in all"
        )
    if labels[-1].isdigit():
        raise HostNameError("ends in a number and is not an IP address")
    return name


def _address(text: str) -> IPv4Address | IPv6Address | None:
    bracketed = text.startswith("[") and text.endswith("]")
    try:
        return ip_address(text[1:-1] if bracketed else text)
    except ValueError:
        return None


def _checked_address(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise HostNameError("has a zone, which no certificate bears")
    if address.is_unspecified:
        raise HostNameError("is an address to listen on, not one to call")
    return str(address)
