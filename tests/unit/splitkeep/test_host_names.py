"""Which names a certificate may bear, and in which form."""

import pytest

from splitkeep.host_names import HostNameError, parse_host_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Secrets.Example.COM", "secrets.example.com"),
        ("host", "host"),
        ("*.example.com", "*.example.com"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("192.0.2.7", "192.0.2.7"),
        ("2001:DB8:0::7", "2001:db8::7"),
        ("[::1]", "::1"),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
    ],
)
def test_a_name_is_kept_in_its_usual_form(text: str, name: str) -> None:
    assert parse_host_name(text) == name


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a host name"),
        ("https://host", "leave out scheme and port"),
        ("host:8080", "leave out scheme and port"),
        ("[::1]:8080", "leave out scheme and port"),
        ("host.", "not a host name"),
        ("-host", "not a host name"),
        ("host_name", "not a host name"),
        ("a" * 64, "not a host name"),
        (".".join(["a" * 60] * 5), "not a host name"),
        ("b\u00fccher.example", "xn--"),
        ("*", "not a host name|too wide|wildcard"),
        ("*.com", "too wide"),
        ("a.*.example.com", "wildcard"),
        ("a*.example.com", "wildcard"),
        ("*.*.example.com", "wildcard"),
        ("1.2.3", "ends in a number"),
        ("0.0.0.0", "listen"),
        ("::", "listen"),
        ("fe80::1%eth0", "zone"),
        ("a\nb", "not a host name"),
        ("host\n", "not a host name"),
    ],
)
def test_what_no_certificate_bears_is_refused_with_its_rule(text: str, reason: str) -> None:
    with pytest.raises(HostNameError, match=reason):
        parse_host_name(text)
