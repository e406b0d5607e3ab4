"""Draws what benchmarks measured as lines in an SVG, with nothing but text: no library, no script, no style sheet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 640, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 150, 40, 50
_COLOURS = ("#1668b8", "#b8581a", "#2a7d46", "#7a4fa3", "#5c5c5c")


def line_plot(title: str, across: str, up: str, series: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Lines with their points, from zero up; across by orders of magnitude.

    Args:
        title: Above the plot.
        across: What the horizontal axis has; all its values are above zero.
        up: What the vertical axis has.
        series: By name, points from left to right.
    """
    points = [point for line in series.values() for point in line]
    low, high = (math.log10(end([x for x, _ in points])) for end in (min, max))
    top = max(y for _, y in points) * 1.1 or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        share = (math.log10(x) - low) / ((high - low) or 1.0)
        right = _LEFT + share * (WIDTH - _LEFT - _RIGHT)
        return round(right, 1), round(HEIGHT - _BOTTOM - y / top * (HEIGHT - _TOP - _BOTTOM), 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(_LEFT, 22, title, size=15),
        _text((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 10, across, anchor="middle"),
        _text(8, _TOP - 8, up),
    ]
    for step in range(5):
        y = top / 1.1 * step / 4
        at = place(10**low, y)[1]
        parts.append(f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{at}" y2="{at}" stroke="#ddd"/>')
        parts.append(_text(_LEFT - 8, at + 4, f"{y:,.3g}" if top < 100 else f"{y:,.0f}", anchor="end"))
    parts += [
        _text(place(x, 0)[0], HEIGHT - _BOTTOM + 18, f"{x:,g}", anchor="middle") for x in sorted({x for x, _ in points})
    ]
    for number, (name, line) in enumerate(series.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        placed = [place(*point) for point in line]
        path = " ".join(f"{x},{y}" for x, y in placed)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in placed]
        parts.append(_text(placed[-1][0] + 8, placed[-1][1] + 4, name, colour=colour))
    return "\n".join([*parts, "</svg>", ""])


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12, colour: str = "#222") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">{escape(text)}</text>'
