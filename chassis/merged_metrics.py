"""One Prometheus text of those of several workers: every series says whose it is. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

LABEL = "worker"


@dataclass(frozen=True, slots=True)
class WorkerCounts:
    """What only the supervisor knows: who is running, and how often each was replaced."""

    alive: int
    restarts: Sequence[int]
    refusals: Mapping[str, int]  # by reason, at the operations port


# name, type, labels, meaning: the documentation lists them too.
ALIVE = ("workers_alive", "gauge", (), "Worker processes that are running.")
RESTARTS = (
    "worker_restarts_total",
    "counter",
    (LABEL,),
    "Worker processes started in the place of one that had ended.",
)

# The same as that of the workers, who have it for their own ports.
REFUSALS = (
    "port_refusals_total",
    "counter",
    ("port", "reason"),
    "Connections, calls and requests that a port refused before serving them.",
)


def merged(texts: Mapping[int, str], own: str = "") -> str:
    """The families of all, each once, with a label `worker` on the series of workers.

    `texts` are expositions in Prometheus' text format, by the worker's number; `own` is the
    supervisor's.
    """
    families = {heading: list(samples) for heading, samples in _families(own)}
    for number, text in texts.items():
        for heading, samples in _families(text):
            lines = families.setdefault(heading, [])
            lines += [_labelled(sample, number) for sample in samples]
    return "".join(f"{line}\n" for head, lines in families.items() for line in (*head, *lines))


def exposition(counts: WorkerCounts) -> str:
    """The supervisor's own metrics."""
    restarts = enumerate(counts.restarts)
    lines = [
        *_heading(ALIVE),
        f"{ALIVE[0]} {counts.alive}",
        *_heading(RESTARTS),
        *(f'{RESTARTS[0]}{{{LABEL}="{worker}"}} {count}' for worker, count in restarts),
        *_heading(REFUSALS),
        *(
            f'{REFUSALS[0]}{{port="operations",reason="{reason}"}} {count}'
            for reason, count in counts.refusals.items()
        ),
    ]
    return "".join(f"{line}\n" for line in lines)


def _heading(described: tuple[str, str, tuple[str, ...], str]) -> tuple[str, str]:
    name, kind, _, meaning = described
    return f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"


def _families(text: str) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Each family's heading (HELP, TYPE) and its samples."""
    heading: list[str] = []
    samples: list[str] = []
    for line in text.splitlines():
        if line.startswith("#"):
            if samples or line.startswith("# HELP "):
                if heading:
                    yield tuple(heading), samples
                heading, samples = [], []
            heading.append(line)
        elif line:
            samples.append(line)
    if heading:
        yield tuple(heading), samples


def _labelled(sample: str, number: int) -> str:
    # A name has neither a brace nor a space: the first of either ends it.
    end = next(at for at, letter in enumerate(sample) if letter in "{ ")
    name, rest = sample[:end], sample[end:]
    own = f'{LABEL}="{number}"'
    if rest.startswith("{}"):
        return f"{name}{{{own}}}{rest[2:]}"
    if rest.startswith("{"):
        return f"{name}{{{own},{rest[1:]}"
    return f"{name}{{{own}}}{rest}"
