"""Draw the page's templates; Jinja2 is imported with the first page, so that an unused page costs nothing."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

LIVE = "live_"
_HERE = Path(__file__).parent
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@cache
def assets() -> dict[str, tuple[bytes, bytes, str]]:
    """Returns content, gzipped content and media type of each asset, by name."""
    found = {}
    for file in sorted((_HERE / "assets").iterdir()):
        if file.suffix in _TYPES:
            data = file.read_bytes()
            found[file.name] = data, gzip.compress(data, 9, mtime=0), _TYPES[file.suffix]
    return found


@cache
def assets_hash() -> str:
    """Returns a hash that changes with any asset, so that browsers can cache them for good."""
    digest = hashlib.sha256()
    for name, (data, _, _) in assets().items():
        digest.update(name.encode() + data)
    return digest.hexdigest()[:16]


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - see above
    from markupsafe import Markup  # noqa: PLC0415 - see above

    from zeebe_connectors.admin.page import charts, hour_charts  # noqa: PLC0415 - see above

    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(
        glyph=charts.glyph,
        state=charts.state,
        swatch=charts.swatch,
        spark=charts.spark,
        jobs_chart=charts.jobs_chart,
        waterfall_bar=hour_charts.waterfall_bar,
        latency_chart=hour_charts.latency_chart,
        failures_chart=hour_charts.failures_chart,
        codes_legend=hour_charts.codes_legend,
        day_chart=hour_charts.day_chart,
        counted=lambda name, count: Markup(counted(name, count)),  # noqa: S704 - a number and our own words
        worst=lambda count: Markup(worst(count)),  # noqa: S704 - as above
        assets=f"/assets/{assets_hash()}",
    )
    environment.filters.update(
        moment=charts.moment,
        took=charts.took,
        utc=charts.utc,
        visible=charts.visible,
        written_out=charts.written_out,
        clipped=charts.clipped,
        short=charts.short,
        sized=charts.sized,
        number="{:,}".format,
        is_address=lambda text: text.startswith(("http://", "https://")),  # a form may hold what was refused
    )
    return environment


def draw(template: str, values: dict[str, Any]) -> str:
    """Returns the HTML of a page; may take a tenth of a second the first time.

    Args:
        template: The template's file.
        values: Values for the template; everything in them is escaped.
    """
    return _environment().get_template(template).render(values)


def counted(name: str, count: int) -> str:
    """Returns the count beside a place in the navigation: `12`, with a word for screen readers, or `1 down`."""
    if not count:
        return ""
    several = "" if count == 1 else "s"
    word = {"incidents": f"incident{several} in the last hour", "quarantine": f"event{several}"}.get(name)
    return f"{count:,} {name}" if word is None else f'{count:,}<span class="hidden"> {word}</span>'


def worst(count: int) -> str:
    """Returns what the bar of a small screen says when sources are down; empty when none is."""
    from zeebe_connectors.admin.page.charts import glyph  # noqa: PLC0415 - with the first page

    words = f"{count:,} source{'' if count == 1 else 's'} down"
    return f'{glyph("down")}<span class="hidden">{words}</span>' if count else ""


def notice(reason: str) -> str:
    """Returns what stands above a page whose subject is gone.

    Args:
        reason: Why, as a page of its own would say.
    """
    from markupsafe import Markup  # noqa: PLC0415 - with the first page

    from zeebe_connectors.admin.page.charts import visible  # noqa: PLC0415 - as above

    return str(Markup('<div class="note warn"><p>{} This is how it was.</p></div>').format(visible(reason)))


def regions(template: str, values: dict[str, Any], rows: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Returns the HTML of a page's live regions: its blocks whose names begin with `live_`.

    Args:
        template: Its file.
        values: What it shows.
        rows: Rows that changed by their regions' names; `jobs.html` has `_jobs_row.html` with the macro that draws one.
    """
    found = _environment().get_template(template)
    values = {**values, "p": _environment().get_template("_nav.html").module}  # as `import` does for a whole page
    names = [name for name in found.blocks if name.startswith(LIVE)]
    drawn = {name.removeprefix(LIVE): "".join(found.blocks[name](found.new_context(values))) for name in names}
    if rows:
        row: Any = _environment().get_template(f"_{template.removesuffix('.html')}_row.html").module
        drawn |= {name: str(row.row(one)) for name, one in rows.items()}
    return drawn
