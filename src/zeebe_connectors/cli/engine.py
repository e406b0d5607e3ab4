"""`zeebe-connectors engine`: start, stop and look at the local mail server of this machine's developer."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from zeebe_connectors.cli.stack import MISSING
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

app = typer.Typer(no_args_is_help=True, help="The local engine and the local mail server.")
_console = Console(stderr=True, highlight=False, soft_wrap=True)


@app.command()
def start(
    mail: Annotated[bool, typer.Option("--mail", help="Start the mail server only.")] = False,
) -> None:
    """Start the engine, or with --mail the mail server, in the background."""
    with _told():
        if not mail:
            raise EngineError(MISSING)
        if running_ports(mail_directory()) is None:
            server = LocalMail(mail_directory(), ports=MailPorts.usual(), console=_console)
            asyncio.run(server.start(detached=True))
        _print()


@app.command()
def stop() -> None:
    """Stop the mail server; its mails do not stay."""
    mail = stop_detached(mail_directory(), LocalMail)
    _console.print("Stopped the mail server." if mail else "Nothing runs.")


@app.command("status")
def show() -> None:
    """Tell whether the mail server runs, and where. Exit code 3 when it does not."""
    if not _print():
        raise typer.Exit(3)


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


def _print() -> bool:
    ports = running_ports(mail_directory())
    out = Console(highlight=False, soft_wrap=True)
    if ports is None:
        out.print("Nothing runs. Start the mail server with: zeebe-connectors engine start --mail")
        return False
    out.print("The mail server runs; see what arrives with: zeebe-connectors engine mails")
    _print_rows(
        out,
        smtp=f"127.0.0.1:{ports.smtp} (TLS {ports.smtps})",
        imap=f"127.0.0.1:{ports.imap} (TLS {ports.imaps})",
        pop3=f"127.0.0.1:{ports.pop3} (TLS {ports.pop3s})",
        api=f"http://127.0.0.1:{ports.api}",
        login="any address, any password",
    )
    return True


def _print_rows(out: Console, **rows: object) -> None:
    for name, value in rows.items():
        out.print(f"  {name:<8} {value}", markup=False)


if __name__ == "__main__":
    app()
