"""Random commands against random diagrams: nothing hangs or is orphaned, and a restart finds the same state.

`test_random_diagrams` predicts what whole diagrams do. Here jobs fail and throw, messages and signals come at any time,
variables are wrong and are set right, incidents are resolved, instances cancelled, versions deployed, time passes.
"""

from __future__ import annotations

import contextlib
import json
import random

import pytest
from tests.engine.conftest import NOON
from tests.engine.diagrams import (
    TERMINATE,
    Node,
    boundary,
    call,
    catch,
    cycle,
    end,
    error,
    event_sub,
    message,
    multi,
    on_error,
    on_message,
    on_signal,
    process,
    receive,
    script,
    signal,
    start,
    sub,
    task,
    timer,
)

from zeebe_connectors.engine import Clock, Engine, Rejection, SqliteStore
from zeebe_connectors.engine.flow.instances import State
from zeebe_connectors.engine.rows import dump_element

EVENTS = {
    "message": on_message("m"),
    "other": on_message("n"),
    "signal": on_signal("s"),
    "error": on_error("e"),
    "timer": timer("PT1M"),
    "cycle": cycle("R2/PT30S"),
}
LOOPS = [
    multi("=[1, 2, 3]", "i", "all", "=v"),
    multi("=[1, 2]", "i", sequential=True),
    multi("=xs", "i", "all", "=i", until="=numberOfCompletedInstances >= 1 and x != 5"),
]
CONDITIONS = ["=x > 1", "=x = 0", "=true", "=false", "=y"]
INPUTS = [[("=x + 1", "l")], [("=assert(x, x != 2)", "l")], [("=k", "a.b"), ("=a", "c")]]
OUTPUTS = [[("=v", "x")], [("=assert(v, v != 2)", "o")], [("=l", "q.w")]]
ROOTS = message("m", "=k") + message("n", "=k") + signal("s") + error("e")


