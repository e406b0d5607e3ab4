"""Write or check the generated files: `python -m zeebe_connectors.templates [--check | --release]`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from zeebe_connectors.sdk.connector import DefinitionError
from zeebe_connectors.sdk.registry import Registry
from zeebe_connectors.templates.generate import (
    COMMAND,
    TEMPLATES,
    GenerateError,
    generated_files,
    own_connectors,
    stale_files,
    write_files,
)
from zeebe_connectors.templates.released import changed_after_release, not_recorded, record


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the files, or does what the option says; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m zeebe_connectors.templates", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a file is out of date")
    parser.add_argument("--release", action="store_true", help="record the templates' versions as released")
    parser.add_argument("--root", type=Path, default=Path(), help="the project's directory")
    options = parser.parse_args(arguments)
    try:
        files = generated_files(own_connectors(Registry.installed()), options.root)
    except (DefinitionError, GenerateError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    templates = {str(path): json.loads(text) for path, text in files.items() if path.parent == TEMPLATES}
    frozen = changed_after_release(templates, options.root)
    for problem in frozen:
        sys.stderr.write(f"{problem}\n")
    if frozen:
        return 1
    if options.release:
        for line in record(templates.values(), options.root):
            sys.stdout.write(f"{line}\n")
        return 0
    if options.check:
        stale = stale_files(files, options.root)
        problems = stale + not_recorded(templates.values(), options.root)
        for problem in problems:
            sys.stderr.write(f"{problem}\n")
        if stale:
            sys.stderr.write(f"Run `{COMMAND}` and commit what it writes.\n")
        return 1 if problems else 0
    for path in write_files(files, options.root):
        sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
