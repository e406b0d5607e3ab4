"""Start the connectors from their settings, and end a command with a message."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from zeebe_connectors.config.environment import Environment
    from zeebe_connectors.config.settings import Settings


def start(config: Path | None = None, *, verbose: bool = False) -> None:
    """Runs the connectors until a signal, and ends the process.

    Args:
        config: A file with settings.
        verbose: Also log what is only of interest when something is wrong.

    Raises:
        SettingsError: A setting is wrong.
    """
    gc.disable()  # until all is imported: nearly all that is made meanwhile stays
    # No package may listen in on inputs, which hold secrets; and no time goes into looking for one that wants to.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from zeebe_connectors.cli.loop import run as run_on_loop
    from zeebe_connectors.cli.run import run_forever

    environment, settings = load(config)
    raise SystemExit(run_on_loop(run_forever(environment, settings, verbose=verbose), environment))


def load(config: Path | None) -> tuple[Environment, Settings]:
    """Returns what the settings come from, and the settings."""
    from zeebe_connectors.config.environment import Environment
    from zeebe_connectors.config.settings import Settings

    environment = Environment.load(file=config)
    return environment, Settings.read(environment)


def fail(message: str, code: int = 2) -> NoReturn:
    """Ends the command with a message."""
    sys.stderr.write(f"zeebe-connectors: {message}\n")
    raise SystemExit(code)
