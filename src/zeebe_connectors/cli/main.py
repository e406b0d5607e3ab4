"""Start the command: `run` alone, as a container runs it, without the library that reads options."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from zeebe_connectors.config.environment import Environment
    from zeebe_connectors.config.settings import Settings

LIBRARIES = {"httpx": "soap", "lxml": "soap", "zeep": "soap", "xmlsec": "soap", "cryptography": "soap"}
"""Libraries that commands need, and the extra that brings each."""


def main() -> None:
    """Runs the command; a wrong setting ends it with one line instead of a traceback."""
    from zeebe_connectors.config.environment import SettingsError
    from zeebe_connectors.sdk.connector import DefinitionError

    try:
        if sys.argv[1:] == ["run"]:
            start()
        else:
            from zeebe_connectors.cli.commands import command

            command()
    except (SettingsError, DefinitionError) as error:
        fail(str(error))
    except KeyboardInterrupt:  # before signals are handled
        fail("interrupted", 1)
    except ModuleNotFoundError as error:
        extra = LIBRARIES.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        fail(f"the library {error.name} is not installed; add it with: pip install 'zeebe-connectors[{extra}]'")


def start(config: Path | None = None, *, verbose: bool = False) -> None:
    """Runs the connectors until a signal, and ends the process.

    Args:
        config: A file with settings.
        verbose: Also log what is only of interest when something is wrong.

    Raises:
        SettingsError: A setting is wrong.
    """
    gc.disable()  # until all is imported: nearly all that is made meanwhile stays
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
