"""Run the main job on the local engine, and show what really happened: `zeebe-connectors demo`."""

from __future__ import annotations

import asyncio
import json
import logging
import smtplib
import tempfile
import time
from contextlib import AsyncExitStack
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Self

from aiohttp import web
from rich.console import Console

from zeebe_connectors.cli import log_setup
from zeebe_connectors.cli.places import shipped
from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.secrets import Mask
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.engine.local import LocalEngine
from zeebe_connectors.runtime.gateway import GatewayError
from zeebe_connectors.runtime.gateway.zeebe import ZeebeGateway
from zeebe_connectors.runtime.outbound.outcome import Complete, Fail, Outcome, Throw
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk.context import Job
from zeebe_connectors.sdk.registry import Registry
from zeebe_connectors.testing.servers.mail import MailServer

TOKEN = "demo-token"  # noqa: S105 - a secret of the demo, so that one can be seen to work
PASSWORD = "demo-password"  # noqa: S105 - the local mail server takes any
CUSTOMER = "ann@example.test"
MAILBOX = "orders@example.test"
NOTE = ("order.csv", "article,amount\nBread,2\n")
HEADERS = (
    "From", "To", "Subject", "Importance", "X-Priority", "Sensitivity", "Disposition-Notification-To",
    "X-Message-Flag", "Reply-By", "Message-ID",
)  # fmt: skip


class OrderServer:
    """A small web service on loopback that knows one order and requires a token."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        app = web.Application()
        app.router.add_get("/orders/{id}", self._order)
        self._runner = web.AppRunner(app)
        self.port = 0

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _order(self, request: web.Request) -> web.Response:
        order = request.match_info["id"]
        allowed = request.headers.get("Authorization") == f"Bearer {TOKEN}"
        status = 401 if not allowed else 200 if order == "4711" else 404
        self.seen.append(f"GET {request.path} -> {status}")
        if status != 200:
            return web.json_response({"error": "unknown order" if allowed else "token wanted"}, status=status)
        return web.json_response({"id": order, "customer": CUSTOMER, "total": 42.5, "items": ["Bread", "Roses"]})


class PrintedJobs:
    """Prints the outcome of each job instead of counting it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._count = 0

    def activated(self, job: Job) -> None:
        """Prints nothing yet."""

    def answered(self, job: Job, outcome: Outcome, seconds: float) -> None:
        """Prints a line for a job."""
        self._count += 1
        match outcome:
            case Complete():
                what = "completed"
            case Throw(code=code):
                what = f"ended with the BPMN error {code}"
            case Fail(message=message, retries=retries):
                what = f"failed, {retries} retries left: {message}"
        self._console.print(f"   Task {job.element_id}: {what}, {seconds * 1000:.0f} ms", markup=False)

    async def until(self, count: int) -> None:
        """Waits until this many jobs have been answered: an instance may end before its last job is printed."""
        for _ in range(100):
            if self._count >= count:
                return
            await asyncio.sleep(0.01)

    def unanswered(self, job: Job) -> None:
        """Prints that the outcome could not be sent to the engine."""
        self._console.print(f"   Task {job.element_id}: its outcome could not be sent to the engine", markup=False)


async def show() -> int:
    """Runs the demo; returns 0 when everything happened as it should."""
    console = Console(highlight=False, soft_wrap=True)
    log_setup.configure(Mask([TOKEN, PASSWORD]))
    logging.getLogger("zeebe_connectors").setLevel(logging.WARNING)
    try:
        async with AsyncExitStack() as stack:
            return await _show(console, stack)
    except (OSError, GatewayError) as error:
        console.print(str(error), style="red", markup=False)
        return 1


