"""Takes the pictures of README and docs anew (`make pictures`): of forms in the real modeler, and of a run."""

from __future__ import annotations

import html
import io
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from tests.modeler.tool import ROOT, TEMPLATES, browser, run_node

PICTURES = ROOT / "docs" / "pictures"
DIAGRAM = ROOT / "examples" / "order-mail" / "order-mail.bpmn"
TUTORIAL = ROOT / "tests" / "modeler" / "tutorial.json"
RUN = "demo.svg"

_SVG = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font: {char_height}px/{line_height}px ui-monospace, Menlo, "DejaVu Sans Mono", monospace; }}
.{unique_id}-title {{ font: 18px sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""Rich's own frame names a font on a server; this one takes what the reader has."""


def take_in_modeler(where: Path) -> None:
    """Writes the modeler's pictures, and the diagram that the tutorial's form becomes."""
    done = run_node(
        "take-pictures.mjs",
        *("--templates", TEMPLATES, "--diagram", ROOT / "bpmn-examples" / "demo.bpmn", "--element", "get-order"),
        *("--case", TUTORIAL, "--out", where, "--browser", browser()),
        seconds=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def run_of_the_demo() -> str:
    """What `zeebe-connectors demo` prints, without the lines that a picture has no room for."""
    done = subprocess.run(
        [sys.executable, "-m", "zeebe_connectors", "demo"], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    _, stack, instance, _, mail, seen = re.split(r"^(?=\d\. )", done.stdout, flags=re.MULTILINE)
    instance = instance.partition("   Variables that")[0] + "   …\n"
    return "\n".join(part.strip("\n") + "\n" for part in (stack, instance, mail, seen))


def draw(text: str, title: str) -> str:
    """An SVG of a terminal with the text; it loads nothing."""
    console = Console(record=True, width=100, file=io.StringIO(), force_terminal=True, highlight=False)
    for line in text.splitlines():
        heading = re.match(r"\d\. ", line)
        shown = re.sub(r"^(   )(yes)", r"\1[green]\2[/green]", line.replace("[", r"\["))
        console.print(f"[bold]{shown}[/bold]" if heading else shown)
    drawn = console.export_svg(title=title, theme=MONOKAI, code_format=_SVG, unique_id="run")
    return "\n".join(line.rstrip() for line in drawn.splitlines()) + "\n"


def take_of_run(where: Path) -> None:
    """Writes the picture of a run."""
    (where / RUN).write_text(draw(run_of_the_demo(), "make demo"), encoding="utf-8")


def text_of(picture: str) -> str:
    """The words of a picture, with plain spaces."""
    return html.unescape(" ".join(re.findall(r">([^<>\n]+)</text>", picture))).replace("\xa0", " ")


def main() -> None:
    """Takes all pictures, and puts them and the diagram in their places."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder)
        take_in_modeler(made)
        take_of_run(made)
        PICTURES.mkdir(exist_ok=True)
        for file in made.iterdir():
            shutil.copy(file, DIAGRAM if file.name == DIAGRAM.name else PICTURES / file.name)


if __name__ == "__main__":
    main()
