"""Define the options that several commands have; each command names them in its signature."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="TOML file with settings; the environment and .env win."),
]
