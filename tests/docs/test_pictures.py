"""The pictures are those that `make pictures` takes, small, and about what the pages say."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest
from tests.docs.pictures import DIAGRAM, PICTURES, ROOT, RUN, draw, run_of_the_demo, take_in_modeler, text_of

MAX_BYTES = 120_000
VALUE = re.compile(r"<zeebe:(?:input|header|taskDefinition) [^>]*/>")


def size(picture: Path) -> tuple[int, int]:
    """Width and height of a PNG."""
    return struct.unpack(">II", picture.read_bytes()[16:24])


def test_each_picture_is_shown_described_and_small() -> None:
    """None is left over, and none is missing."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    shown = {}
    for page in pages:
        for description, target in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", page.read_text("utf-8")):
            shown[(page.parent / target).resolve()] = description
    assert set(shown) == {file.resolve() for file in PICTURES.iterdir()}
    assert all(len(description) > 20 for description in shown.values())
    for picture in shown:
        assert picture.stat().st_size < MAX_BYTES, picture.name


@pytest.mark.modeler
@pytest.mark.page
@pytest.mark.timeout(600)
def test_the_modeler_still_looks_like_its_pictures(tmp_path: Path) -> None:
    """Same files, same size; the form still takes the tutorial's values and gives the committed diagram's."""
    take_in_modeler(tmp_path)
    made = {file.name for file in tmp_path.glob("*.png")}
    # Those of the operator's page are taken by tests/admin/page.
    assert made == {file.name for file in PICTURES.glob("*.png") if not file.name.startswith("page-")}
    for name in made:
        assert size(tmp_path / name) == size(PICTURES / name)
    values = VALUE.findall((tmp_path / DIAGRAM.name).read_text("utf-8"))
    assert values == VALUE.findall(DIAGRAM.read_text("utf-8")), "run `make pictures` and commit what it writes"
    assert len(values) > 15


@pytest.mark.engine
@pytest.mark.slow
def test_the_run_still_prints_what_its_picture_shows() -> None:
    """But for ports, keys and times."""
    plain = re.compile(r"\d+(?:\.\d+)?")
    committed = plain.sub("0", text_of((PICTURES / RUN).read_text("utf-8")))
    assert plain.sub("0", text_of(draw(run_of_the_demo(), "make demo"))) == committed
