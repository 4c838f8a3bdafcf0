"""Exactly one credential, and whether a person stands behind it."""

import pytest

from chassis.caller import Caller
from chassis.errors import UnauthenticatedError
from chassis.identity import Authenticator, Metadata, credential
from chassis.sensitive import Sensitive

TOKEN = "marker-of-a-token"  # no token


class EveryoneIsTheSame:
    """A verifier that believes everything."""

    def remembered(self, token: Sensitive[str]) -> Caller | None:
        return None

    async def verify(self, token: Sensitive[str]) -> Caller:
        return Caller(
            subject=token.reveal(),
            namespace="*",
            roles=frozenset(),
            grants=(),
            permissions=frozenset(),
            service_identities=(),
            for_user=False,
            issuer="i",
            token_id="",
        )


@pytest.mark.parametrize(
    "metadata",
    [
        [("authorization", f"Bearer {TOKEN}")],
        [("authorization", f"bearer  {TOKEN} ")],
        [("x-access-token", TOKEN), ("x-other", "1")],
        [("X-Access-Token", TOKEN)],
    ],
    ids=["bearer", "lower case", "raw", "upper case key"],
)
def test_one_credential_is_found(metadata: Metadata) -> None:
    assert credential(metadata).reveal() == TOKEN


REFUSED: dict[str, Metadata] = {
    "none": [],
    "both": [("authorization", f"Bearer {TOKEN}"), ("x-access-token", TOKEN)],
    "repeated": [("x-access-token", TOKEN), ("x-access-token", TOKEN)],
    "repeated bearer": [("authorization", f"Bearer {TOKEN}")] * 2,
    "basic": [("authorization", f"Basic {TOKEN}")],
    "no scheme": [("authorization", TOKEN)],
    "empty": [("x-access-token", " ")],
    "empty bearer": [("authorization", "Bearer ")],
    "bytes": [("x-access-token", TOKEN.encode())],
    "no ASCII": [("x-access-token", TOKEN + "é")],
    "a control character": [("x-access-token", TOKEN + "\x7f" + TOKEN)],
}


@pytest.mark.parametrize("case", REFUSED)
def test_anything_but_one_credential_is_refused(case: str) -> None:
    with pytest.raises(UnauthenticatedError) as caught:
        credential(REFUSED[case])

    assert TOKEN not in caught.value.message


async def test_a_caller_is_whom_the_verifier_names() -> None:
    caller = await Authenticator(EveryoneIsTheSame()).caller([("x-access-token", "t")])

    assert (caller.subject, caller.for_user) == ("t", False)


@pytest.mark.parametrize("value", ["id", "", b"id"], ids=repr)
async def test_an_id_token_beside_the_credential_makes_the_call_a_persons(
    value: str | bytes,
) -> None:
    metadata: Metadata = [("x-access-token", "t"), ("x-id-token", value)]

    caller = await Authenticator(EveryoneIsTheSame()).caller(metadata)

    assert caller.for_user


def test_a_credential_does_not_print() -> None:
    assert TOKEN not in repr(Authenticator.credential([("x-access-token", TOKEN)]))
