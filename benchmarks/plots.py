"""Draws what benchmarks measured as SVG, for people who would rather look; needs nothing but the standard library."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

Points = Sequence[tuple[float, float]]
WIDTH, HEIGHT = 760, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 20, 40, 78
_COLOURS = ("#0b6e99", "#b3261e", "#1a7f37", "#9a6700", "#6e40c9", "#57606a")


def line_plot(title: str, x_label: str, y_label: str, series: Mapping[str, Points], *, log_x: bool = False) -> str:
    """A plot of lines.

    Args:
        title: Above it.
        x_label: What lies on the horizontal axis, with its unit.
        y_label: The same of the vertical one, which begins at zero.
        series: Points by the name of their line.
        log_x: Each step of the horizontal axis is ten times the last one; all its values must be above zero then.

    Returns:
        The SVG, as text.
    """
    points = [point for line in series.values() for point in line]
    if not points:
        raise ValueError("there is nothing to draw")
    place: dict[float, float] = {x: math.log10(x) if log_x else x for x, _ in points}
    low, high = min(place.values()), max(place.values())
    span = (high - low) or 1.0
    top = _round_up(max(y for _, y in points))

    def at(x: float, y: float) -> tuple[float, float]:
        across = (place[x] - low) / span * (WIDTH - _LEFT - _RIGHT)
        return _LEFT + across, HEIGHT - _BOTTOM - y / top * (HEIGHT - _TOP - _BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-family="sans-serif">',
        '<g font-size="12" fill="#1f2328">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="22" font-size="15" font-weight="600">{escape(title)}</text>',
    ]
    for step in range(5):
        value = top * step / 4
        y = HEIGHT - _BOTTOM - step / 4 * (HEIGHT - _TOP - _BOTTOM)
        parts.append(f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#d0d7de"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    parts += [
        f'<text x="{at(x, 0)[0]:.1f}" y="{HEIGHT - _BOTTOM + 18}" text-anchor="middle">{x:,g}</text>'
        for x in _some(sorted(place))
    ]
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle:.0f}" y="{HEIGHT - _BOTTOM + 38}" text-anchor="middle">{escape(x_label)}</text>')
    parts.append(
        f'<text transform="translate(16 {(HEIGHT - _BOTTOM + _TOP) / 2:.0f}) rotate(-90)" text-anchor="middle">'
        f"{escape(y_label)}</text>"
    )
    for number, (name, line) in enumerate(series.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in sorted(line)))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in (at(*point) for point in line)
        ]
        legend = _LEFT + number % 3 * 220
        y = HEIGHT - 22 + number // 3 * 16
        parts.append(f'<rect x="{legend}" y="{y - 9}" width="10" height="10" rx="2" fill="{colour}"/>')
        parts.append(f'<text x="{legend + 16}" y="{y}">{escape(name)}</text>')
    return "\n".join([*parts, "</g>", "</svg>\n"])


def _round_up(value: float) -> float:
    """The next number that reads well on an axis."""
    if value <= 0:
        return 1.0
    size = 10.0 ** math.floor(math.log10(value))
    return next(size * step for step in (1, 2, 4, 5, 8, 10) if size * step >= value)


def _some(values: list[float]) -> list[float]:
    """Eight of them at most, the first and the last among them."""
    if len(values) <= 8:
        return values
    return sorted({values[round(step * (len(values) - 1) / 7)] for step in range(8)})
