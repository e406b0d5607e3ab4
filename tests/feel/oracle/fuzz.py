"""Compare random expressions with Camunda's own FEEL engine: `make feel-fuzz`, or `python -m tests.feel.oracle.fuzz`.

Prints each expression that both answer differently, shortest first, and ends with 1 if too few agree. Differences that
we mean are listed below with their reasons; they count as differences, but don't fail.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.feel.generator import CONTEXT, Generator
from tests.feel.oracle import camunda
from tests.feel.tables import ERROR, cases

REQUIRED = 0.998

Question = dict[str, Any]
Answer = dict[str, Any]


# What differs on purpose -> whether a question is of that kind.
MEANT: dict[str, Callable[[Question, Answer, Answer], bool]] = {
    "a function whose name starts with `or` or `and`, as `order`, can be called": lambda question, _theirs, _own: bool(
        re.search(r"(?<![\w\"])(or|and)\w+\s*\(", question["expr"])
    ),
    "`if` and the like need a space behind them, so that `ifActive` is always a name": (
        lambda question, _theirs, _own: bool(re.search(r"\b(if|for|some|every)\w", question["expr"]))
    ),
    "what Camunda evaluates in vain (an operand after a failed one, a condition without an item) has no errors here": (
        lambda _question, theirs, own: (
            "error" not in own and any(word in theirs.get("error", "") for word in ("Assertion", "Exception"))
        )
    ),
    "a quotient of a duration is right, also where its milliseconds need more than 32 bits": (
        lambda _question, theirs, own: _nanos(theirs) is not None and abs(_nanos(own) or 0) >= 2**31 * 1_000_000
    ),
    "`finished by` with named arguments works": lambda question, _theirs, _own: (
        "finished by(range:" in question["expr"]
    ),
    "a pattern that matches nothing is found between, not within, the two halves of a character of 32 bits": (
        lambda question, _theirs, _own: bool(re.search(r"(extract|split|replace)\(", question["expr"]))
    ),
}


def _nanos(answer: Answer) -> int | None:
    value = answer.get("value")
    return int(value["@nanos"]) if isinstance(value, dict) and "@nanos" in value else None


def questions(count: int, seed: int) -> list[Question]:
    """Random questions, the same ones for the same seed; one in eight is of unary tests."""
    generator = Generator(random.Random(seed))
    questions_asked: list[Question] = []
    while len(questions_asked) < count:
        if len(questions_asked) % 8 == 7:
            value = generator.pick(3, "foobar", None, True, 2.5, [1], "2024-02-29")
            questions_asked.append({"expr": generator.unary_tests(), "context": CONTEXT, "input": value})
        else:
            questions_asked.append({"expr": generator.expression(generator.pick(1, 2, 3, 4)), "context": CONTEXT})
    return questions_asked


def tables() -> list[str]:
    """The lines of our tables that Camunda's engine answers otherwise."""
    known = cases()
    questions_asked = [{"expr": case.expression, "context": CONTEXT} for case in known]
    wanted = [{"expr": case.equal, "context": {}} for case in known]
    answers = camunda.answers(questions_asked + wanted)
    wrong = []
    for case, answer, equal in zip(known, answers[: len(known)], answers[len(known) :], strict=True):
        right = "error" in answer if case.equal == ERROR else "value" in equal and camunda.agree(equal, answer)
        if not right:
            wrong.append(
                f"{case.place}: {case.expression} => {case.equal}, but Camunda answers {json.dumps(answer)[:200]}"
            )
    return wrong


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--count", type=int, default=20_000)
    arguments.add_argument("--seed", type=int, default=int(time.time()))
    arguments.add_argument("--show", type=int, default=40)
    chosen = arguments.parse_args()
    questions_asked = questions(chosen.count, chosen.seed)
    say(f"{chosen.count} expressions, seed {chosen.seed}")
    try:
        wrong = tables()
        theirs = camunda.answers(questions_asked)
    except camunda.JavaMissingError as error:
        say(f"skipped: {error}")
        return 0
    for line in wrong:
        say(line)
    meant: Counter[str] = Counter()
    values = errors = 0
    different: list[tuple[Question, Answer, Answer]] = []
    for question, answer in zip(questions_asked, theirs, strict=True):
        own = camunda.ours(question)
        values += answer.get("value") is not None
        errors += "error" in answer
        if not camunda.agree(answer, own):
            reason = next((name for name, applies in MEANT.items() if applies(question, answer, own)), None)
            if reason:
                meant[reason] += 1
                if meant[reason] == 1:
                    different.append((question, answer, {**own, "meant": reason}))
            else:
                different.append((question, answer, own))
    for question, answer, own in sorted(different, key=lambda found: len(found[0]["expr"]))[: chosen.show]:
        say(f"\n{question['expr']!r}" + (f" of {question['input']!r}" if "input" in question else ""))
        say(f"  Camunda: {json.dumps(answer)[:300]}")
        say(f"  ours:    {json.dumps(own)[:300]}")
    for reason, count in meant.most_common():
        say(f"{count:6} meant: {reason}")
    unexplained = len(different) - len(meant)
    agreed = (chosen.count - unexplained - sum(meant.values())) / chosen.count
    say(f"{values} values, {errors} errors, the rest null; {unexplained} unexplained differences")
    say(f"{agreed:.3%} agree; {REQUIRED:.1%} are required")
    return 0 if agreed >= REQUIRED and not wrong else 1


if __name__ == "__main__":
    sys.exit(main())
