"""Camunda's own FEEL engine, in a JVM: expressions go in, its answers come out, to compare ours with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.servers.maven import Artifact, obtain

from zeebe_connectors import feel
from zeebe_connectors.feel import temporal
from zeebe_connectors.feel.temporal import Date, DateTime, DaysTime, Time, YearsMonths
from zeebe_connectors.feel.values import Function, Range, decimal

DRIVER = Path(__file__).with_name("Oracle.java")
# group, name, version, licence, size in bytes and SHA-256 of each
JARS = """
org.camunda.feel feel-engine 1.21.0 Apache-2.0 1043861
    c573f1ceee09ec1848023a76ba8c8c884a20cb963a3089e7b0f8b311dbbd7ab5
org.scala-lang scala-library 2.13.18 Apache-2.0 5940741
    4e85d96ff7bc7dc627985523c3541b9917aaa08e956391380c42db21a2c4e5a0
com.lihaoyi fastparse_2.13 3.1.1 MIT 332554
    ff3f37dad0f89c9cff494cb984edc122a3c282f063790949e825ae039dcad9d5
com.lihaoyi sourcecode_2.13 0.4.0 MIT 119359
    7ce9b8c285a04280374d739d7b799408b2cfa40cc3173960848aec9ee8450fed
com.lihaoyi geny_2.13 1.1.0 MIT 85575
    bd93f278047bb533da70b42d2b21dc297d946bab86a4fe844c200b4db8d174b5
com.fasterxml.jackson.core jackson-annotations 2.21 Apache-2.0 82104
    53ca085f4a150f703f49e1aabd935bd03b43e1ea3d55d135438292af22cef56b
com.fasterxml.jackson.core jackson-core 2.21.1 Apache-2.0 594806
    1edd5f2e49dca5f8e4519957c24b7b3050bd1c7ee883920da33cff031ff1f7c0
com.fasterxml.jackson.core jackson-databind 2.21.1 Apache-2.0 1701769
    b011eb5202d9ec889e27f1dcbdf6c63f06a76e7a16c0a1b30c6048d556c9a28e
com.fasterxml.jackson.module jackson-module-scala_2.13 2.21.1 Apache-2.0 553627
    e26d9c981cd2aa25c8d46b8991eefc8f60016795ce5eadb6f9e90f0896e8d497
com.fasterxml.uuid java-uuid-generator 5.2.0 Apache-2.0 57348
    5724d6a0f27db90d45af884f4520bce581f29eebe21840d07cae22b670bb8ebb
com.thoughtworks.paranamer paranamer 2.8.3 BSD-3-Clause 37899
    a9df136f2e926b37a838a5b4e2227343c3a755d15724b3a8350b4aea4b158945
org.slf4j slf4j-api 1.7.25 MIT 41203
    18c4a0095d5c1da6b817592e767bb23d29dd2f560ad74df75ff3961dbde25b79
"""
_MINUTES = 30


class JavaMissingError(Exception):
    """There is no `java` that can run a source file."""


def answers(questions: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The engine's answer to each question ("expr", "context" and perhaps "input")."""
    java = shutil.which("java")
    if not java:
        raise JavaMissingError("no java is on the PATH; a JDK of version 17 or later is needed")
    path = os.pathsep.join(str(jar) for jar in _jars())
    lines = "".join(json.dumps(question, default=written) + "\n" for question in questions)
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as requests,
        tempfile.TemporaryFile("w+", encoding="utf-8") as replies,
    ):
        requests.write(lines)
        requests.seek(0)
        subprocess.run(
            [java, "-Xss64m", "-cp", path, str(DRIVER)],
            stdin=requests,
            stdout=replies,
            stderr=subprocess.DEVNULL,
            check=True,
            timeout=_MINUTES * 60,
        )
        replies.seek(0)
        return [json.loads(line) for line in replies]


def _jars() -> list[Path]:
    found = []
    words = iter(JARS.split())
    for group, name, version, licence, size, sha256 in zip(*[words] * 6, strict=True):
        found.append(obtain(Artifact(group, name, version, "jar", sha256, int(size), licence)))
    return found


def written(value: Any) -> Any:  # noqa: C901 - one branch a kind of value
    """A value as the driver writes it: what JSON has not is tagged."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, float, Decimal)):
        return {"@n": str(decimal(value))}
    if isinstance(value, Mapping):
        return {key: written(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [written(item) for item in value]
    if isinstance(value, (Function, Range)):
        return {"@other": type(value).__name__}
    wide = temporal.widen(value)
    if isinstance(wide, Date):
        return {"@date": str(wide)}
    if isinstance(wide, Time):
        return {"@time": str(Time(wide.nanos, wide.offset))}
    if isinstance(wide, DateTime):
        zone = f"[{wide.zone}]" if wide.zone else ""
        return {"@datetime": f"{DateTime(wide.days, wide.nanos, wide.offset)}{zone}"}
    if isinstance(wide, YearsMonths):
        return {"@months": str(wide.months)}
    if isinstance(wide, DaysTime):
        return {"@nanos": str(wide.nanos)}
    return {"@other": type(value).__name__}


def ours(question: Mapping[str, Any]) -> dict[str, Any]:
    """Our engine's answer, in the same form."""
    try:
        if "input" in question:
            value = feel.evaluate_unary(question["expr"], question["input"], question.get("context"))
        else:
            value = feel.evaluate(question["expr"], question.get("context"))
    except feel.FeelError as error:
        return {"error": str(error)}
    return {"value": written(value)}


def agree(theirs: Any, own: Any) -> bool:
    """Whether two answers, or values in them, are the same; numbers may differ by 1e-8 of their size."""
    if isinstance(theirs, dict) and isinstance(own, dict):
        if "error" in theirs or "error" in own:
            return "error" in theirs and "error" in own
        if theirs.keys() != own.keys():
            return False
        if theirs.keys() == {"@n"}:
            first, second = Decimal(theirs["@n"]), Decimal(own["@n"])
            return first == second or abs(first - second) <= Decimal("1e-8") * max(1, abs(first), abs(second))
        return all(agree(item, own[key]) for key, item in theirs.items())
    if isinstance(theirs, list) and isinstance(own, list):
        return len(theirs) == len(own) and all(map(agree, theirs, own))
    return type(theirs) is type(own) and bool(theirs == own)
