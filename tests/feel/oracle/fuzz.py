"""Compare random expressions with Camunda's own FEEL engine: `make feel-fuzz`, or `python -m tests.feel.oracle.fuzz`.

Prints each expression that both answer differently, shortest first, and ends with 1 if too few agree. Differences that
we mean are listed below with their reasons; they count as differences, but don't fail.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.feel.generator import CONTEXT, Generator
from tests.feel.oracle import camunda

REQUIRED = 0.998

Question = dict[str, Any]
Answer = dict[str, Any]


# What differs on purpose -> whether a question is of that kind.
MEANT: dict[str, Callable[[Question, Answer, Answer], bool]] = {}


def questions(count: int, seed: int) -> list[Question]:
    """Random questions, the same ones for the same seed; one in eight is of unary tests."""
    generator = Generator(random.Random(seed))
    asked: list[Question] = []
    while len(asked) < count:
        if len(asked) % 8 == 7:
            value = generator.pick(3, "foobar", None, True, 2.5, [1], "2024-02-29")
            asked.append({"expr": generator.unary_tests(), "context": CONTEXT, "input": value})
        else:
            asked.append({"expr": generator.expression(generator.pick(1, 2, 3, 4)), "context": CONTEXT})
    return asked


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--count", type=int, default=20_000)
    arguments.add_argument("--seed", type=int, default=int(time.time()))
    arguments.add_argument("--show", type=int, default=40)
    chosen = arguments.parse_args()
    asked = questions(chosen.count, chosen.seed)
    print(f"{chosen.count} expressions, seed {chosen.seed}")
    try:
        theirs = camunda.answers(asked)
    except camunda.JavaMissingError as error:
        print(f"skipped: {error}")
        return 0
    meant: Counter[str] = Counter()
    values = errors = 0
    different: list[tuple[Question, Answer, Answer]] = []
    for question, answer in zip(asked, theirs, strict=True):
        own = camunda.ours(question)
        values += answer.get("value") is not None
        errors += "error" in answer
        if not camunda.agree(answer, own):
            reason = next((name for name, applies in MEANT.items() if applies(question, answer, own)), None)
            if reason:
                meant[reason] += 1
            else:
                different.append((question, answer, own))
    for question, answer, own in sorted(different, key=lambda found: len(found[0]["expr"]))[: chosen.show]:
        print(f"\n{question['expr']!r}" + (f" of {question['input']!r}" if "input" in question else ""))
        print(f"  Camunda: {json.dumps(answer, ensure_ascii=False)[:300]}")
        print(f"  ours:    {json.dumps(own, ensure_ascii=False)[:300]}")
    for reason, count in meant.most_common():
        print(f"{count:6} meant: {reason}")
    agreed = (chosen.count - len(different) - sum(meant.values())) / chosen.count
    print(f"{values} values, {errors} errors, the rest null; {len(different)} unexplained differences")
    print(f"{agreed:.3%} agree; {REQUIRED:.1%} are required")
    return 0 if agreed >= REQUIRED and not different else 1


if __name__ == "__main__":
    sys.exit(main())
