"""Configures Sphinx for `make docs`: the pages of docs/ and of the top folder, as a site that needs no network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "Zeebe Connectors"
author = project
copyright = "Apache License 2.0"  # noqa: A001 - Sphinx's name for it
extensions = ["myst_parser"]

# The repository is the source directory, so that a link means the same on the site and in the repository.
include_patterns = [
    "docs/*.md",
    "docs/*/*.md",
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "examples/*/README.md",
]
exclude_patterns = [".venv", "var", "build", "**/node_modules", "src", "tests", "benchmarks", "bpmn-examples"]
root_doc = "docs/README"

html_theme = "furo"
html_title = project
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_theme_options = {"footer_icons": []}
templates_path: list[str] = []

myst_heading_anchors = 4
myst_links_external_new_tab = False
highlight_language = "none"
suppress_warnings = ["misc.highlighting_failure"]  # FEEL and the outputs of commands have no lexer

_LINK = re.compile(r"\[([^\]]+)\]\(([^)#\s]+)\.md\)")
_LISTS = ("docs/README", "docs/connectors/README", "docs/adr/README")


def _with_navigation(app: Sphinx, name: str, source: list[str]) -> None:  # noqa: ARG001 - Sphinx passes the application
    """Makes the navigation of the links that a list of pages has, one part for each of its headings."""
    if name not in _LISTS:
        return
    for part in re.split(r"^## ", source[0], flags=re.MULTILINE):
        caption = part.partition("\n")[0].strip("# ")
        entries = [f"{title} <{target}>" for title, target in _LINK.findall(part)]
        if entries:
            source[0] += "\n\n```{toctree}\n:hidden:\n:caption: " + "\n".join([caption, "", *entries]) + "\n```\n"


def _begin_at_the_top(app: Sphinx, error: Exception | None) -> None:
    """Makes the site's top lead to its first page."""
    if error is None:
        first = f"{root_doc}.html"
        refresh = f'<meta http-equiv="refresh" content="0; url={first}">'
        page = f'<!doctype html><meta charset="utf-8"><title>{project}</title>{refresh}'
        Path(app.outdir, "index.html").write_text(f'{page}<a href="{first}">{project}</a>\n', encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _with_navigation)
    app.connect("build-finished", _begin_at_the_top)
