"""Start the command: `run` alone, as a container runs it, without the library that reads options."""

from __future__ import annotations

import gc
import sys

from zeebe_connectors.cli.start import fail, start

LIBRARIES = {"httpx": "soap", "lxml": "soap", "zeep": "soap", "xmlsec": "soap", "cryptography": "soap"}
"""Libraries that commands need, and the extra that brings each."""


def main() -> None:
    """Runs the command; a wrong setting ends it with one line instead of a traceback."""
    if sys.argv[1:] == ["run"]:
        gc.disable()  # as `start` does, before what follows is imported
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
