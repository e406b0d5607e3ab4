"""`zeebe-connectors engine`: start, stop and look at the local Zeebe and mail server of this machine's developer."""

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from zeebe_connectors.engine.artifacts import ZEEBE
from zeebe_connectors.engine.errors import EngineError
from zeebe_connectors.engine.mail import (
    LocalMail,
    MailPorts,
    fetch_mails,
    list_addresses,
    mail_directory,
    parse,
    running_ports,
)
from zeebe_connectors.engine.server import stop_detached
from zeebe_connectors.engine.zeebe import (
    DEFAULT_PORT,
    LocalZeebe,
    Ports,
    Status,
    engine_directory,
    is_prepared,
    prepare,
    status,
)

app = typer.Typer(no_args_is_help=True, help="The local Zeebe: the real broker, without Docker.")
_console = Console(stderr=True, highlight=False, soft_wrap=True)

_Directory = Annotated[
    Path | None, typer.Option("--directory", help="Where the engine keeps its data.", show_default="the user's cache")
]


@app.command()
def start(
    directory: _Directory = None,
    port: Annotated[int, typer.Option(help="Port of the gateway on 127.0.0.1; 0 chooses a free one.")] = DEFAULT_PORT,
    clean: Annotated[bool, typer.Option("--clean", help="Begin without the data of earlier runs.")] = False,
    mail: Annotated[bool, typer.Option("--mail", help="Start a mail server too.")] = False,
) -> None:
    """Start the engine in the background and wait until it is healthy."""
    where = directory or engine_directory()
    with _told():
        found = asyncio.run(status(where))
        started = not found.running
        if started:
            if clean:
                shutil.rmtree(where, ignore_errors=True)
            if not (where / "data").exists():
                _console.print(f"Zeebe {ZEEBE.version}: {ZEEBE.licence}")
            zeebe = LocalZeebe(where, ports=Ports.free(grpc=port or None), console=_console)
            asyncio.run(zeebe.start(detached=True))
            found = asyncio.run(status(where))
        if mail and running_ports(mail_directory()) is None:
            server = LocalMail(mail_directory(), ports=MailPorts.usual(), console=_console)
            asyncio.run(server.start(detached=True))
        _print(found)
        if started and not is_prepared():
            _prepare_in_background()


@app.command()
def stop(directory: _Directory = None) -> None:
    """Stop the engine and the mail server. The engine's data stays for the next start; the mails do not."""
    engine = stop_detached(directory or engine_directory(), LocalZeebe)
    mail = stop_detached(mail_directory(), LocalMail)
    stopped = " and ".join(name for name, ended in (("the engine", engine), ("the mail server", mail)) if ended)
    _console.print(f"Stopped {stopped}." if stopped else "No engine runs.")


@app.command("status")
def show(directory: _Directory = None) -> None:
    """Tell whether the engine runs, and where. Exit code 3 when it does not."""
    found = asyncio.run(status(directory or engine_directory()))
    _print(found)
    if not found.running:
        raise typer.Exit(3)


@app.command("prepare")
def obtain() -> None:
    """Obtain all that the engine needs and make its later starts quick; for a machine that is being set up."""
    with _told():
        prepare(console=_console)
    _console.print("The engine is ready to be started.")


@app.command()
def mails(
    address: Annotated[str | None, typer.Argument(help="Only this mailbox; all of them by default.")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Every mail as it arrived, header by header.")] = False,
) -> None:
    """Show the mails that the local mail server has received."""
    with _told():
        ports = running_ports(mail_directory())
        if ports is None:
            raise EngineError("No mail server runs. Start it with: zeebe-connectors engine start --mail")
        known = asyncio.run(list_addresses(ports.api))
        received = {one: fetch_mails(ports.imap, one, one) for one in ([address] if address else known)}
    out = Console(highlight=False, soft_wrap=raw)
    if raw:
        for one, found in received.items():
            for number, content in enumerate(found, 1):
                out.rule(f"{one}, mail {number} of {len(found)}")
                lines = content.decode(errors="replace").splitlines()
                out.print("\n".join(_printable(line) for line in lines), markup=False)
        return
    table = Table("mailbox", "from", "subject", "date", "attachments", title="Received mails")
    for one, found in received.items():
        for message in map(parse, found):
            names = [part.get_filename() or part.get_content_type() for part in message.iter_attachments()]
            cells = (one, message["From"], message["Subject"], message["Date"], ", ".join(names))
            table.add_row(*(escape(_printable(str(cell or ""))) for cell in cells))
    out.print(table if table.row_count else "No mail has arrived.")


class _told:  # noqa: N801 - reads as a phrase in a with statement
    """Turn what the engine cannot do into its message and exit code 1."""

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, EngineError):
            _console.print(str(error), style="red", markup=False)
            raise typer.Exit(1) from error


def _printable(text: str) -> str:
    """Replace what would move the terminal's cursor or change its colours: mails come from anywhere."""
    return "".join(character if character.isprintable() or character == "\t" else "?" for character in text)


def _print(found: Status) -> None:
    out = Console(highlight=False, soft_wrap=True)
    if found.running:
        out.print("Zeebe is healthy." if found.healthy else "Zeebe runs, its partition is not healthy yet.")
        memory = f", {found.memory / 1e6:.0f} MB" if found.memory else ""
        _print_rows(
            out,
            gateway=found.grpc_address,
            rest=found.rest_address,
            process=f"{found.pid}, for {found.seconds or 0:.0f} s{memory}",
            data=found.directory,
        )
    else:
        other = "" if found.directory == engine_directory() else f" --directory {found.directory}"
        out.print(
            f"No engine runs in {found.directory}. Start it with: zeebe-connectors engine start{other}", markup=False
        )
    if ports := running_ports(mail_directory()):
        out.print("The mail server runs; see what arrives with: zeebe-connectors engine mails")
        _print_rows(
            out,
            smtp=f"127.0.0.1:{ports.smtp} (TLS {ports.smtps})",
            imap=f"127.0.0.1:{ports.imap} (TLS {ports.imaps})",
            pop3=f"127.0.0.1:{ports.pop3} (TLS {ports.pop3s})",
            api=f"http://127.0.0.1:{ports.api}",
            login="any address, any password",
        )


def _print_rows(out: Console, **rows: object) -> None:
    for name, value in rows.items():
        out.print(f"  {name:<8} {value}", markup=False)


def _prepare_in_background() -> None:
    _console.print("In the background it is made to start in a third of the time from now on (half a minute, once).")
    command = [sys.executable, "-m", "zeebe_connectors.cli.engine", "prepare"]
    niced = ["nice", "-n", "19", *command] if shutil.which("nice") else command
    subprocess.Popen(  # noqa: S603 - this very program
        niced,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


if __name__ == "__main__":
    app()
