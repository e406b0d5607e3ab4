"""Random diagrams, run to their end: what was done how often, and what the variables hold, is predicted.

The prediction comes from an interpreter that knows nothing of tokens, queues or element instances: a diagram is a tree
of blocks, and a block is executed by calling itself. Each script counts its own runs in a variable of its own; the
variables of multi-instance bodies are local to each instance and collected.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from tests.engine.conftest import Bench
from tests.engine.diagrams import (
    Node,
    boundary,
    catch,
    end,
    error,
    io,
    multi,
    on_error,
    process,
    script,
    timer,
)

DIAGRAMS = 1000
AT_ONCE = 50
MAX_DEPTH = 4


class Scope(dict):
    """Variables, and the scope around them."""

    def __init__(self, names, outer=None) -> None:
        super().__init__(names)
        self.outer = outer

    def find(self, name):
        scope = self
        while name not in scope and scope.outer is not None:
            scope = scope.outer
        return scope

    def count(self, name, step=1) -> int:
        scope = self.find(name)
        scope[name] += step
        return scope[name]


class Drawing:
    """What a container holds while it is drawn."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.flows: list[str] = []

    def add(self, node: Node) -> str:
        self.nodes.append(node)
        return node.id

    def link(self, source: str, target: str, condition: str = "") -> None:
        self.flows.append(f"{source} > {target}" + (f" {{{condition}}}" if condition else ""))

    @property
    def flow(self) -> str:
        return "; ".join(self.flows)


@dataclass
class Block:
    """A part of a diagram with one way in and one way out."""

    name: str
    inner: list[Block] = field(default_factory=list)

    def counters(self) -> list[str]:
        """The variables that it counts in, apart from those that are local to a part of it."""
        return [name for block in self.inner for name in block.counters()]

    def draw(self, drawing: Drawing) -> tuple[str, str]:
        raise NotImplementedError

    def run(self, scope: Scope, done: Counter) -> None:
        raise NotImplementedError


class Script(Block):
    def counters(self):
        return [f"n_{self.name}"]

    def draw(self, drawing):
        variable = f"n_{self.name}"
        node = drawing.add(script(self.name, f"={variable} + 1", variable))
        return node, node

    def run(self, scope, done):
        scope.count(f"n_{self.name}")
        done[self.name] += 1


class Sequence(Block):
    def draw(self, drawing):
        ends = [block.draw(drawing) for block in self.inner]
        for (_, source), (target, _) in pairwise(ends):
            drawing.link(source, target)
        return ends[0][0], ends[-1][1]

    def run(self, scope, done):
        for block in self.inner:
            block.run(scope, done)


@dataclass
class Choice(Block):
    """Exclusive: the first that holds; inclusive: all that hold; else the default, which is the last."""

    kind: str = "exclusiveGateway"
    holds: list[bool] = field(default_factory=list)

    def draw(self, drawing):
        fork = drawing.add(Node(self.kind, f"{self.name}_fork"))
        join = drawing.add(Node(self.kind, f"{self.name}_join"))
        for block, holds in zip(self.inner, [*self.holds, None], strict=True):
            first, last = block.draw(drawing)
            drawing.link(fork, first, "default" if holds is None else f"={str(holds).lower()}")
            drawing.link(last, join)
        return fork, join

    def run(self, scope, done):
        taken = [block for block, holds in zip(self.inner, self.holds, strict=False) if holds] or self.inner[-1:]
        if self.kind == "exclusiveGateway":
            taken = taken[:1]
        for block in taken:
            block.run(scope, done)


class Parallel(Block):
    def draw(self, drawing):
        fork = drawing.add(Node("parallelGateway", f"{self.name}_fork"))
        join = drawing.add(Node("parallelGateway", f"{self.name}_join"))
        for block in self.inner:
            first, last = block.draw(drawing)
            drawing.link(fork, first)
            drawing.link(last, join)
        return fork, join

    def run(self, scope, done):
        for block in self.inner:
            block.run(scope, done)


@dataclass
class Loop(Block):
    rounds: int = 1

    def counters(self):
        return [f"n_{self.name}", *super().counters()]

    def draw(self, drawing):
        variable = f"n_{self.name}"
        head = drawing.add(Node("exclusiveGateway", f"{self.name}_head"))
        first, last = self.inner[0].draw(drawing)
        step = drawing.add(script(self.name, f"={variable} + 1", variable))
        foot = drawing.add(Node("exclusiveGateway", f"{self.name}_foot"))
        after = drawing.add(Node("task", f"{self.name}_after"))
        drawing.link(head, first)
        drawing.link(last, step)
        drawing.link(step, foot)
        drawing.link(foot, head, f"=modulo({variable}, {self.rounds}) != 0")
        drawing.link(foot, after, "default")
        return head, after

    def run(self, scope, done):
        while True:
            self.inner[0].run(scope, done)
            done[self.name] += 1
            if scope.count(f"n_{self.name}") % self.rounds == 0:
                done[f"{self.name}_after"] += 1
                return


