"""Run the quick tests on each Python version that the project names and this machine has: `make test-versions`.

uv and pyenv are asked where a version is, then PATH. Each version has a virtual environment of its own below `var/`.
What follows on the command line is passed to pytest: paths, or options.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
VERSIONS = ("3.11", "3.12", "3.13", "3.14")


def found(version: str) -> Path | None:
    """Where a version's newest interpreter is; None when this machine has none."""
    for candidate in (_by_uv(version), *_by_pyenv(version), shutil.which(f"python{version}")):
        if candidate and _version_of(candidate) == version:
            return Path(candidate)
    return None


def _by_uv(version: str) -> str | None:
    if not shutil.which("uv"):
        return None
    done = _output("uv", "python", "find", "--no-python-downloads", "--no-project", version)
    return done.strip() or None


def _by_pyenv(version: str) -> list[str]:
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    made = root.glob(f"versions/{version}.*/bin/python")
    return [str(path) for path in sorted(made, key=lambda path: _numbers(path.parts[-3]), reverse=True)]


def _numbers(name: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", name)]


def _version_of(python: str) -> str:
    return _output(python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])").strip()


def _output(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return ""
    return done.stdout if done.returncode == 0 else ""


def main(arguments: list[str]) -> int:
    """Runs the tests and prints a line for each version; gives 0 when those that are here pass, and one is."""
    lines, failed, ran = [], False, False
    for version in VERSIONS:
        python = found(version)
        if python is None:
            lines.append(f"{version}  not on this machine")
            continue
        exact = _output(str(python), "-c", "import platform; print(platform.python_version())").strip()
        sys.stdout.write(f"--- Python {exact}: {python}\n")
        sys.stdout.flush()
        began = time.monotonic()
        venv = f"VENV=var/python-{version}"
        command = ["make", "--no-print-directory", venv, f"PYTHON={python}", "unit", f"TESTS={' '.join(arguments)}"]
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        ran, failed = True, failed or code != 0
        lines.append(f"{version}  {exact} {'failed' if code else 'passed'} in {time.monotonic() - began:.0f} s")
    sys.stdout.write("\n".join(["", *lines, ""]))
    return 1 if failed or not ran else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
