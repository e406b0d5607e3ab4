"""The diagrams that we show are filled in as the Modeler does it: whoever opens one sees the whole form."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DIAGRAMS = sorted([*(ROOT / "bpmn-examples").glob("*.bpmn"), *(ROOT / "examples").glob("*/*.bpmn")])
TEMPLATES = {
    template["id"]: template
    for template in (json.loads(file.read_text("utf-8")) for file in (ROOT / "element-templates").glob("*.json"))
}


@pytest.mark.parametrize("diagram", DIAGRAMS, ids=lambda file: file.name)
def test_what_other_fields_depend_on_is_chosen(diagram: Path) -> None:
    """Without it the Modeler hides them, though they have values."""
    text = diagram.read_text("utf-8")
    elements = re.findall(
        r'<bpmn:(\w+) id="([^"]+)"[^>]*zeebe:modelerTemplate="([^"]+)"[^>]*>(.*?)</bpmn:\1>', text, re.DOTALL
    )
    assert elements
    for _, name, template, inside in elements:
        for field in TEMPLATES[template]["properties"]:
            if field.get("id") == "connection":
                binding = field["binding"]
                key = binding.get("key") or binding["name"]
                assert re.search(rf'(?:key|name)="{re.escape(key)}" value="(?:here|provider)"', inside), name
