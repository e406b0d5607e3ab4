"""Draw charts as SVG for the operator's page; colours come from the style sheet, so no inline style is needed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from markupsafe import Markup

_SHAPES = {
    "up": ("ok", "", '<circle cx="5" cy="5" r="4.5"/>'),
    "standby": ("idle", " hollow", '<circle cx="5" cy="5" r="3.9"/>'),
    "down": ("bad", "", '<rect x="0.8" y="0.8" width="8.4" height="8.4" rx="1"/>'),
    "warn": ("warn", "", '<path d="M5 0.6 9.8 9.2H0.2z"/>'),
    "quarantined": ("warn", "", '<path d="M5 0 10 5 5 10 0 5z"/>'),
    "bpmn": ("idle", " hollow", '<path d="M5 0.9 9.1 5 5 9.1 0.9 5z"/>'),
}
_SHAPE_OF = {"completed": "up", "retried": "warn", "incident": "down", "unanswered": "warn", "bad": "down"}
_HEIGHT = 120
_STEP = 16


def glyph(name: str) -> Markup:
    """Returns the symbol of a state, in its colour."""
    colour, hollow, shape = _SHAPES[_SHAPE_OF.get(name, name)]
    return Markup('<svg class="g{} {}" viewBox="0 0 10 10" aria-hidden="true">{}</svg>').format(
        hollow,
        colour,
        Markup(shape),  # noqa: S704 - our own
    )


def state(name: str, text: str) -> Markup:
    """Returns a state as symbol and word, in its colour."""
    colour = _SHAPES[_SHAPE_OF.get(name, name)][0]
    return Markup('<span class="st {}">{}<span>{}</span></span>').format(colour, glyph(name), text)


def swatch(name: str) -> Markup:
    """Returns the colour sample of a legend's entry."""
    return Markup(
        '<svg viewBox="0 0 10 10" aria-hidden="true"><rect class="f-{}" width="10" height="10" rx="2"/></svg>'
    ).format(name)


def spark(values: Sequence[int]) -> Markup:
    """Draws the course of an hour as a sparkline."""
    top = max(values, default=0) or 1
    points = " ".join(f"{i * 2 + 1},{20 - 17 * value / top:.1f}" for i, value in enumerate(values))
    return Markup(
        '<svg class="spark" viewBox="0 0 120 22" preserveAspectRatio="none" aria-hidden="true">'
        '<polyline class="s-line" points="{}"/></svg>'
    ).format(points)


def jobs_chart(minutes: Sequence[Sequence[float]]) -> Markup:
    """Draws jobs per minute over an hour, stacked by outcome; failures have a visible minimum height.

    Args:
        minutes: Start and numbers of completed jobs, BPMN errors, retries and incidents of each minute.
    """
    top = round_up(max((sum(counts) for _, *counts in minutes), default=0))
    parts = [f'<line class="grid" x1="0" x2="960" y1="{y}" y2="{y}"/>' for y in (0.5, 60, 119.5)]
    for i, (_, *counts) in enumerate(minutes):
        y = float(_HEIGHT)
        for name, value in zip(("done", "bpmn", "warn", "bad"), counts, strict=True):
            if value:
                size = max(2.5, _HEIGHT * value / top)
                y -= size
                parts.append(
                    f'<rect class="f-{name}" x="{i * _STEP + 1.5}" y="{max(0.0, y):.1f}" '
                    f'width="{_STEP - 3}" height="{size:.1f}"/>'
                )
    totals = [int(sum(column)) for column in list(zip(*minutes, strict=True))[1:]]
    label = "Jobs a minute in the last hour: {:,} completed, {:,} BPMN errors, {:,} tried again, {:,} incidents"
    times = [minutes[i][0] for i in (0, 20, 40, 59)]
    return Markup(
        '<div class="plot"><div class="ys" aria-hidden="true">{}</div><svg viewBox="0 0 960 120" '
        'preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
        '<div class="xs" aria-hidden="true">{}</div></div>'
    ).format(
        Markup("").join(Markup("<span>{}</span>").format(f"{y:,}") for y in (top, top // 2, 0)),
        label.format(*totals),
        Markup("".join(parts)),  # noqa: S704 - numbers and our own names only
        Markup("").join(Markup("<span>{}</span>").format(moment(at, "minute")) for at in times),
    )


def moment(at: float | None, form: str = "time") -> Markup:
    """Returns a time in UTC, which the page's script converts to the browser's time zone.

    Args:
        at: Seconds since 1970.
        form: `time` with seconds, `minute`, or `day` with date.
    """
    if at is None:
        return Markup("&ndash;")
    when = datetime.fromtimestamp(at, UTC)
    text = when.strftime({"time": "%H:%M:%S", "minute": "%H:%M"}.get(form, "%d %b %Y, %H:%M"))
    return Markup('<time datetime="{}" data-form="{}">{}</time>').format(
        when.isoformat(timespec="milliseconds"), form, text
    )


def utc(at: float) -> str:
    """Returns a time as text for a chat, to the minute.

    Args:
        at: Seconds since 1970.
    """
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def took(seconds: float | None) -> str:
    """Formats a duration in a suitable unit."""
    if seconds is None:
        return "—"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.0f} min"


def sized(size: int) -> str:
    """Formats a number of bytes in a suitable unit."""
    if size < 1000:
        return f"{size} bytes"
    return f"{size / 1000:.0f} kB" if size < 1_000_000 else f"{size / 1_000_000:.1f} MB"


def written_out(text: object) -> str:
    """Returns text from outside with invisible and bidirectional control characters written out."""
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else f"[U+{ord(letter):04X}]" for letter in str(text)
    )


def visible(text: object) -> Markup:
    """Returns the same, isolated so that it does not change the direction of the text around it."""
    return Markup("<bdi>{}</bdi>").format(written_out(text))


def short(text: object, limit: int = 120) -> Markup:
    """Returns a name for a list or a heading, cut if it is longer than a name should be."""
    whole = str(text)
    return visible(whole if len(whole) <= limit else whole[:limit] + "…")


def clipped(text: object, limit: int = 300) -> Markup:
    """Returns text from outside; the part beyond the limit is a click away."""
    whole = str(text)
    if len(whole) <= limit:
        return visible(whole)
    return Markup("{} <details><summary>all of it</summary>{}</details>").format(
        visible(whole[:limit] + "…"), visible(whole)
    )


def round_up(value: float) -> int:
    """Rounds up to a number that reads well on an axis."""
    size = 2
    while size < value:
        size = size * 5 // 2 if str(size)[0] == "2" else size * 2
    return size
