"""Start, stop and show the local engine and mail server of a developer's machine: `zeebe-connectors engine`."""

import asyncio
import json
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from zeebe_connectors.cli.engines import LocalEngineHere, engines_here, only_engine, remember
from zeebe_connectors.cli.stack import GRPC_PORT, REST_PORT, engine_directory, mail_directory, mail_process
from zeebe_connectors.testing.process import (
    LOOPBACK,
    EngineProcess,
    ServerError,
    State,
    resident_memory,
    running,
    stop_detached,
)

app = typer.Typer(
    no_args_is_help=True, help="Start, stop and show the local engine and mail server, for development and tests."
)
_console = Console(stderr=True, highlight=False, soft_wrap=True)

_Directory = Annotated[
    Path | None, typer.Option("--directory", help="Where the engine keeps its state.", show_default="the user's cache")
]
_Address = Annotated[
    str | None,
    typer.Option("--engine", metavar="ADDRESS", help="Which engine, where several run: its gateway's address or port."),
]


@app.command()
def start(
    directory: _Directory = None,
    port: Annotated[int, typer.Option(help="Port of the gateway on 127.0.0.1; 0 chooses a free one.")] = GRPC_PORT,
    rest_port: Annotated[int, typer.Option(help="Port of the REST API; 0 chooses a free one.")] = REST_PORT,
    clean: Annotated[bool, typer.Option("--clean", help="Start without the state of earlier runs.")] = False,
    mail: Annotated[bool, typer.Option("--mail", help="Start a mail server too.")] = False,
) -> None:
    """Start the engine in the background and wait until it answers."""
    where = directory or engine_directory()
    with _reported():
        if running(where) is None:
            if clean:
                shutil.rmtree(where, ignore_errors=True)
            asyncio.run(EngineProcess(where, grpc=port, rest=rest_port).start(detached=True))
            for engine in engines_here(where):
                remember(engine)
        if mail and running(mail_directory()) is None:
            asyncio.run(mail_process().start(detached=True))
        _print(engines_here(where), where)


@app.command()
def stop(directory: _Directory = None, engine: _Address = None) -> None:
    """Stop the engine and, with the last one, the mail server.

    The engine's state stays for the next start; the mails do not.
    """
    with _reported():
        stopped = []
        found = engines_here(directory, engine)
        running_here = [one for one in found if one.directory is not None]
        if found or engine:
            chosen = running_here[0] if len(running_here) == 1 else only_engine(directory, engine)
            if chosen.directory is None:
                raise ServerError(
                    f"The engine at {chosen.address} is that of `zeebe-connectors dev`, process {chosen.state.pid}: "
                    "end it there with Ctrl+C."
                )
            if stop_detached(chosen.directory):
                stopped.append("the engine")
        if not engines_here() and stop_detached(mail_directory()):
            stopped.append("the mail server")
        _console.print(f"Stopped {' and '.join(stopped)}." if stopped else "No engine runs.")


@app.command("status")
def show(
    directory: _Directory = None,
    engine: _Address = None,
    instances: Annotated[int, typer.Option(help="Process instances to show, the newest last.")] = 10,
) -> None:
    """Show which engines run, where, and what their process instances did. Exit code 3 when none runs."""
    with _reported():
        found = engines_here(directory, engine)
        _print(found, directory, instances)
        if not found:
            raise typer.Exit(3)


@app.command()
def resolve(
    incident: Annotated[int, typer.Argument(help="Key of the incident; see `engine status`.")],
    directory: _Directory = None,
    engine: _Address = None,
    retries: Annotated[int, typer.Option(help="Attempts that the incident's job gets.")] = 1,
) -> None:
    """Resolve an incident: its step is repeated, or its job is offered again."""
    with _reported():
        rest = _Rest(only_engine(directory, engine).state)
        found = rest.ask("GET", f"/v2/incidents/{incident}")
        if job := found.get("jobKey"):
            rest.ask("PATCH", f"/v2/jobs/{job}", {"changeset": {"retries": retries}})
        rest.ask("POST", f"/v2/incidents/{incident}/resolution", {})
        _console.print(f"Resolved: {found['elementId']} goes on.", markup=False)


