"""Find the files that ship with the project: beside the package if it is installed, else at the top of a checkout."""

from __future__ import annotations

from pathlib import Path

import zeebe_connectors


def shipped(folder: str) -> Path:
    """Returns the folder of shipped files.

    Args:
        folder: `bpmn-examples` or `element-templates`.

    Raises:
        FileNotFoundError: Neither place has it.
    """
    package = Path(zeebe_connectors.__file__).parent
    for place in (package / "_shipped" / folder, package.parent.parent / folder):
        if place.is_dir():
            return place
    raise FileNotFoundError(f"the folder {folder} is neither in the package nor beside it; reinstall the package")
