"""What a DSN says."""

import pytest

from chassis.config_values import ValueProblemError
from chassis.dsn import Dsn, TlsMode, read_dsn

MARKER = "marker-pw"


def read(text: str) -> Dsn:
    return read_dsn(text)


@pytest.mark.parametrize(
    ("place", "servers"),
    [
        ("a", [("a", 5432)]),
        ("a:1", [("a", 1)]),
        ("a:1,b", [("a", 1), ("b", 5432)]),
        ("[::1]:7", [("::1", 7)]),
        ("[::1],b:2", [("::1", 5432), ("b", 2)]),
        ("%2Frun%2Fpostgresql", [("/run/postgresql", 5432)]),
    ],
)
def test_servers_stand_in_the_address(place: str, servers: list[tuple[str, int]]) -> None:
    assert list(read(f"postgresql://u:p@{place}/d").servers) == servers


@pytest.mark.parametrize(
    ("query", "servers"),
    [
        ("host=a,b", [("a", 5432), ("b", 5432)]),
        ("host=a,b&port=6", [("a", 6), ("b", 6)]),
        ("host=a,b&port=6,7", [("a", 6), ("b", 7)]),
        ("host=/run/postgresql&port=6", [("/run/postgresql", 6)]),
    ],
)
def test_servers_may_stand_in_parameters(query: str, servers: list[tuple[str, int]]) -> None:
    assert list(read(f"postgresql://u:p@/d?{query}").servers) == servers


def test_user_password_and_database_may_stand_in_parameters() -> None:
    dsn = read("postgres://h?user=u&password=p&dbname=d")

    assert (dsn.user, dsn.password.reveal(), dsn.database) == ("u", "p", "d")


def test_escapes_are_undone_and_the_last_at_sign_separates() -> None:
    dsn = read("postgresql://u%40x:p%2F%3A@%23@h/d%2Fe")

    assert (dsn.user, dsn.password.reveal(), dsn.database) == ("u@x", "p/:@#", "d/e")


def test_other_parameters_are_settings_of_the_server() -> None:
    assert read("postgresql://u@h/d?search_path=x&sslmode=disable").settings == {
        "search_path": "x"
    }


def test_tls_is_preferred_unless_said() -> None:
    assert read("postgresql://u@h/d").tls.mode is TlsMode.PREFER
    verified = read("postgresql://u@h/d?sslmode=verify-full&sslrootcert=/ca.pem").tls
    assert (verified.mode, verified.authorities) == (TlsMode.VERIFY_FULL, "/ca.pem")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (MARKER, "must begin"),
        (f"mysql://u:{MARKER}@h/d", "must begin"),
        (f"postgresql://:{MARKER}@h/d", "no user"),
        (f"postgresql://u:{MARKER}@h", "no database"),
        (f"postgresql://u:{MARKER}@/d", "no host"),
        (f"postgresql://u:{MARKER}@h,/d", "no host"),
        (f"postgresql://u:{MARKER}@h:0/d", "port"),
        (f"postgresql://u:{MARKER}@h:{MARKER}/d", "port"),
        (f"postgresql://u:{MARKER}?x@h/d", "parameter"),
        (f"postgresql://u:{MARKER}#@h/d", "%23"),
        (f"postgresql://u:{MARKER}@h,i/d?port=1,2,3", "number of ports"),
        (f"postgresql://u:{MARKER}@h/d?{MARKER}", "NAME=VALUE"),
        (f"postgresql://u:{MARKER}@h/d?sslmode={MARKER}", "sslmode"),
        (f"postgresql://u:{MARKER}@h/d?sslmode=verify-ca", "sslrootcert"),
        (f"postgresql://u:{MARKER}@h/d?sslnegotiation=direct", "sslnegotiation"),
        (f"postgresql://u:{MARKER}@h/d?passfile=x", "passfile"),
        (f"postgresql://u:{MARKER}@h/d?connect_timeout=1", "connect_timeout"),
        (f"postgresql://u:{MARKER}@[h/d", "brackets"),
        (f"postgresql://u:{MARKER}@a..b/d", "host name that is none"),
        (f"postgresql://u:{MARKER}@{'a' * 64}/d", "host name that is none"),
        (f"postgresql://u:{MARKER}@/d?host=a..b", "host name that is none"),
        (f"postgresql://u:{MARKER}@a%00b/d", "NUL"),
        (f"postgresql://u:{MARKER}%00@h/d", "NUL"),
        (f"postgresql://u%00:{MARKER}@h/d", "NUL"),
        (f"postgresql://u:{MARKER}@h/d%00", "NUL"),
        (f"postgresql://u:{MARKER}@h/d?search_path=a%00b", "NUL"),
        (f"postgresql://u:{MARKER}@h/d?a%00b=c", "NUL"),
    ],
)
def test_a_dsn_that_is_none_is_told_by_its_rule_and_not_shown(text: str, rule: str) -> None:
    with pytest.raises(ValueProblemError, match=rule) as caught:
        read(text)

    assert MARKER not in str(caught.value)