@app.command()
def mails(
    address: Annotated[str | None, typer.Argument(help="Only this mailbox; all mailboxes by default.")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Every mail as it arrived, header by header.")] = False,
) -> None:
    """Show the mails that the local mail server has received."""
    with _reported():
        received = _received(address)
    out = Console(highlight=False, soft_wrap=raw)
    if raw:
        for one, found in received.items():
            for number, content in enumerate(found, 1):
                out.rule(f"{one}, mail {number} of {len(found)}")
                lines = content.decode(errors="replace").splitlines()
                out.print("\n".join(_printable(line) for line in lines), markup=False)
        return
    from zeebe_connectors.testing.servers.mail import parse

    table = Table("mailbox", "from", "subject", "date", "attachments", title="Received mails")
    for one, found in received.items():
        for message in map(parse, found):
            names = [part.get_filename() or part.get_content_type() for part in message.iter_attachments()]
            cells = (one, message["From"], message["Subject"], message["Date"], ", ".join(names))
            table.add_row(*(escape(_printable(str(cell or ""))) for cell in cells))
    out.print(table if table.row_count else "No mail has arrived.")


def _received(address: str | None) -> dict[str, list[bytes]]:
    """Asks the mail server for its mails by address.

    Raises:
        ServerError: No mail server runs, or it does not answer.
    """
    state = running(mail_directory())
    if state is None:
        raise ServerError("No mail server runs. Start it with: zeebe-connectors engine start --mail")
    rest = _Rest(state, "api")
    known = [address] if address else list(rest.ask("GET", "/mailboxes"))
    return {
        one: [text.encode("utf-8", "surrogateescape") for text in rest.ask("GET", f"/mailboxes/{quote(one)}")]
        for one in known
    }


class _Rest:
    """Asks a local server over HTTP."""

    def __init__(self, state: State, port: str = "rest") -> None:
        self.address = f"http://{LOOPBACK}:{state.ports[port]}"
        # Loopback is never behind the proxy that the environment may name.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Sends a request and reads the answer.

        Raises:
            ServerError: It does not answer, or refuses.
        """
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(  # noqa: S310 - loopback
            self.address + path, data, {"Content-Type": "application/json"}, method=method
        )
        try:
            with self._opener.open(request, timeout=10) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                text = error.read()
            try:
                detail = json.loads(text)["detail"]
            except (ValueError, KeyError, TypeError):
                detail = f"it answered {error.code}"
            raise ServerError(str(detail)) from error
        except (OSError, ValueError) as error:
            raise ServerError(f"The server at {self.address} does not answer: {error}.") from error


class _reported:  # noqa: N801 - reads as a phrase in a with statement
    """Turn a local server's error into its message and exit code 1."""

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ServerError):
            _console.print(str(error), style="red", markup=False)
            raise typer.Exit(1) from error


def _printable(text: str) -> str:
    """Replaces what would move the terminal's cursor or change its colours: mails come from anywhere."""
    return "".join(character if character.isprintable() or character == "\t" else "?" for character in text)


def _print(engines: list[LocalEngineHere], directory: Path | None, instances: int = 0) -> None:
    """Shows where the servers are, and the newest instances of each engine."""
    out = Console(highlight=False, soft_wrap=True)
    if engines:
        what = "The local engine runs" if len(engines) == 1 else f"{len(engines)} local engines run"
        out.print(f"{what}; for development and tests only.")
    else:
        where = directory or engine_directory()
        other = "" if where == engine_directory() else f" --directory {where}"
        out.print(f"No engine runs in {where}. Start it with: zeebe-connectors engine start{other}", markup=False)
    for engine in engines:
        state = engine.state
        memory = resident_memory(state.pid)
        size = f", {memory / 2**20:.0f} MiB" if memory else ""
        _print_rows(
            out,
            gateway=engine.address,
            rest=f"http://{LOOPBACK}:{state.ports['rest']}",
            process=f"{state.pid}, for {time.time() - state.time:.0f} s{size}",
            state=engine.directory or "in memory: the engine of `zeebe-connectors dev`",
        )
        if instances:
            _print_instances(_Rest(state), instances)
    if mail := running(mail_directory()):
        out.print("The mail server is running; see what arrives with: zeebe-connectors engine mails")
        _print_rows(
            out,
            smtp=f"{LOOPBACK}:{mail.ports['smtp']}",
            imap=f"{LOOPBACK}:{mail.ports['imap']}",
            pop3=f"{LOOPBACK}:{mail.ports['pop3']}",
            api=f"http://{LOOPBACK}:{mail.ports['api']}/mailboxes",
            login="any address, any password",
        )


def _print_rows(out: Console, **rows: object) -> None:
    for name, value in rows.items():
        out.print(f"  {name:<8} {value}", markup=False)


def _print_instances(rest: _Rest, max_shown: int) -> None:
    from zeebe_connectors.cli.steps import remedy

    out = Console(highlight=False, soft_wrap=True)
    newest = {"sort": [{"field": "processInstanceKey", "order": "DESC"}], "page": {"limit": max_shown}}
    found = rest.ask("POST", "/v2/process-instances/search", newest)
    shown = list(reversed(found["items"]))
    total = found["page"]["totalItems"]
    if not total:
        out.print("No process instances yet.")
        return
    out.print(f"Process instances{f', the newest {len(shown)} of {total}' if total > len(shown) else ''}:")
    for one in shown:
        key = one["processInstanceKey"]
        whole = {"filter": {"processInstanceKey": key}, "page": {"limit": 10_000}}
        steps = rest.ask("POST", "/v2/element-instances/search", whole)["items"]
        path = " > ".join(_step(step) for step in steps if step["type"] != "PROCESS")
        state = one["state"].lower()
        out.print(f"  {key}  {one['processDefinitionId']} v{one['processDefinitionVersion']}  {state}", markup=False)
        out.print(f"    {path}", markup=False)
        for incident in rest.ask("POST", "/v2/incidents/search", {"filter": {"processInstanceKey": key}})["items"]:
            what = f"{incident['errorType']} at {incident['elementId']}: {incident['errorMessage']}"
            out.print(f"    incident {incident['incidentKey']}: {_printable(what)}", style="red", markup=False)
            out.print(f"      {remedy(incident['errorType'], incident['incidentKey'])}", markup=False)


def _step(step: dict[str, Any]) -> str:
    mark = {"ACTIVE": " (waits)", "TERMINATED": " (terminated)"}.get(step["state"], "")
    return f"{step['elementId']}{' (incident)' if step['hasIncident'] else mark}"


if __name__ == "__main__":
    app()
