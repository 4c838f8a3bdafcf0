"""Work that is shared by all who want it at the same time."""

import asyncio

from vault_svc.use_cases.single_flight import SingleFlight


async def test_who_asks_in_the_moment_at_which_the_work_ends_begins_it_anew() -> None:
    """Its outcome, without a pause, would keep whoever needs another one from ever pausing."""
    flights: SingleFlight[str, None] = SingleFlight()
    at_once: list[bool] = []

    async def work() -> None:
        # Called between the end of this task and the call that takes it off the list.
        asyncio.get_running_loop().call_soon(ask)

    def ask() -> None:
        asking = flights.run("key", work)
        try:
            asking.send(None)
        except StopIteration:
            at_once.append(True)
        else:
            at_once.append(False)
            asking.close()

    await flights.run("key", work)

    assert at_once[:1] == [False]
