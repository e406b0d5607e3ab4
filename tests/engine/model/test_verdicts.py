"""Which diagrams are refused: zeebe-bpmn-model 8.9.0, the library that clusters check designs with, is the witness.

`verdicts.json` holds what its design-time validators say against each diagram of `judged.py`; an empty text accepts it.
Where Java and Maven are, the slow test asks it again.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from tests.engine.model.judged import DIAGRAMS
from tests.servers.fetched import SHORT_LIVED, jars

from zeebe_connectors.engine import InvalidResourceError, read_processes

HERE = Path(__file__).parent
VERDICTS: dict[str, str] = json.loads((HERE / "verdicts.json").read_text(encoding="utf-8"))
# What the witness accepts and this engine refuses. `None`: a cluster runs it, this engine cannot, and says so.
REFUSED_HERE_ONLY = {
    "ad-hoc-sub-process": None,
    "user-task-of-the-engine": None,
    "business-rule-task-with-decision": None,
    "escalation-throw-event": None,
    "compensation-throw-event": None,
    "conditional-catch-event": None,
    "boundary-conditional": None,
    "event-sub-process-of-an-escalation": None,
    "execution-listener": None,
    "input-with-blank-target": "not checked at design time; there is no variable that it could be written to",
    "output-without-target": "as above",
    "broken-expression-in-a-mapping": "not checked at design time; expressions are parsed at deployment",
    "broken-expression-as-type": "as above",
    "timer-throw-event": "not checked at design time; nothing can throw a timer",
    "timer-start-event-with-duration": "not checked at design time; the documentation allows a date or a cycle only",
    "event-sub-process-with-flows": "not checked at design time; only its event may begin it",
}
ONLY_A_CLUSTER = "a cluster may run this; the local engine cannot"


def problems(content: bytes) -> list[str]:
    try:
        read_processes(content)
    except InvalidResourceError as refused:
        return [str(problem) for problem in refused.problems]
    return []


def test_there_are_enough_diagrams_and_each_was_judged() -> None:
    assert len(DIAGRAMS) >= 60
    assert set(VERDICTS) == set(DIAGRAMS)
    assert set(REFUSED_HERE_ONLY) <= set(DIAGRAMS)


@pytest.mark.parametrize("name", DIAGRAMS)
def test_the_verdict_is_the_witness_s_or_the_difference_has_its_reason(name) -> None:
    found = problems(DIAGRAMS[name])
    if name not in REFUSED_HERE_ONLY:
        assert bool(found) == bool(VERDICTS[name]), (found, VERDICTS[name])
        return
    assert found
    assert not VERDICTS[name]
    for problem in found:
        assert (ONLY_A_CLUSTER in problem) == (REFUSED_HERE_ONLY[name] is None)


@pytest.mark.parametrize("name", [name for name in DIAGRAMS if problems(DIAGRAMS[name])])
def test_a_problem_names_its_element(name) -> None:
    content = DIAGRAMS[name].decode()
    for problem in problems(DIAGRAMS[name]):
        element = problem.splitlines()[0].removeprefix("- Element: ")
        assert f'id="{element}"' in content or element == "definitions"
        assert "    - ERROR: " in problem


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_witness_still_says_so(tmp_path) -> None:
    """Needs a JDK and Maven, which obtains the library with its ordinary client."""
    java, lib = jars("witness-of-diagrams", (HERE / "pom.xml").read_text(encoding="utf-8"))
    for name, content in DIAGRAMS.items():
        (tmp_path / f"{name}.bpmn").write_bytes(content)
    completed = subprocess.run(
        [java, *SHORT_LIVED, "-cp", f"{lib}/*", HERE / "Judge.java", *(f"{name}.bpmn" for name in DIAGRAMS)],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    lines = dict(line.split("\t") for line in completed.stdout.splitlines())
    assert {name: bool(text) for name, text in lines.items()} == {name: bool(text) for name, text in VERDICTS.items()}
