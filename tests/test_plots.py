"""The plots of the benchmarks are drawings that a browser shows, to scale."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET

import pytest
from benchmarks.plots import HEIGHT, WIDTH, line_plot

_SVG = "{http://www.w3.org/2000/svg}"


def drawn(plot: str) -> dict[str, list[tuple[float, float]]]:
    lines = ET.fromstring(plot).iter(f"{_SVG}polyline")
    return {
        line.attrib["stroke"]: [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]  # type: ignore[misc]
        for line in lines
    }


def test_points_lie_to_scale_and_words_stand_beside_them():
    lines = {"a <b>": [(1.0, 0.0), (3.0, 10.0), (2.0, 5.0)], "flat": [(1.0, 5.0), (3.0, 5.0)]}
    plot = line_plot("Title & more", "across", "up", lines)
    first, flat = drawn(plot).values()
    assert [x for x, _ in first] == sorted(x for x, _ in first)
    assert math.isclose(first[1][1], (first[0][1] + first[2][1]) / 2, abs_tol=0.2)
    assert flat[0][1] == flat[1][1] == first[1][1]
    assert all(0 < x < WIDTH and 0 < y < HEIGHT for x, y in first)
    text = "".join(ET.fromstring(plot).itertext())
    assert all(word in text for word in ("Title & more", "across", "up", "a <b>", "10"))


def test_each_step_of_a_logarithmic_axis_is_ten_times_the_last():
    ((one, ten, hundred),) = drawn(line_plot("t", "x", "y", {"a": [(1, 1), (10, 1), (100, 1)]}, log_x=True)).values()
    assert math.isclose(ten[0] - one[0], hundred[0] - ten[0], abs_tol=0.2)


def test_zeros_one_point_and_nothing():
    assert len(drawn(line_plot("t", "x", "y", {"a": [(5.0, 0.0)]}))) == 1
    with pytest.raises(ValueError, match="nothing to draw"):
        line_plot("t", "x", "y", {})