class Diagram:
    """One random process; it calls those with a higher number only, so that calls come to an end."""

    def __init__(self, dice: random.Random, number: int) -> None:
        self.dice, self.number, self.count = dice, number, 0

    def id(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def sometimes(self, choices, nothing):
        return self.dice.choice(choices) if self.dice.random() < 0.35 else nothing

    def content(self) -> bytes:
        flow, nodes = self.sequence(0, "start")
        if self.dice.random() < 0.5:
            flow += "; begun > started > endStarted"
            nodes += [start("begun", on_message("n")), task("started", "j")]
        return process(f"p{self.number}", flow, *nodes, *self.event_subprocesses(0), roots=ROOTS)

    def sequence(self, depth, first):
        last, flows, nodes = first, [], []
        for _ in range(self.dice.choice([1, 2, 3])):
            kind = self.dice.choice(["one", "one", "one", "par", "ior", "xor", "race", "catch"])
            into, out = (last, "") if kind in {"one", "catch"} else (self.id(kind[:3]), self.id("xor"))
            if kind == "one":
                last = self.activity(depth, flows, nodes, into)
            elif kind == "catch":
                out = self.id("c")
                nodes.append(catch(out, self.dice.choice([EVENTS["other"], EVENTS["signal"], timer("=d")])))
                flows.append(f"{into} > {out}")
                last = out
            elif kind == "race":
                into, one, other = self.id("g"), self.id("c"), self.id("c")
                nodes += [Node("eventBasedGateway", into), catch(one, EVENTS["message"]), catch(other, EVENTS["timer"])]
                flows.append(f"{last} > {into}; {into} > {one} > {out}; {into} > {other} > {out}")
                last = out
            else:
                out = self.id(kind)
                flows.append(f"{last} > {into}")
                for _ in range(2):
                    condition = "" if kind == "par" else f" {{{self.dice.choice(CONDITIONS)}}}"
                    task_id = self.activity(depth, flows, nodes, into, condition)
                    flows.append(f"{task_id} > {out}")
                last = out
        ending = self.id("end")
        inner = self.sometimes([TERMINATE, on_error("e")], "")
        nodes.append(end(ending, inner))
        flows.append(f"{last} > {ending}")
        return "; ".join(flows), nodes

    def activity(self, depth, flows, nodes, before, condition=""):
        name, dice = self.id("t"), self.dice
        inputs, outputs, loop = self.sometimes(INPUTS, []), self.sometimes(OUTPUTS, []), self.sometimes(LOOPS, "")
        kind = dice.choice(["job", "job", "script", "receive", "call", *(["sub"] * 3 if depth < 2 else [])])
        if kind == "job":
            nodes.append(task(name, dice.choice("jk"), inputs=inputs, outputs=outputs, loop=loop, retries="1"))
        elif kind == "script":
            nodes.append(script(name, dice.choice(["=x + 1", "=assert(x, x != 2)"]), dice.choice("xy"), loop=loop))
        elif kind == "receive":
            nodes.append(receive(name, dice.choice("mn")))
        elif kind == "call":
            nodes.append(call(name, f"p{dice.randint(self.number + 1, 3)}", inputs=inputs, outputs=outputs))
        else:
            flow, inside = self.sequence(depth + 1, self.id("start"))
            inside += self.event_subprocesses(depth + 1)
            nodes.append(sub(name, flow, *inside, inputs=inputs, outputs=outputs, loop=loop))
        flows.append(f"{before} > {name}{condition}")
        for event in dice.sample(sorted(EVENTS), dice.choice([0, 0, 1, 2])):
            attached, then = self.id("b"), self.id("h")
            nodes += [boundary(attached, name, EVENTS[event], interrupting=self.interrupts(event)), task(then, "k")]
            flows.append(f"{attached} > {then} > {self.id('end')}")
        return name

    def event_subprocesses(self, depth):
        made = []
        for event in self.dice.sample(sorted(EVENTS), self.dice.choice([0, 0, 1, 2])):
            begin = start(self.id("begin"), EVENTS[event], interrupting=self.interrupts(event))
            flow, nodes = self.sequence(depth + 1, begin.id)
            made.append(event_sub(self.id("es"), flow, begin, *nodes, outputs=self.sometimes(OUTPUTS, [])))
        return made

    def interrupts(self, event: str) -> bool:
        return event == "error" or (event != "cycle" and self.dice.random() < 0.5)


class Chance:
    """Sends random commands to an engine."""

    def __init__(self, dice: random.Random, path) -> None:
        self.dice, self.path, self.jobs = dice, path, []
        self.engine = Engine(SqliteStore(path), Clock(NOON))
        for number in range(3):
            self.deploy(number)

    def deploy(self, number: int) -> None:
        self.engine.deploy([(f"p{number}.bpmn", Diagram(self.dice, number).content())])

    def variables(self, *, good: float):
        right = {"x": 1, "k": self.dice.choice("ab"), "xs": [1, 2], "d": "PT20S", "y": True, "v": 1}
        wrong = {"x": 2, "k": None, "xs": 5, "d": "soon", "y": "no", "v": 2, "all": 3, "l": 1}
        return {name: value for name, value in (right if self.dice.random() < good else wrong).items()
                if self.dice.random() < good}  # fmt: skip

    def command(self) -> None:
        dice, engine = self.dice, self.engine
        commands = {
            lambda: engine.create_instance(f"p{dice.randrange(3)}", variables=self.variables(good=0.95)): 2,
            lambda: self.jobs.extend(engine.activate_jobs(dice.choice("jk"), max_jobs=3, timeout_ms=40_000)): 4,
            lambda: engine.complete_job(self.job(), self.variables(good=0.5)): 5,
            lambda: engine.fail_job(self.job(), dice.choice([0, 1]), backoff_ms=dice.choice([0, 5_000])): 1,
            lambda: engine.throw_error(self.job(), dice.choice("ef"), "", self.variables(good=0.5)): 1,
            lambda: engine.publish_message(
                dice.choice("mn"), dice.choice("ab"), ttl_ms=dice.choice([0, 90_000]), message_id=dice.choice(["", "1"])
            ): 2,
            lambda: engine.broadcast_signal("s", self.variables(good=0.5)): 1,
            lambda: engine.advance(dice.choice([1, 31, 61])): 1,
            self.resolve: 2,
            lambda: engine.set_variables(dice.choice([*engine.elements, 1]), self.variables(good=0.5), local=True): 1,
            lambda: engine.cancel_instance(dice.choice([*engine.instances, 1])): 1,
            lambda: self.deploy(dice.randrange(3)): 0.2,
        }
        (chosen,) = dice.choices(list(commands), list(commands.values()))
        with contextlib.suppress(Rejection):  # it has changed nothing, as what follows shows
            chosen()

    def job(self) -> int:
        return self.dice.choice(self.jobs).key if self.jobs else 1

    def resolve(self) -> None:
        incidents = list(self.engine.incidents.by_key.values())
        if incidents:
            incident = self.dice.choice(incidents)
            self.engine.set_variables(incident.instance.key, self.variables(good=0.95))
            if incident.job_key:
                self.engine.update_job_retries(incident.job_key, 1)
            self.engine.resolve_incident(incident.key)

    def restart(self) -> None:
        before = state(self.engine)
        self.engine.close()
        self.engine = Engine(SqliteStore(self.path), Clock(NOON))
        assert state(self.engine) == before


def state(engine: Engine):
    """What an engine knows, in a form that can be compared."""

    def shown(subscription):
        return [subscription.holder.key, subscription.event.id, subscription.name, subscription.due_ms]

    known = {
        "now": engine.clock.now_ms(),
        "elements": {key: dump_element(one) for key, one in engine.elements.items()},
        "instances": sorted(engine.instances),
        "jobs": {key: [job.type, job.state, job.retries, job.deadline_ms] for key, job in engine.jobs.by_key.items()},
        "incidents": {key: [one.kind, one.instance.key] for key, one in engine.incidents.by_key.items()},
        "messages": {key: [one.name, one.until_ms, sorted(one.seen)] for key, one in engine.messages.buffer.items()},
        "waiting": [shown(one) for one in sorted_by_process(engine.messages.open_subscriptions())],
        "timers": {key: shown(one) for key, one in engine.timers.items()},
        "due": sorted(map(str, engine.agenda._due.items())),
    }
    return json.loads(json.dumps(known, sort_keys=True))


def sorted_by_process(subscriptions):
    """By address and process only, as the order of those who wait is a part of the state."""
    return sorted(
        subscriptions, key=lambda one: (one.name, one.correlation_key, one.holder.process.definition.bpmn_process_id)
    )


def check(engine: Engine) -> None:
    """Every element waits for something that can happen, and nothing is there without its element."""
    for key, one in engine.elements.items():
        assert one.key == key
        assert key in engine.instances if one.parent is None else one.parent.children[key] is one
        assert one.called is None or one.called.key in engine.instances
        waits = one.job or one.incident or one.called or one.children or one.arrivals
        is_scope = one.is_body or one.element.elements
        assert waits or (one.subscriptions and not is_scope), (one.element.id, State(one.state).name)
    for incident in engine.incidents.by_key.values():
        assert engine.elements[incident.instance.key].incident == incident.key
        assert incident.kind != "UNKNOWN", incident.message
    for key, job in engine.jobs.by_key.items():
        assert engine.elements[job.instance.key].job.key == key
    for waiting in (*engine.timers.values(), *engine.messages.open_subscriptions()):
        assert waiting in engine.elements[waiting.holder.key].subscriptions


@pytest.mark.parametrize("seed", range(32, 38))
def test_random_commands_leave_nothing_behind(tmp_path, seed) -> None:
    chance = Chance(random.Random(seed), tmp_path / "state.db")
    for step in range(60):
        chance.command()
        check(chance.engine)
        if step % 15 == 14:
            chance.restart()
    engine = chance.engine
    while tops := [process for process in engine.instances.values() if process.caller is None]:
        engine.cancel_instance(tops[0].key)
    left = (engine.elements, engine.jobs.by_key, engine.incidents.by_key, engine.timers)
    assert not any(left)
    assert not engine.messages.open_subscriptions()
    engine.close()
