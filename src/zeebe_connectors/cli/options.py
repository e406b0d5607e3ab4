"""Options that several commands have: each module of commands names them in its signatures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="TOML file with settings; the environment and .env win."),
]
