"""Replicas of an earlier commit and of this one serve side by side, and no call fails.

The earlier commit is the last release's, or what SPLITKEEP_TEST_UPGRADE_FROM names. Its stack
is filled and put under decrypt load. Then the schemas are migrated, and replicas of both
releases call each other in every combination, as they do while an operator replaces them one by
one. At the end this release starts alone on what is left.
"""

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from splitkeep.local.state import open_state
from tests.e2e.upgrade.load import DecryptLoad, Tally
from tests.e2e.upgrade.release import Release, UnknownCommitError, current_release, release_of
from tests.e2e.upgrade.replicas import Installation, stack_of
from tests.e2e.upgrade.rest import Gateways, gateways_at

LAST_RELEASE = "9805d0835ba6ab372f5d06a6814d5790494e5506"
SEEDED = [f"seeded-{number}" for number in range(20)]
DECRYPTS_OF_EACH_VAULT = 100
# The release of a vault, with its gateway, and the release of the metadata that both call.
PAIRS = ("earlier-earlier", "earlier-later", "later-earlier", "later-later")
POLL_SECONDS = 0.05
UNAVAILABLE = 503
WRITES_OF_A_COMBINATION = 5
MAY_WRITE = "secret.securevalues:write=secret.securevalues:*"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def earlier(tmp_path: Path) -> Release:
    """The code that is upgraded from."""
    commit = os.environ.get("SPLITKEEP_TEST_UPGRADE_FROM", LAST_RELEASE)
    try:
        return release_of(commit, tmp_path / "earlier")
    except UnknownCommitError as error:
        pytest.skip(f"needs the commit in this clone's history: {error}")


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A state directory; nothing of it is left afterwards."""
    yield tmp_path / "state"
    open_state(tmp_path / "state").erase()


@dataclass(frozen=True)
class Addresses:
    """Where each pair's vault and gateway listen."""

    vaults: Mapping[str, str]
    gateways: Mapping[str, str]


async def test_replicas_of_two_releases_serve_each_other_and_no_call_fails(
    earlier: Release, directory: Path
) -> None:
    installation = Installation(earlier, directory)
    with installation.running():
        values = await write_and_decrypt_while_upgrading(installation)

    with stack_of(current_release(), directory):
        later = Installation(current_release(), directory)
        async with clients(later, {"later-later": later.info["gateway"]}) as gateways:
            assert await gateways.listed("later-later") == set(values)
        await decrypt_all(later, values, {"later-later": later.own("vault").target()})


async def write_and_decrypt_while_upgrading(installation: Installation) -> dict[str, str]:
    """The upgrade under load; the answer is what every name decrypts to at its end."""
    first = {PAIRS[0]: installation.info["gateway"]}
    async with clients(installation, first) as gateways:
        created = {name: await gateways.create(PAIRS[0], name) for name in SEEDED}
        values = dict(gateways.values)
    load = decrypt_load(installation, values)
    async with load.on({PAIRS[0]: installation.own("vault").target()}) as before:
        await asyncio.to_thread(installation.migrate, current_release())
        addresses = await asyncio.to_thread(start_beside, installation)
        async with load.on(addresses.vaults) as beside:
            async with clients(installation, addresses.gateways) as gateways:
                gateways.values.update(values)
                since = await gateways.resource_version(PAIRS[0])
                await repeat(gateways, created)
                await write_in_every_combination(gateways)
                await search_for_what_every_gateway_wrote(gateways)
                await watch_from_every_gateway(gateways, since)
                await patch_without_reading(installation, gateways, addresses.gateways)
                values = dict(gateways.values)
            await decrypt_all(installation, values, addresses.vaults)
            await until_each_has_answered(beside)
    assert before.failures + beside.failures == []
    return values


def start_beside(installation: Installation) -> Addresses:
    """Vaults and gateways of both releases run, one of each for each pair."""
    releases = {"earlier": installation.release, "later": current_release()}
    metadata = {
        "earlier": installation.own("metadata"),
        "later": installation.start(current_release(), "metadata", "metadata-later"),
    }
    vaults, gateways = {}, {}
    for caller, called in product(releases, releases):
        pair, release, target = f"{caller}-{called}", releases[caller], metadata[called]
        vaults[pair] = installation.start(
            release, "vault", f"vault-{pair}", METADATA_TARGET=target.target("peer")
        ).target()
        gateways[pair] = installation.start(
            release,
            "gateway",
            f"gateway-{pair}",
            METADATA_TARGET=target.target(),
            VAULT_TARGET=vaults[pair],
        ).url()
    return Addresses(vaults, gateways)