async def _show(console: Console, stack: AsyncExitStack) -> int:
    console.print("[bold]1. The local stack[/bold]")
    started = time.monotonic()
    engine = await stack.enter_async_context(LocalEngine())
    console.print(f"   The engine is ready at {engine.grpc_address} after {(time.monotonic() - started) * 1000:.0f} ms")
    mail = await stack.enter_async_context(MailServer())
    console.print(f"   A mail server listens for SMTP on port {mail.smtp_port}")
    orders = await stack.enter_async_context(OrderServer())
    console.print(f"   A web service with orders listens on port {orders.port}")
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zeebe-connectors-demo-")))
    jobs = PrintedJobs(console)
    diagram, mailbox = _examples(mail)
    gateway = await _run_connectors(stack, engine, jobs, directory, mailbox)
    process, watching = await gateway.deploy({"demo.bpmn": diagram, "imap.bpmn": mailbox})
    for one in (process, watching):
        console.print(
            f"   The diagram {one.resource_name} is deployed: process {one.bpmn_process_id}, version {one.version}"
        )

    console.print("\n[bold]2. One process instance[/bold]")
    variables = {
        "ordersUrl": f"http://127.0.0.1:{orders.port}/orders",
        "orderId": "4711",
        "otherOrderId": "4712",
        "smtpHost": "127.0.0.1",
        "smtpPort": mail.smtp_port,
        "sender": "shop@example.test",
    }
    began = time.monotonic()
    key, text = await gateway.run_process(process.bpmn_process_id, payload=json.dumps(variables), seconds=30)
    result: dict[str, Any] = json.loads(text)
    await jobs.until(3)
    console.print(f"   Instance {key} ended after {(time.monotonic() - began) * 1000:.0f} ms")
    for line in orders.seen:
        console.print(f"   The web service saw: {line}")
    console.print("   Variables that the connectors set:")
    made = {name: value for name, value in result.items() if name not in variables}
    console.print_json(json.dumps(made), indent=2)

    console.print("[bold]3. The mail as received[/bold]")
    received = (await mail.expect(CUSTOMER))[-1]
    _print_mail(console, received)

    console.print("\n[bold]4. A mail that starts a process[/bold]")
    answer = await _write_to_the_mailbox(console, jobs, mail)
    files = {part.get_filename(): part.get_content() for part in answer.iter_attachments()}
    console.print(
        f"   {CUSTOMER} got the answer {answer['Subject']!r} with {', '.join(map(str, files)) or 'no file'}",
        markup=False,
    )

    checks = {
        "the REST call answered with the order": result.get("order", {}).get("id") == "4711",
        "the secret reached the web service": all("401" not in line for line in orders.seen),
        "the mail is important, private, and asks for a receipt and a follow-up": all(
            received[name] for name in ("Importance", "Sensitivity", "Disposition-Notification-To", "Reply-By")
        ),
        "the 404 became the BPMN error ORDER_NOT_FOUND, and the diagram caught it": result.get("caught") is True,
        "the secret is in no variable": TOKEN not in text,
        "the mail to the mailbox started a process, which sent its attachment back": files.get(NOTE[0]) == NOTE[1],
    }
    console.print("\n[bold]5. What the demo showed[/bold]")
    for what, holds in checks.items():
        console.print(f"   {'[green]yes[/green]' if holds else '[red]NO [/red]'}  {what}")
    return 0 if all(checks.values()) else 1


async def _run_connectors(
    stack: AsyncExitStack, engine: LocalEngine, jobs: PrintedJobs, directory: Path, mailbox: bytes
) -> ZeebeGateway:
    """Runs the demo's connectors until the stack is left; returns the gateway to the engine.

    Args:
        stack: Drains the runtime.
        engine: The engine.
        jobs: Prints each job.
        directory: Where the runtime keeps its data.
        mailbox: The diagram whose mailbox is watched.
    """
    diagrams = directory / "diagrams"
    diagrams.mkdir()
    (diagrams / "imap.bpmn").write_bytes(mailbox)
    values = {
        "ZEEBE_CONNECTORS_DIAGRAMS": str(diagrams),
        "SECRET_MAILBOX_PASSWORD": PASSWORD,
        "ZEEBE_ADDRESS": engine.grpc_address,
        "ZEEBE_INSECURE_CONNECTION": "true",
        "SECRET_ORDERS_TOKEN": TOKEN,
        "ZEEBE_CONNECTORS_DATA": str(directory),
    }
    environment = Environment(("environment", values))
    settings = Settings.read(environment)
    gateway = ZeebeGateway(settings.cluster)
    registry = Registry.installed(["rest", "smtp", "imap"])
    runtime = Runtime(settings, registry, gateway, environment=environment, metrics=jobs)
    runtime.start()
    stack.push_async_callback(runtime.drain)
    return gateway


def _print_mail(console: Console, received: EmailMessage) -> None:
    for name in HEADERS:
        console.print(f"   {name:<28} {received[name] or '-'}", markup=False)
    body = received.get_body(("plain", "html"))
    for line in body.get_content().strip().splitlines() if body else ():
        console.print(f"   | {line}", markup=False)


def _examples(mail: MailServer) -> tuple[bytes, bytes]:
    """Returns the demo's diagram, and the mailbox example with this mail server's ports."""
    folder = shipped("bpmn-examples")
    text = (folder / "imap.bpmn").read_text(encoding="utf-8")
    text = text.replace('value="3143"', f'value="{mail.imap_port}"').replace("=3025", f"={mail.smtp_port}")
    return (folder / "demo.bpmn").read_bytes(), text.encode()


async def _write_to_the_mailbox(console: Console, jobs: PrintedJobs, mail: MailServer) -> EmailMessage:
    """Sends the watched mailbox a mail, and returns the process's answer."""
    console.print(f"   The start event of imap.bpmn watches {MAILBOX} over IMAP")
    request = EmailMessage()
    request["From"], request["To"], request["Subject"] = CUSTOMER, MAILBOX, "Two loaves"
    request.set_content("Please.")
    request.add_attachment(NOTE[1].encode(), maintype="text", subtype="csv", filename=NOTE[0])
    began = time.monotonic()
    await asyncio.to_thread(_send, mail.smtp_port, request)
    console.print(f"   {CUSTOMER} sends {request['Subject']!r} with {NOTE[0]}", markup=False)
    answer = (await mail.expect(CUSTOMER, 2))[-1]
    await jobs.until(4)
    console.print(f"   The answer came after {time.monotonic() - began:.1f} s")
    return answer


def _send(port: int, message: EmailMessage) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        client.send_message(message)
