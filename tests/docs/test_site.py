"""The site that `make docs` builds: no dead link, no page that nothing leads to, and nothing from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = re.search(r"^\t\$\(BIN\)/sphinx-build (.*) build/site$", (ROOT / "Makefile").read_text(), re.MULTILINE)
LOADED = re.compile(
    r"""<(?:script|img|iframe|source|link(?=[^>]*rel="(?:stylesheet|preload|icon|preconnect|dns-prefetch)"))\b[^>]*"""
    r"""(?:src|href)=["'](?:https?:)?//[^>]*>|@import[^;]*//[^;]*|url\(\s*["']?(?:https?:)?//[^)]*\)"""
)


def build(where: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sphinx", *arguments, str(where)], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    """With the Makefile's own options; every page of docs/ is there."""
    assert COMMAND is not None
    done = build(tmp_path, *COMMAND[1].split())
    assert done.returncode == 0, done.stdout + done.stderr
    for page in (ROOT / "docs").rglob("*.md"):
        assert (tmp_path / page.relative_to(ROOT).with_suffix(".html")).is_file(), page
    first = (tmp_path / "index.html").read_text("utf-8")
    assert (tmp_path / re.search(r"url=([^\"]+)", first)[1]).is_file()
    for file in tmp_path.rglob("*"):
        if file.suffix in {".html", ".css"}:
            assert LOADED.findall(file.read_text("utf-8")) == [], file.relative_to(tmp_path)


def test_what_is_loaded_from_elsewhere_would_be_found() -> None:
    """The expression above, by what themes do."""
    for text in (
        '<script async src="https://cdn.example.com/a.js"></script>',
        '<link rel="stylesheet" href="//fonts.example.com/css">',
        '<img alt="x" src="https://example.com/x.png">',
        "@import url('https://fonts.example.com/css');",
        "src: url(https://example.com/x.woff2)",
    ):
        assert LOADED.search(text), text
    assert not LOADED.search('<a href="https://example.com">x</a><script src="_static/doctools.js"></script>')


@pytest.mark.slow
def test_a_dead_link_or_a_lonely_page_ends_the_build(tmp_path: Path) -> None:
    """With the project's own configuration; each is named."""
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "conf.py").write_text((ROOT / "docs" / "conf.py").read_text("utf-8"), encoding="utf-8")
    (folder / "README.md").write_text("# A\n\n- [B](b.md)\n", encoding="utf-8")
    (folder / "b.md").write_text("# B\n\n[gone](c.md), [no such part](README.md#part)\n", encoding="utf-8")
    (folder / "lonely.md").write_text("# C\n", encoding="utf-8")
    options = ["-W", "--keep-going", "-q", "-b", "dummy", "-c", str(folder), str(tmp_path)]
    done = build(tmp_path / "site", *options)
    assert done.returncode != 0
    for complaint in ("c.md", "'part'", "lonely.md: WARNING: document isn't included in any toctree"):
        assert complaint in done.stderr, done.stderr