@dataclass
class SubProcess(Block):
    """A sub-process; with a local variable that starts at a value, and is added to an outer one at its end."""

    local: int | None = None

    def counters(self):
        outer = [f"sum_{self.name}"] if self.local is not None else []
        return [*outer, *super().counters()]

    def draw(self, drawing):
        inside = Drawing()
        first, last = self.inner[0].draw(inside)
        inside.link(f"start_{self.name}", first)
        ext = []
        if self.local is not None:
            add = inside.add(script(f"{self.name}_add", f"=local_{self.name} + 1", f"local_{self.name}"))
            inside.link(last, add)
            last = add
            total = f"sum_{self.name}"
            ext = [io([(f"={self.local}", f"local_{self.name}")], [(f"={total} + local_{self.name}", total)])]
        inside.link(last, f"end_{self.name}")
        node = Node("subProcess", self.name, ext=ext, flow=inside.flow, nodes=inside.nodes)
        drawing.add(node)
        return self.name, self.name

    def run(self, scope, done):
        inner = Scope({}, scope)
        self.inner[0].run(inner, done)
        if self.local is not None:
            done[f"{self.name}_add"] += 1
            scope.count(f"sum_{self.name}", self.local + 1)
        done[self.name] += 1


@dataclass
class Many(Block):
    """A multi-instance sub-process whose variables are local to each instance and collected at the end."""

    items: int = 0
    sequential: bool = False
    enough: int = 0

    def counters(self):
        return [f"r_{self.name}"]

    def draw(self, drawing):
        own = super().counters()
        inside = Drawing()
        first, last = self.inner[0].draw(inside)
        inside.link(f"start_{self.name}", first)
        inside.link(last, f"end_{self.name}")
        loop = multi(
            f"=for i in 1..{self.items} return i * 10" if self.items else "=[]",
            "item",
            f"r_{self.name}",
            "={item: item, " + ", ".join(f"{name}: {name}" for name in own) + "}",
            sequential=self.sequential,
            until=f"=numberOfCompletedInstances >= {self.enough}" if self.enough else None,
        )
        ext = [io([("=0", name) if not name.startswith("r_") else ("=[]", name) for name in own])]
        drawing.add(Node("subProcess", self.name, ext=ext, inner=loop, flow=inside.flow, nodes=inside.nodes))
        return self.name, self.name

    def run(self, scope, done):
        results = [None] * self.items
        for index in range(self.items):
            names = {name: [] if name.startswith("r_") else 0 for name in super().counters()}
            inner = Scope(names, scope)
            self.inner[0].run(inner, done)
            done[self.name] += 1
            results[index] = {"item": (index + 1) * 10, **{name: inner[name] for name in names}}
            if self.enough and index + 1 >= self.enough:
                break
        done[self.name] += 1  # the body
        found = scope.find(f"r_{self.name}")
        found[f"r_{self.name}"] = results


@dataclass
class Guarded(Block):
    """A sub-process with a boundary event: an error that is thrown or not, or a time that comes before the end or not.

    The first inner block is what it does, the second what follows the boundary event.
    """

    kind: str = "error"
    happens: bool = True

    def draw(self, drawing):
        inside = Drawing()
        first, last = self.inner[0].draw(inside)
        inside.link(f"start_{self.name}", first)
        if self.kind == "error":
            choice = inside.add(Node("exclusiveGateway", f"{self.name}_choice"))
            inside.link(last, choice)
            inside.add(end(f"end_{self.name}_error", on_error("E")))
            inside.link(choice, f"end_{self.name}_error", f"={str(self.happens).lower()}")
            inside.link(choice, f"end_{self.name}", "default")
            event = on_error("E")
        else:
            wait = inside.add(catch(f"{self.name}_wait", timer("PT3H" if self.happens else "PT1H")))
            inside.link(last, wait)
            inside.link(wait, f"end_{self.name}")
            event = timer("PT2H")
        drawing.add(Node("subProcess", self.name, flow=inside.flow, nodes=inside.nodes))
        join = drawing.add(Node("exclusiveGateway", f"{self.name}_join"))
        drawing.add(boundary(f"{self.name}_event", self.name, event, interrupting=self.kind != "also"))
        first, last = self.inner[1].draw(drawing)
        drawing.link(f"{self.name}_event", first)
        drawing.link(last, join if self.kind != "also" else f"end_{self.name}_also")
        drawing.link(self.name, join)
        return self.name, join

    def run(self, scope, done):
        self.inner[0].run(Scope({}, scope), done)
        if self.happens:
            self.inner[1].run(scope, done)
        if not self.happens or self.kind == "also":
            done[self.name] += 1


