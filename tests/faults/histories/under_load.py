"""Changes at random while all replicas are kept busy with decrypts."""

from chassis.sensitive import Sensitive
from tests.faults.histories.background import Background
from tests.faults.histories.doors import Doors, doors_of
from tests.faults.histories.hesitation import hesitating
from tests.faults.histories.history import History, Moments
from tests.faults.histories.model import Answer, Operation, Spec, Verb
from tests.faults.histories.next_call import Changes, Found
from tests.faults.histories.replicated_stack import ReplicatedStack

CHANGERS = 4
RESTING = 24
IN_FLIGHT = 6  # of the background, over each of its connections


async def changed_under_load(
    stack: ReplicatedStack, count: int, seed: int, prefix: str, *, until_stale: bool = False
) -> tuple[Found, Background]:
    """`count` changes were acknowledged and looked at; what was found, and beside what.

    Names begin with the prefix, which no other run has used. Raises AssertionError.
    """
    async with doors_of(stack) as doors:
        changes = Changes(doors.writing, doors.decrypting, seed, prefix, until_stale)
        background = Background(
            Sensitive(doors.tokens["decrypter"]),
            await _resting(doors, f"{prefix}-resting"),
            changes.current.values(),
        )
        async with background.asking(doors.vaults, IN_FLIGHT), hesitating(stack, seed):
            await changes.run(count, CHANGERS)
    return changes.found, background


async def _resting(doors: Doors, prefix: str) -> list[str]:
    """Names that are there and stay as they are."""
    names = [f"{prefix}-{number:02}" for number in range(RESTING)]
    for name in names:
        history = History(name, Moments())
        spec = Spec("at rest", allowed=True, label="")
        asked = Operation(verb=Verb.CREATE, spec=spec, value=history.new_value())
        answer = Answer.UNKNOWN
        while answer not in {Answer.DONE, Answer.ALREADY_EXISTS}:
            answer = (await doors.writing[0].client.ask(history, asked)).answer
    return names
