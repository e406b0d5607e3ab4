"""Random diagrams again, on an engine that is killed at random steps and goes on with what it had written."""

from __future__ import annotations

import random

import pytest
from tests.engine.conftest import NOON
from tests.engine.test_random_diagrams import Draw, drawn, predicted

from zeebe_connectors.engine import Clock, Engine, SqliteStore

DIAGRAMS = 30
AT_ONCE = 5


class Killed:
    """An engine that runs a few steps at a time, and is replaced by another on the same file."""

    def __init__(self, path, key=0) -> None:
        self.path = path
        self.key = key
        self.result = None
        self.open()

    def open(self) -> None:
        self.engine = Engine(SqliteStore(self.path), Clock(NOON), scheduler=lambda: None)
        self.engine.on_end(self.key, self.ended)

    def kill(self) -> None:
        self.engine.store._db.close()
        self.open()

    def ended(self, process) -> None:
        self.result = dict(process.root.variables or {})

    def go_on(self, steps: int) -> None:
        """Do some steps, and what is due when there are none; all is written afterwards."""
        for _ in range(steps):
            self.engine.flow.run(0)
        self.engine.save()
        due = self.engine.agenda.next_due()
        if not self.engine.flow.queue and due is not None:
            self.engine.clock.move_to(due)
            self.engine.changes.clock = True
            self.engine.process_due()
            self.engine.save()


@pytest.mark.parametrize("first", range(0, DIAGRAMS, AT_ONCE))
def test_killed_at_any_step_it_ends_as_predicted(first, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("zeebe_connectors.engine.flow.flow._STEPS_BETWEEN_LOOKS_AT_THE_CLOCK", 1)
    kills = 0
    for seed in range(first, first + AT_ONCE):
        chance = random.Random(seed)
        block = Draw(seed).block()
        expected, _ = predicted(block)
        killed = Killed(tmp_path / f"{seed}.db")
        killed.engine.deploy([("p.bpmn", drawn(block))])
        begun = {name: [] if name.startswith("r_") else 0 for name in block.counters()}
        killed.key = killed.engine.create_instance("p", variables=begun, on_end=killed.ended).key
        killed.engine.save()
        for _ in range(5000):
            killed.go_on(chance.randint(1, 6))
            if killed.result is not None:
                break
            if chance.random() < 0.4:
                killed.kill()
                kills += 1
        assert killed.result == expected, f"seed {seed}"
        assert not killed.engine.elements
        assert not killed.engine.timers
        killed.engine.close()
    assert kills