class Draw:
    """Draws random blocks."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.count = 0

    def name(self) -> str:
        self.count += 1
        return f"b{self.count}"

    def block(self, depth: int = MAX_DEPTH, *, steady: bool = False) -> Block:
        """A random block; a steady one does not wait for a time, so that it ends in the order of its making."""
        chance = self.random
        if depth == 0 or self.count > 40:
            return Script(self.name())
        kinds = [Script, Sequence, Choice, Parallel, Loop, SubProcess, Many, Guarded]
        kind = chance.choices(kinds, [1, 4, 2, 2, 1, 2, 2, 2])[0]
        name = self.name()
        if kind is Script:
            return Script(name)
        if kind in {Sequence, Parallel}:
            return kind(name, [self.block(depth - 1, steady=steady) for _ in range(chance.randint(2, 3))])
        if kind is Choice:
            branches = [self.block(depth - 1, steady=steady) for _ in range(chance.randint(2, 3))]
            holds = [chance.random() < 0.5 for _ in branches[1:]]
            return Choice(name, branches, chance.choice(["exclusiveGateway", "inclusiveGateway"]), holds)
        if kind is Loop:
            return Loop(name, [self.block(depth - 1, steady=steady)], chance.randint(1, 3))
        if kind is SubProcess:
            return SubProcess(name, [self.block(depth - 1, steady=steady)], chance.choice([None, 5]))
        if kind is Many:
            sequential = chance.random() < 0.5
            items = chance.randint(0, 3)
            enough = chance.randint(1, items) if sequential and items and chance.random() < 0.3 else 0
            return Many(name, [self.block(depth - 1, steady=steady)], items, sequential, enough)
        guard = "error" if steady else chance.choice(["error", "timer", "also"])
        # What goes on beside an interrupting or late event must be over by then: it does not wait for times itself.
        parts = [self.block(depth - 1, steady=True), self.block(depth - 1, steady=guard == "also" or steady)]
        return Guarded(name, parts, guard, chance.random() < 0.5)


def predicted(block: Block) -> tuple[dict, Counter]:
    scope = Scope({name: [] if name.startswith("r_") else 0 for name in block.counters()})
    done: Counter = Counter()
    block.run(scope, done)
    return dict(scope), done


def drawn(block: Block) -> bytes:
    drawing = Drawing()
    first, last = block.draw(drawing)
    drawing.link("start", first)
    drawing.link(last, "end")
    return process("p", drawing.flow, *drawing.nodes, roots=error("E"))


def check(seed: int) -> None:
    block = Draw(seed).block()
    variables, done = predicted(block)
    bench = Bench()
    bench.deploy(drawn(block))
    key = bench.create(**{name: [] if name.startswith("r_") else 0 for name in block.counters()})
    for _ in range(100):
        if not bench.active(key):
            break
        bench.advance(3600)
    assert not bench.engine.queries.incidents(), f"seed {seed}: {bench.engine.queries.incidents()}"
    assert bench.result(key) == variables, f"seed {seed}"
    visits = Counter(
        visit.element_id for visit in bench.engine.queries.element_instances(key) if visit.state == "COMPLETED"
    )
    assert {name: visits[name] for name in done} == dict(done), f"seed {seed}"
    assert not bench.engine.elements
    assert not bench.engine.timers
    assert not len(bench.engine.agenda)


@pytest.mark.parametrize("first", range(0, DIAGRAMS, AT_ONCE))
def test_random_diagrams_do_what_is_predicted(first) -> None:
    for seed in range(first, first + AT_ONCE):
        check(seed)


def test_the_prediction_covers_every_kind_of_block() -> None:
    seen: Counter = Counter()
    for seed in range(DIAGRAMS):
        waiting = [Draw(seed).block()]
        while waiting:
            block = waiting.pop()
            seen[type(block).__name__, getattr(block, "kind", "")] += 1
            waiting += block.inner
    kinds = {kind for kind, _ in seen}
    assert kinds == {"Script", "Sequence", "Choice", "Parallel", "Loop", "SubProcess", "Many", "Guarded"}
    assert {kind for name, kind in seen if name == "Guarded"} == {"error", "timer", "also"}
    assert min(seen.values()) > 50
