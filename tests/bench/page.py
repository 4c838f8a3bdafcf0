"""docs/performance.md and docs/performance.svg, made from docs/performance.json.

.venv/bin/python -m tests.bench.page      (`make docs` calls it)
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.bench import single
from tests.bench.plot import plot
from tests.bench.report import Finding, Report, shown
from tests.bench.tables import Promise

DOCS = Path(__file__).resolve().parents[2] / "docs"
FIGURES, PAGE, PLOT = (
    DOCS / "performance.json",
    DOCS / "performance.md",
    DOCS / "performance.svg",
)
TOP = """\
# Performance

<!-- Made by `make docs` from performance.json. -->

How fast Splitkeep is, each figure beside a control that was measured in the same minutes on the
same machine, the load generator included.
Speeds belong to the machine: **compare the ratios**.
A figure is the median over the rounds; a ratio is the median of the rounds' own ratios.
[load-testing.md](load-testing.md) says how to run it and what the columns mean.

Nothing here was answered from memory: a removed decrypter, a new value and a delete take effect
on the next call, under every load on this page.
"""
BESIDE_OTHERS = """\
## Beside others

Most secrets managers publish no figures, and those who do measure something else; three
differences decide what can be compared.

- **Who decides.** A decrypt here crosses two services and two databases, because neither may
  hold what the other does. One process with one store does less for each call.
- **What is cached.** A policy that is held in memory answers fast and is out of date for a
  while. Here an allow-list is read for every call.
- **What is asked for.** A call here may name up to 1 000 secrets. Where one call reads one
  secret, compare secrets/s; where the caller brings the ciphertext, nothing was looked up.
"""


def page(report: Report) -> str:
    """The whole page."""
    return "\n".join(
        [
            TOP,
            *_surroundings(report),
            "",
            "## What was promised",
            "",
            *_rows(("what", "promised", "measured", "kept"), _promises(report)),
            "",
            f"![Single decrypts and their control, by calls in flight]({PLOT.name})",
            *(line for finding in report.findings for line in _section(finding)),
            "",
            BESIDE_OTHERS.rstrip("\n"),
            "",
        ]
    )


def picture(report: Report) -> str:
    """The plot. Raises ValueError if what it shows was not measured."""
    found = report.table(single.NAME)
    if found is None:
        raise ValueError(f"{single.NAME} was not measured: there is nothing to draw")
    return plot(found)


def beside_published(report: Report) -> Report:
    """With what is published about other subjects. Raises OtherSurroundingsError."""
    return report.joined(Report.read(FIGURES)) if FIGURES.exists() else report


def publish(report: Report) -> None:
    """Figures, page and plot are in docs/. Raises ValueError if there is nothing to draw."""
    report.write(FIGURES)
    write(report)


def write(report: Report) -> None:
    """Page and plot say what the report says. Raises ValueError if there is no plot."""
    drawn = picture(report)
    PAGE.write_text(page(report), encoding="utf-8")
    PLOT.write_text(drawn, encoding="utf-8")


def _surroundings(report: Report) -> Iterator[str]:
    around = report.surroundings
    workers = ", ".join(f"{count} of {name}" for name, count in around.workers.items())
    yield "| | |"
    yield "|---|---|"
    yield from (f"| {name} | {said} |" for name, said in around.machine.items())
    versions = (f"{name} {said}" for name, said in around.versions.items())
    yield f"| versions | {', '.join(versions)} |"
    yield f"| load by | {around.load_by} |"
    yield f"| connections of one load | {around.connections} at most |"
    yield f"| worker processes | {workers} |"
    yield f"| rounds | {around.rounds} of {around.seconds:g} s a case |"
    yield f"| secure values | {shown(around.rows)} rows; values of 64 bytes |"


def _promises(report: Report) -> Iterator[tuple[str, ...]]:
    for finding in report.findings:
        for promise in finding.table.promises:
            yield _promised(promise)


def _promised(promise: Promise) -> tuple[str, ...]:
    limit = f"{promise.bound} {shown(promise.limit)}"
    return promise.what, limit, shown(promise.measured), "yes" if promise.kept else "**no**"


def _section(finding: Finding) -> Iterator[str]:
    found = finding.table
    yield from ("", f"## {found.title}", "")
    yield from _rows(found.headings, (tuple(map(shown, row)) for row in found.rows))
    yield ""
    yield from (f"- {note}" for note in found.notes)
    yield (
        f"- `--only {found.name}`, {finding.measured_at}; load average before it "
        f"{shown(finding.load_average)}."
    )


def _rows(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    names = list(headings)
    yield f"| {' | '.join(names)} |"
    yield f"|---{'|---:' * (len(names) - 1)}|"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def committed_page() -> str:
    """What the page is to say of the committed figures."""
    return page(Report.read(FIGURES))


def committed_picture() -> str:
    """What the plot is to show of them. Raises ValueError if they have nothing to be drawn."""
    return picture(Report.read(FIGURES))


PAGES = {PAGE.name: committed_page, PLOT.name: committed_picture}


if __name__ == "__main__":
    write(Report.read(FIGURES))
