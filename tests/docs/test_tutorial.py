"""The tutorial's diagram does what the page says, line by line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from zeebe_connectors.cli.steps import Steps
from zeebe_connectors.testing import Engine
from zeebe_connectors.testing.servers import MailServer

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tutorial.md").read_text("utf-8")
DIAGRAM = (ROOT / "examples" / "order-mail" / "order-mail.bpmn").read_text("utf-8")


def body(number: int) -> dict[str, Any]:
    """What a call of the page sends."""
    return json.loads(re.findall(r"-d '(\{.*?\})'\n", PAGE, re.DOTALL)[number])


def outputs() -> list[str]:
    """The lines that the page says `dev` prints, without keys."""
    blocks = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    return [re.sub(r"\d{16}", "KEY", line) for block in blocks for line in block.splitlines()]


def test_the_process_of_the_tutorial_runs_breaks_and_is_mended(zeebe_engine: Engine, zeebe_mail: MailServer) -> None:
    """With the page's own variables; the lines are those of the page."""
    zeebe_mail.clear()  # it serves the whole session
    lines: list[str] = []
    zeebe_engine.core.observe(Steps(lines.append))
    text = DIAGRAM.replace('"3025"', f'"{zeebe_mail.smtp_port}"')
    assert text != DIAGRAM
    zeebe_engine.use("smtp").deploy(tutorial=text)

    first = body(0)
    zeebe_engine.start(first["processDefinitionId"], first["variables"]).assert_completed()
    (variables,) = re.findall(r'\(`"variables": (\{.*?\})`\)', PAGE)
    broken = zeebe_engine.start(first["processDefinitionId"], json.loads(variables))
    assert [re.sub(r"\d{16}", "KEY", line) for line in lines] == outputs()
    told_last = lines[-1]
    (mail,) = zeebe_mail.messages(first["variables"]["customer"])
    assert mail["Subject"] == "Your order 4711"

    wanted = body(1)["filter"]
    assert wanted["processInstanceKey"] == str(broken.key)
    (element,) = [
        one.key
        for one in zeebe_engine.core.queries.element_instances(broken.key)
        if one.element_id == wanted["elementId"] and one.state == "ACTIVE"
    ]
    assert f"/v2/element-instances/{element}/variables" in PAGE
    change = body(2)
    zeebe_engine.core.set_variables(element, change["variables"], local=change["local"])
    assert f"$ {told_last.rpartition('then: ')[2]}\n```" in PAGE
    broken.incidents[0].resolve()
    broken.assert_completed()
    (mail,) = zeebe_mail.messages(change["variables"]["to"])
    assert mail["Subject"] == "Your order 4712"


def test_the_values_of_the_tutorial_are_those_of_its_diagram() -> None:
    """Each row of the table, as the form writes it."""
    rows = re.findall(r"^\|(?: .*?)? \| (.+?) \| `(.+)`(, as an expression)? \|$", PAGE, re.MULTILINE)
    assert len(rows) == 7
    for field, value, expression in rows:
        written = f"={value}" if expression or field == "Result expression" else value
        escaped = written.replace('"', "&#34;")
        assert f'"{escaped}"' in DIAGRAM, field
