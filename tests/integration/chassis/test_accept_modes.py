"""Which accept mode a port gets."""

import io
import json

import grpc
import pytest

from chassis import accept_modes, fast_accept
from chassis.accept_mode import AcceptMode
from chassis.accept_modes import Accepting, new_server
from chassis.config import StartRefusedError


def is_fast(accepting: Accepting) -> bool:
    return hasattr(accepting.server, "backoff")


@pytest.fixture
def unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A grpcio that the fast mode was never tested with, in a process that has just begun."""
    monkeypatch.setattr(grpc, "__version__", "9.9.9")
    accept_modes._warn.cache_clear()


@pytest.fixture
def tested(monkeypatch: pytest.MonkeyPatch) -> None:
    """A grpcio of a version that the fast mode was tested with."""
    monkeypatch.setattr(grpc, "__version__", min(fast_accept.TESTED_VERSIONS))


@pytest.mark.usefixtures("tested")
async def test_a_grpcio_that_the_fast_mode_was_tested_with_is_served_fast() -> None:
    assert fast_accept.problem() is None
    assert is_fast(new_server(AcceptMode.AUTO, ()))


async def test_the_setting_can_demand_the_standard_mode() -> None:
    assert not is_fast(new_server(AcceptMode.STANDARD, ()))


@pytest.mark.usefixtures("unknown")
async def test_an_unknown_grpcio_is_served_by_its_public_api_and_one_warning_says_so(
    logged: io.StringIO,
) -> None:
    for _port in range(2):
        assert not is_fast(new_server(AcceptMode.AUTO, ()))

    (line,) = map(json.loads, logged.getvalue().splitlines())
    assert line["level"] == "warning"
    assert "9.9.9" in line["reason"]


@pytest.mark.usefixtures("unknown")
async def test_fast_cannot_be_demanded_of_an_unknown_grpcio() -> None:
    with pytest.raises(StartRefusedError, match=r"9\.9\.9"):
        new_server(AcceptMode.FAST, ())


@pytest.mark.usefixtures("tested")
async def test_a_changed_signature_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    class Changed:
        async def _request_call(self, method: bytes) -> None:
            """As a later grpcio might have it."""

    monkeypatch.setattr("chassis.fast_accept.cygrpc.AioServer", Changed)

    assert fast_accept.problem() == "this grpcio lacks what the mode needs"