async def repeat(gateways: Gateways, created: Mapping[str, dict[str, Any]]) -> None:
    """A create is sent again under its key, through every gateway: nothing happens twice."""
    for (name, object_), gateway in zip(created.items(), PAIRS * len(created), strict=False):
        repeated = await gateways.create(gateway, name)
        assert repeated["metadata"]["uid"] == object_["metadata"]["uid"], (name, gateway)


async def write_in_every_combination(gateways: Gateways) -> None:
    """What one gateway creates the others repeat, change and delete."""
    for first, second in product(PAIRS, PAIRS):
        name = f"written-{first}-{second}"
        created = await gateways.create(first, name)
        repeated = await gateways.create(second, name)
        assert repeated["metadata"]["uid"] == created["metadata"]["uid"], name
        replaced = await gateways.replace(second, name)
        assert replaced["status"]["version"] == created["status"]["version"] + 1
        labelled = await gateways.label(first, name)
        assert labelled["metadata"]["labels"]["through"] == first
        await gateways.create(first, f"deleted-{first}-{second}")
        await gateways.delete(second, f"deleted-{first}-{second}")
    for gateway in PAIRS:
        assert await gateways.listed(gateway) == set(gateways.values)


async def search_for_what_every_gateway_wrote(gateways: Gateways) -> None:
    """What the earlier release wrote is found as well; it finds nothing for others."""
    written = {name for name in gateways.values if name.startswith("written-")}
    assert await gateways.listed("later-later", search="written") == written
    through = {name for name in written if "-later-earlier-" in name}
    assert through <= await gateways.listed("later-later", search="later-earlier-")
    assert await gateways.listed("later-later", search="deleted") == set()
    assert await gateways.listed("later-later", sortBy="-created") == set(gateways.values)
    assert await gateways.status_of_search("later-earlier", "written") == UNAVAILABLE


async def watch_from_every_gateway(gateways: Gateways, since: str) -> None:
    """What was written through any gateway is seen through every one, in the same order."""
    first, *others = [await gateways.events(gateway, since) for gateway in PAIRS]
    assert len(first) == WRITES_OF_A_COMBINATION * len(PAIRS) ** 2
    assert all(seen == first for seen in others)


async def patch_without_reading(
    installation: Installation, gateways: Gateways, urls: Mapping[str, str]
) -> None:
    """Whoever may not read patches what he names and nothing else, or is refused whole.

    What one release does not know of the other's is never a write of half an object.
    """
    token = await asyncio.to_thread(installation.token, "--grant", MAY_WRITE)
    name = SEEDED[0]
    async with gateways_at(urls, ca=installation.info["ca"], token=token) as writer:
        for pair in PAIRS:
            before = await gateways.read(PAIRS[0], name)
            patch = {"metadata": {"labels": {"by": pair}}}
            status, told = await writer.try_to_patch(pair, name, patch)
            after = await gateways.read(PAIRS[0], name)
            assert "k6-cloud" not in told, pair
            assert after["spec"] == before["spec"], pair
            labels = before["metadata"].get("labels", {})
            wanted = labels | patch["metadata"]["labels"] if status == 200 else labels
            assert after["metadata"].get("labels", {}) == wanted, pair
            assert status in {200, 403, 503}, pair
            assert status == 200 or pair != "later-later"


async def decrypt_all(
    installation: Installation, values: Mapping[str, str], vaults: Mapping[str, str]
) -> None:
    """Every vault opens every value."""
    async with decrypt_load(installation, values).on(vaults) as tally:
        await until_each_has_answered(tally)
    assert tally.failures == []


async def until_each_has_answered(tally: Tally) -> None:
    """Every vault has answered as many calls as show something."""
    while tally.least() < DECRYPTS_OF_EACH_VAULT:  # noqa: ASYNC110  # other processes answer
        await asyncio.sleep(POLL_SECONDS)


def decrypt_load(installation: Installation, values: Mapping[str, str]) -> DecryptLoad:
    """With the token that the earlier release minted."""
    info = installation.info
    return DecryptLoad(Path(info["ca"]).read_bytes(), info["tokens"]["decrypter"], values)


def clients(
    installation: Installation, urls: Mapping[str, str]
) -> AbstractAsyncContextManager[Gateways]:
    """With the token that the earlier release minted."""
    info = installation.info
    return gateways_at(urls, ca=info["ca"], token=info["tokens"]["admin"])
