"""Draw one job's stages, an hour's latency and failures, and a source's day, as SVG for the operator's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from zeebe_connectors.admin.page.charts import moment, round_up, swatch, took, visible

MAX_CODES = 5
"""Maximum number of codes with a colour of their own in a plot."""
_COLOURS = ("bad", "warn", "bpmn", "done", "ok", "none")
_HEIGHT = 100
_WIDTH = 960
_CELL = 10
_UP = {"u": "ok", "d": "bad", "s": "none", "t": "warn", "-": ""}
_WORDS = {"u": "up", "d": "down", "s": "standing by", "t": "starting"}


def waterfall_bar(begin: float, seconds: float, whole: float, *, bad: bool, waiting: bool) -> Markup:
    """Draws one stage's part of the total time.

    Args:
        begin: Seconds after the first stage began.
        seconds: Duration of the stage.
        whole: Duration of all stages.
        bad: Whether the job failed in it.
        waiting: Whether the job only waited in it.
    """
    scale = 1000 / whole if whole else 0.0
    left = min(996.0, begin * scale)
    width = max(4.0, min(seconds * scale, 1000 - left))
    colour = "bad" if bad else "none" if waiting else "done"
    return Markup(
        '<svg viewBox="0 0 1000 14" preserveAspectRatio="none" aria-hidden="true">'
        '<line class="grid" x1="0" x2="1000" y1="13.5" y2="13.5"/>'
        '<rect class="f-{}" x="{:.1f}" y="1" width="{:.1f}" height="12"/></svg>'
    ).format(colour, left, width)


def latency_chart(minutes: Sequence[Mapping[str, Any]]) -> Markup:
    """Draws median and 95th percentile of handling times by minute; minutes without jobs are gaps."""
    top = max((minute["p95"] for minute in minutes if minute["p95"] is not None), default=0.0)
    step = _WIDTH / max(1, len(minutes))
    parts = [_grid()]
    for name, colour in (("p95", "s-high"), ("median", "s-line")):
        for run in _runs([minute[name] for minute in minutes]):
            points = " ".join(f"{(i + 0.5) * step:.1f},{_HEIGHT - 2 - (_HEIGHT - 6) * y / top:.1f}" for i, y in run)
            if len(run) > 1:
                parts.append(f'<polyline class="{colour}" points="{points}"/>')
            else:
                x, _, y = points.partition(",")
                parts.append(f'<rect class="{colour} f-{colour}" x="{float(x) - 2:.1f}" y="{y}" width="4" height="2"/>')
    label = f"How long jobs took in the last hour: 95 % within {took(top)} in the slowest minute"
    return _plot("".join(parts), label, [took(top), took(top / 2), "0"], minutes)


def failures_chart(minutes: Sequence[Mapping[str, Any]], codes: Sequence[Mapping[str, Any]]) -> Markup:
    """Draws failures by minute, stacked by code; rarer codes share a colour."""
    named = [one["code"] for one in codes[:MAX_CODES]]
    top = round_up(max((sum(minute["codes"].values()) for minute in minutes), default=0))
    step = _WIDTH / max(1, len(minutes))
    parts = [_grid()]
    for i, minute in enumerate(minutes):
        y = float(_HEIGHT)
        rest = sum(count for code, count in minute["codes"].items() if code not in named)
        for number, count in enumerate([*(minute["codes"].get(code, 0) for code in named), rest]):
            if count:
                size = max(2.5, _HEIGHT * count / top)
                y -= size
                colour = _COLOURS[number if number < len(named) else MAX_CODES]
                parts.append(
                    f'<rect class="f-{colour}" x="{i * step + 1.5:.1f}" y="{max(0.0, y):.1f}" '
                    f'width="{step - 3:.1f}" height="{size:.1f}"/>'
                )
    words = ", ".join(f"{one['count']:,} of {one['code']}" for one in codes[:MAX_CODES]) or "none"
    return _plot(
        "".join(parts), f"Failures a minute in the last hour: {words}", [f"{top:,}", f"{top // 2:,}", "0"], minutes
    )


def codes_legend(codes: Sequence[Mapping[str, Any]]) -> Markup:
    """Returns the legend: colours and counts of the codes."""
    rest = sum(one["count"] for one in codes[MAX_CODES:])
    shown = [(_COLOURS[number], one["code"], one["count"]) for number, one in enumerate(codes[:MAX_CODES])]
    if rest:
        shown.append((_COLOURS[MAX_CODES], "others", rest))
    return Markup("").join(
        Markup("<span>{}<span><b>{:,}</b> {}</span></span>").format(swatch(colour), count, visible(code[:60]))
        for colour, code, count in shown
    )


def day_chart(states: str, events: Sequence[int], now: float) -> Markup:
    """Draws a source's last 24 hours by the quarter of an hour: below its status, above its number of events.

    Args:
        states: A letter each, the oldest first: `u`p, `d`own, `s`tanding by, s`t`arting, `-` for before the start.
        events: How many came in each.
        now: The end of the last quarter, in seconds since 1970.
    """
    top = max(max(events, default=0), 4)
    parts = [f'<line class="grid" x1="0" x2="{_WIDTH}" y1="56.5" y2="56.5"/>']
    for i, (state, count) in enumerate(zip(states, events, strict=True)):
        if colour := _UP.get(state, ""):
            parts.append(f'<rect class="f-{colour}" x="{i * _CELL + 1}" y="62" width="8" height="10"/>')
        if count:
            size = max(3.0, 56 * count / top)
            parts.append(
                f'<rect class="f-done" x="{i * _CELL + 1}" y="{56 - size:.1f}" width="8" height="{size:.1f}"/>'
            )
    quarters = {word: states.count(letter) for letter, word in _WORDS.items()}
    words = ", ".join(f"{word} for {count / 4:g} hours" for word, count in quarters.items() if count)
    label = f"The last 24 hours: {sum(events):,} events; {words or 'not known'}"
    times = [now - 86400, now - 43200]
    return Markup(
        '<div class="plot day"><div class="ys" aria-hidden="true"><span>{}</span><span>0</span></div>'
        '<svg viewBox="0 0 960 72" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
        '<div class="xs" aria-hidden="true">{}<span>now</span></div></div>'
    ).format(
        f"{top:,}",
        label,
        Markup("".join(parts)),  # noqa: S704 - numbers and our own names only
        Markup("").join(Markup("<span>{}</span>").format(moment(at, "minute")) for at in times),
    )


def _plot(parts: str, label: str, scale: Sequence[str], minutes: Sequence[Mapping[str, Any]]) -> Markup:
    times = [minutes[i]["at"] for i in (0, len(minutes) // 2, len(minutes) - 1)] if minutes else []
    return Markup(
        '<div class="plot small"><div class="ys" aria-hidden="true">{}</div><svg viewBox="0 0 960 100" '
        'preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
        '<div class="xs" aria-hidden="true">{}</div></div>'
    ).format(
        Markup("").join(Markup("<span>{}</span>").format(text) for text in scale),
        label,
        Markup(parts),  # noqa: S704 - numbers and our own names only
        Markup("").join(Markup("<span>{}</span>").format(moment(at, "minute")) for at in times),
    )


def _grid() -> str:
    return "".join(f'<line class="grid" x1="0" x2="{_WIDTH}" y1="{y}" y2="{y}"/>' for y in (0.5, 50, 99.5))


def _runs(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Runs of values without gaps, each value with its index."""
    found: list[list[tuple[int, float]]] = [[]]
    for i, value in enumerate(values):
        if value is None:
            found.append([])
        else:
            found[-1].append((i, value))
    return [run for run in found if run]
