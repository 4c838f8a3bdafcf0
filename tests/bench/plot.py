"""docs/performance.svg: throughput and p99 of single decrypts against calls in flight.

Drawn by hand: two panels, two lines each, the control beside the decrypts. Its colours are
readable on a light and on a dark page, and the same figures always give the same bytes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from tests.bench import single
from tests.bench.report import cells, shown
from tests.bench.tables import Table

WIDTH, HEIGHT = 860, 340
LEFT, TOP, PANEL_WIDTH, PANEL_HEIGHT, STEP = 60, 50, 340, 220, 430
STEPS = 4  # of the vertical axis
INK, DECRYPT, CONTROL = "#808890", "#2f81f7", "#d1802b"

HEAD = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
    'font-family="sans-serif" font-size="13" role="img">'
)


@dataclass(frozen=True, slots=True)
class Panel:
    """One diagram; `x` places are even, for in flight grows by doubling."""

    title: str
    left: int
    places: Sequence[int]
    lines: Sequence[tuple[str, Sequence[float]]]  # colour, figures

    def drawn(self) -> list[str]:
        top = round_up(max(figure for _, figures in self.lines for figure in figures))
        return [
            text(self.left, TOP - 16, self.title, weight="bold"),
            *self._grid(top),
            *(
                mark
                for colour, figures in self.lines
                for mark in self._line(colour, figures, top)
            ),
        ]

    def _grid(self, top: float) -> list[str]:
        marks = []
        for step in range(STEPS + 1):
            figure = top * step / STEPS
            y = self._y(figure, top)
            marks.append(
                f'<path d="M{self.left} {y:.1f}h{PANEL_WIDTH}" stroke="{INK}" '
                'stroke-opacity="0.35"/>'
            )
            marks.append(text(self.left - 8, y + 4, f"{figure:g}", anchor="end"))
        below = TOP + PANEL_HEIGHT + 18
        for number, place in enumerate(self.places):
            marks.append(text(self._x(number), below, str(place), anchor="middle"))
        middle = self.left + PANEL_WIDTH / 2
        return [*marks, text(middle, below + 20, single.IN_FLIGHT_HEADING, anchor="middle")]

    def _line(self, colour: str, figures: Sequence[float], top: float) -> list[str]:
        points = [(self._x(n), self._y(figure, top)) for n, figure in enumerate(figures)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        return [
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
            *(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}">'
                f"<title>{shown(figure)}</title></circle>"
                for (x, y), figure in zip(points, figures, strict=True)
            ),
        ]

    def _x(self, number: int) -> float:
        return self.left + PANEL_WIDTH * (number + 0.5) / len(self.places)

    def _y(self, figure: float, top: float) -> float:
        return TOP + PANEL_HEIGHT * (1 - figure / top)


def plot(found: Table) -> str:
    """The picture of the table of single decrypts."""
    columns = {
        heading: [float(cell or 0) for cell in cells(found, heading)]
        for heading in found.headings
    }
    places = [round(place) for place in columns[single.IN_FLIGHT_HEADING]]
    panels = [
        Panel(
            title, LEFT + number * STEP, places, ((CONTROL, columns[c]), (DECRYPT, columns[d]))
        )
        for number, (title, d, c) in enumerate(
            (
                ("calls/s", single.SPEED, single.CONTROL_SPEED),
                ("p99, ms", single.P99, single.CONTROL_P99),
            )
        )
    ]
    legend = HEIGHT - 14
    return "\n".join(
        [
            HEAD,
            "<title>Single decrypts and their control, by calls in flight</title>",
            *(mark for panel in panels for mark in panel.drawn()),
            *key(LEFT, legend, DECRYPT, "decrypt of one name"),
            *key(LEFT + 190, legend, CONTROL, "control: an empty call through the same server"),
            "</svg>\n",
        ]
    )


def key(x: float, y: float, colour: str, words: str) -> list[str]:
    return [
        f'<path d="M{x} {y - 4}h24" stroke="{colour}" stroke-width="3"/>',
        text(x + 32, y, words),
    ]


def text(
    x: float, y: float, words: str, *, anchor: str = "start", weight: str = "normal"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{INK}" text-anchor="{anchor}" '
        f'font-weight="{weight}">{escape(words)}</text>'
    )


def round_up(figure: float) -> float:
    """The least of 1, 2, 4, 6, 8 times a power of ten that is not below the figure."""
    power = 10.0 ** math.floor(math.log10(max(figure, 1e-9)))
    return next(n * power for n in (1, 2, 4, 6, 8, 10) if n * power >= figure)
