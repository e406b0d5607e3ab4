"""Sessions are kept, bounded, closed when idle; and a large mail does not hold up others."""

import asyncio
import threading
import time

import pytest

from zeebe_connectors import TransientError
from zeebe_connectors.mail.smtp import delivery, pool, protocol
from zeebe_connectors.mail.smtp.model import Envelope, Login, Server
from zeebe_connectors.mail.smtp.pool import Sessions
from zeebe_connectors.testing.servers import SILENCE, SmtpServer

MESSAGE = [b"Subject: x\r\n\r\nx\r\n"]
ENVELOPE = Envelope("a@example.com", ["b@example.com"])


async def send(sessions, seconds=10.0):
    return await sessions.send(ENVELOPE, MESSAGE, seconds=seconds, patience=5)


async def test_many_mails_share_few_sessions(smtp, server):
    """At most eight at a time, each used again and again; every mail arrives once."""
    await asyncio.gather(*(smtp(server, key=key, text=str(key)) for key in range(500)))
    assert sorted(int(mail.parsed.get_content()) for mail in server.mails) == list(range(500))
    assert server.sessions == server.max_open == pool.SESSIONS


async def test_waiting_too_long_for_a_session_is_an_error(server):
    """The job's time is over before its turn comes."""
    server.say("MAIL", SILENCE, times=1)
    sessions = Sessions(Server("127.0.0.1", server.port, "none"), max_sessions=1)
    first = asyncio.create_task(send(sessions))
    await server.wait_for_command("MAIL")
    with pytest.raises(TransientError, match="busy") as caught:
        await send(sessions, seconds=0.2)
    assert caught.value.code == "SMTP_TIMEOUT"
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await send(sessions)
    await sessions.aclose()
    assert len(server.mails) == 1, "a cancelled mail's session is not used again"


async def test_idle_sessions_are_closed(server):
    """With QUIT, and the next mail opens a new one."""
    sessions = Sessions(Server("127.0.0.1", server.port, "none"), idle=0.05)
    await send(sessions)
    await server.until(lambda: not server.open)
    assert server.lines[-1] == "QUIT"
    await send(sessions)
    assert server.sessions == 2
    await sessions.aclose()


async def test_the_end_closes_all(server):
    """Also those that are in use: after their mail."""
    sessions = Sessions(Server("127.0.0.1", server.port, "none"))
    await send(sessions)
    await sessions.aclose()
    await server.until(lambda: not server.open)
    await send(sessions)
    await server.until(lambda: not server.open)


async def test_a_cancelled_mail_leaves_no_half_session(smtp, server):
    """The runtime cancels when it stops; what was half said is not continued by another mail."""
    server.say("RCPT", SILENCE, times=1)
    task = asyncio.create_task(smtp(server))
    await server.wait_for_command("RCPT")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await smtp(server, key=2)
    assert (len(server.mails), server.sessions) == (1, 2)


async def test_a_large_mail_is_built_in_a_thread_and_written_in_pieces(smtp, server, files, monkeypatch):
    """25 MB: what the loop does at a time is bounded by 4 pieces of 64 KiB, whatever the mail's size."""
    (files / "large.bin").write_bytes(bytes(range(256)) * 100_000)
    threads = []

    def build(message):
        threads.append(threading.current_thread())
        return delivery_build(message)

    delivery_build = delivery.build
    monkeypatch.setattr(delivery, "build", build)
    written = []
    plain_write = protocol.Wire.write

    def write(wire, data):
        written.append(len(data))
        plain_write(wire, data)

    monkeypatch.setattr(protocol.Wire, "write", write)
    turns = 0
    busy = True

    async def other_work():
        nonlocal turns
        while busy:
            await asyncio.sleep(0)
            turns += 1

    other = asyncio.create_task(other_work())
    await smtp(server, attachments=["large.bin"], seconds=60)
    busy = False
    await other
    await smtp(server, key=2)
    assert threads[0] is not threading.main_thread()
    assert threads[1] is threading.main_thread()
    assert max(written) <= 64 * 1024 + 3
    pieces = sum(size >= 64 * 1024 for size in written)
    assert pieces > 400
    assert turns > pieces / 4, "others had their turn at least every 4 pieces"
    (part,) = server.mails[0].parsed.iter_attachments()
    assert part.get_content() == (files / "large.bin").read_bytes()


@pytest.fixture
def server_apart(tls):
    """A server on a loop and thread of its own, so that its work is not counted; ask for it before `smtp`."""
    started, done = threading.Event(), threading.Event()
    running = {}

    async def serve():
        async with SmtpServer(tls=tls) as running["server"]:
            started.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert started.wait(30)
    yield running["server"]
    done.set()
    thread.join(30)


@pytest.mark.parametrize("security", ["none", "starttls"])
async def test_a_large_mail_never_holds_the_loop_for_50_ms(server_apart, smtp, trusted, files, monkeypatch, security):
    """25 MB, from the file to the last dot: no single turn of the loop's thread takes so much work.

    It is the thread's CPU time that counts: a busy machine may make every turn wait, and that is not ours.
    """
    if not isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop):
        pytest.skip("uvloop's turns cannot be measured from outside")
    (files / "large.bin").write_bytes(bytes(range(256)) * 102_400)
    ours = threading.get_ident()
    plain_run = asyncio.Handle._run
    turns = []

    def run(handle):
        began = time.thread_time()
        plain_run(handle)
        if threading.get_ident() == ours:
            turns.append(time.thread_time() - began)

    given = {"security": security, "trusted_certificate": trusted} if security == "starttls" else {}
    await smtp(server_apart, **given)
    monkeypatch.setattr(asyncio.Handle, "_run", run)
    await smtp(server_apart, key=2, attachments=["large.bin"], seconds=100, **given)
    monkeypatch.undo()
    assert len(server_apart.mails[-1].data) > 30_000_000
    assert len(turns) > 100
    assert max(turns) < 0.05


async def test_sessions_are_kept_apart_by_their_settings():
    """Each of host, port, protection, login, name and trust makes another pool."""
    plain = Server("a", 25, "none")
    others = [
        Server("b", 25, "none"),
        Server("a", 26, "none"),
        Server("a", 25, "starttls"),
        Server("a", 25, "none", Login("plain", "u")),
        Server("a", 25, "none", client_name="x"),
        Server("a", 25, "none", trusted="x"),
    ]
    assert len({plain, *others}) == 7
    assert plain == Server("a", 25, "none")


async def test_a_new_session_for_each_loss_only(smtp):
    """A server that says 421 after each ten mails, as some do, costs a session, not a mail."""
    async with SmtpServer() as server:
        for number in range(3):
            server.say("MAIL", "421 4.7.0 Too many messages in this session", times=1, after=10 * number)
        for key in range(40):
            await smtp(server, key=key)
    assert len(server.mails) == 40
    assert server.sessions == 4
