"""`zeebe-connectors engine`: start, stop and look at the local mail server of this machine's developer."""

import asyncio
import json
import urllib.request
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from zeebe_connectors.cli.stack import MISSING, mail_directory, mail_process
from zeebe_connectors.testing.process import LOOPBACK, ServerError, running, stop_detached
from zeebe_connectors.testing.servers.mail import parse

app = typer.Typer(no_args_is_help=True, help="The local engine and the local mail server.")
_console = Console(stderr=True, highlight=False, soft_wrap=True)


@app.command()
def start(
    mail: Annotated[bool, typer.Option("--mail", help="Start the mail server only.")] = False,
) -> None:
    """Start the engine, or with --mail the mail server, in the background."""
    with _told():
        if not mail:
            raise ServerError(MISSING)
        if running(mail_directory()) is None:
            asyncio.run(mail_process().start(detached=True))
        _print()


@app.command()
def stop() -> None:
    """Stop the mail server; its mails do not stay."""
    mail = stop_detached(mail_directory())
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
        received = _received(address)
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


def _received(address: str | None) -> dict[str, list[bytes]]:
    """Ask the mail server for its mails by address.

    Raises:
        ServerError: None runs, or it does not answer.
    """
    state = running(mail_directory())
    if state is None:
        raise ServerError("No mail server runs. Start it with: zeebe-connectors engine start --mail")
    base = f"http://{LOOPBACK}:{state.ports['api']}/mailboxes"
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback is never behind a proxy

    def ask(path: str) -> Any:
        try:
            with direct.open(base + path, timeout=10) as answer:
                return json.load(answer)
        except (OSError, ValueError) as error:
            raise ServerError(f"The mail server does not answer at {base}: {error}.") from error

    known = [address] if address else list(ask(""))
    return {one: [text.encode("utf-8", "surrogateescape") for text in ask(f"/{quote(one)}")] for one in known}


class _told:  # noqa: N801 - reads as a phrase in a with statement
    """Turn what the engine cannot do into its message and exit code 1."""

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ServerError):
            _console.print(str(error), style="red", markup=False)
            raise typer.Exit(1) from error


def _printable(text: str) -> str:
    """Replace what would move the terminal's cursor or change its colours: mails come from anywhere."""
    return "".join(character if character.isprintable() or character == "\t" else "?" for character in text)


def _print() -> bool:
    state = running(mail_directory())
    out = Console(highlight=False, soft_wrap=True)
    if state is None:
        out.print("Nothing runs. Start the mail server with: zeebe-connectors engine start --mail")
        return False
    out.print("The mail server runs; see what arrives with: zeebe-connectors engine mails")
    _print_rows(
        out,
        smtp=f"{LOOPBACK}:{state.ports['smtp']}",
        imap=f"{LOOPBACK}:{state.ports['imap']}",
        pop3=f"{LOOPBACK}:{state.ports['pop3']}",
        api=f"http://{LOOPBACK}:{state.ports['api']}/mailboxes",
        login="any address, any password",
    )
    return True


def _print_rows(out: Console, **rows: object) -> None:
    for name, value in rows.items():
        out.print(f"  {name:<8} {value}", markup=False)


if __name__ == "__main__":
    app()
