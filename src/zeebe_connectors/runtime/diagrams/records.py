"""Remember the diagrams that this runtime, or the command `deploy` on this machine, deployed itself."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import tempfile
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path

from zeebe_connectors.runtime.gateway import Deployed
from zeebe_connectors.sdk.files import private_folder

MAX_RECORDS = 1000
"""Maximum number of diagrams in the folder; the oldest are deleted first."""
_log = logging.getLogger("zeebe_connectors.diagrams")


class DeployedHere:
    """BPMN files by key of the process definition.

    Those in memory are valid for this process. Those in the folder are valid for later ones too, but only if process
    and version match the job's, since a fresh engine assigns the same keys again.

    Args:
        folder: Where they are kept; None keeps them in memory only.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._own: OrderedDict[int, bytes] = OrderedDict()

    def remember(self, resources: Mapping[str, bytes], deployed: Sequence[Deployed]) -> None:
        """Remembers a deployment.

        Args:
            resources: What was sent, by file name.
            deployed: What the engine answered.
        """
        for one in deployed:
            xml = resources.get(one.resource_name)
            if xml is None or one.kind != "process":
                continue
            self._own[one.process_definition_key] = xml
            while len(self._own) > MAX_RECORDS:
                self._own.popitem(last=False)
            if self._folder is not None:
                try:
                    _store(self._folder, one, xml)
                except OSError as error:
                    _log.warning(
                        "%s cannot be written (%s), so the diagrams deployed here are known only until this process "
                        "ends",
                        self._folder,
                        error.strerror,
                    )

    def own(self, key: int) -> bytes | None:
        """Returns the diagram of a definition that this process deployed itself; None otherwise."""
        return self._own.get(key)

    def find(self, key: int, process: str, version: int) -> bytes | None:
        """Returns the diagram of a definition that was deployed from this machine; None otherwise."""
        if self._folder is None:
            return None
        try:
            about = json.loads((self._folder / f"{key}.json").read_bytes())
            xml = (self._folder / f"{key}.bpmn").read_bytes()
        except (OSError, ValueError):
            return None
        return xml if isinstance(about, dict) and about.get(process) == version else None


def _store(folder: Path, one: Deployed, xml: bytes) -> None:
    private_folder(folder)
    _write(folder / f"{one.process_definition_key}.bpmn", xml)
    _write(folder / f"{one.process_definition_key}.json", json.dumps({one.bpmn_process_id: one.version}).encode())
    files = sorted(folder.glob("*.bpmn"), key=lambda path: path.stat().st_mtime)
    for path in files[:-MAX_RECORDS]:
        for ending in (".bpmn", ".json"):
            with contextlib.suppress(OSError):
                path.with_suffix(ending).unlink()


def _write(path: Path, data: bytes) -> None:
    """Writes a file atomically, readable by its owner only."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    Path(temporary).replace(path)
