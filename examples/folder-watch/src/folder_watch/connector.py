"""Watches a folder and starts a process for each file that arrives in it."""

import asyncio
from collections.abc import AsyncIterator
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from zeebe_connectors import Event, Hint, InboundContext, Model, PermanentError, TransientError, inbound

MAX_FILES = 1000
"""Files that one look at the folder takes."""


class Folder(Model):
    folder: Annotated[str, Hint(example="/srv/orders", feel="none")]
    """The folder, below one that the operator allows."""
    pattern: Annotated[str, Hint(feel="none")] = "*"
    """Which files, such as `*.csv`. Write them under another name first and rename them when they are whole."""
    processed: Annotated[str, Field(pattern=r"^[^/\\]+$"), Hint(feel="none")] = "processed"
    """Name of the folder below it where files go once a process has them."""
    interval: Annotated[float, Field(ge=0.1, le=3600)] = 5
    """Seconds between two looks."""


@inbound(
    "folder-watch",
    title="Folder: file arrives",
    type="com.example:folder-watch:1",
    errors={
        "FOLDER_WATCH_MISSING": "There is no such folder; create it or correct the path.",
        "FOLDER_WATCH_FAILED": "The folder cannot be read, or a file not moved; the message has the reason.",
    },
)
async def watch(settings: Folder, context: InboundContext) -> AsyncIterator[Event]:
    """Start a process, or reach a waiting one, for each file that arrives in a folder.

    A file is moved away once a process has it. It is identified by its name and the time of its last change.
    """
    folder = context.files.resolve(settings.folder, field="folder")
    processed = folder / settings.processed
    while True:
        async with context.turn():
            found = await asyncio.to_thread(_files, folder, settings.pattern)
        for path, data in found:
            yield Event(
                id=f"{path.name}/{data['modified']}",
                data=data,
                title=path.name,
                done=partial(_move, path, processed),
            )
        context.report(None, settings.interval)
        await asyncio.sleep(settings.interval)


def _files(folder: Path, pattern: str) -> list[tuple[Path, dict[str, Any]]]:
    """The files that are there, in the order of their names."""
    try:
        there = (path for path in folder.iterdir() if fnmatch(path.name, pattern) and path.is_file())
        paths = sorted(there)[:MAX_FILES]
        return [
            (path, {"name": path.name, "size": path.stat().st_size, "modified": path.stat().st_mtime_ns})
            for path in paths
        ]
    except FileNotFoundError as error:
        raise PermanentError("FOLDER_WATCH_MISSING", "folder: it does not exist; create it or correct it") from error
    except OSError as error:
        raise TransientError("FOLDER_WATCH_FAILED", f"folder: it cannot be read: {error.strerror}") from error


async def _move(path: Path, processed: Path) -> None:
    """Moves a file away; one that is gone already was moved before."""

    def move() -> None:
        processed.mkdir(exist_ok=True)
        path.replace(processed / path.name)

    try:
        await asyncio.to_thread(move)
    except FileNotFoundError:
        return
    except OSError as error:
        raise TransientError("FOLDER_WATCH_FAILED", f"{path.name} cannot be moved: {error.strerror}") from error
