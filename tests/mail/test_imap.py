"""The IMAP client keeps its word where the library under it does not: each test is one of that one's defects."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import ssl
import sys
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from zeebe_connectors import InputError, PermanentError, TransientError
from zeebe_connectors.mail import imap as client_module
from zeebe_connectors.mail.folders import decode_folder, encode_folder
from zeebe_connectors.mail.imap import ImapSession
from zeebe_connectors.mail.imap_protocol import ConnectionLost
from zeebe_connectors.mail.imap_syntax import Refused, search_text
from zeebe_connectors.mail.settings import NoLogin, PasswordLogin
from zeebe_connectors.net.egress import RULES, HostRules
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.testing.servers import Folder, ImapServer, message
from zeebe_connectors.web import NetworkRules

USER = "alice@example.test"


@pytest.fixture
async def server():
    async with ImapServer() as server:
        yield server


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(client_module, "TIMEOUT", 0.3)


async def connect(server: ImapServer, *, login: bool = True, select: bool = True) -> ImapSession:
    session = await ImapSession.connect("127.0.0.1", server.port, "none")
    if login:
        await session.login(USER, "secret")
        if select:
            await session.select("INBOX")
    return session


async def test_four_thousand_lines_in_one_read_are_taken_without_recursion(server):
    for number in range(4000):
        server.folders["INBOX"].add(message(str(number)))
    session = await connect(server)
    found = await session.fetch(range(1, 4001), None)
    assert [one.uid for one in found] == list(range(1, 4001))
    await session.logout()


async def test_a_message_comes_byte_for_byte_whatever_it_holds(server):
    raw = message() + b"\r\n* 1 FETCH (UID 9 FLAGS ())\r\nA1 OK fooled\r\n) {5}\r\n" + bytes(range(256)) * 4000
    uid = server.deliver(raw).uid
    session = await connect(server)
    (one,) = await session.fetch([uid])
    assert one.body == raw
    assert one.size == len(raw)
    assert one.received == dt.datetime(2026, 11, 3, 10, tzinfo=dt.UTC)
    await session.logout()


async def test_an_asterisk_within_a_line_is_kept(server):
    """The library deletes `* ` anywhere in a line."""

    async def fetch(session, tag, arguments):
        session.send('* 1 FETCH (UID 1 BODY[HEADER] "Subject: sad :( * star")')
        session.send(f"{tag} OK done")

    server.answers["UID FETCH"] = fetch
    session = await connect(server)
    (one,) = await session.fetch([1], "HEADER")
    assert one.body == b"Subject: sad :( * star"
    await session.logout()


async def test_a_lost_connection_ends_a_pending_command_at_once(server):
    async def cut(session, tag, arguments):
        session.writer.transport.abort()

    server.answers["NOOP"] = cut
    session = await connect(server)
    with pytest.raises(ConnectionLost):
        await session._command("NOOP")
    with pytest.raises(ConnectionLost):
        await session._command("NOOP")
    assert not session.is_open


async def test_a_lost_connection_ends_idle_at_once(server):
    session = await connect(server)
    waiting = asyncio.create_task(session.idle(600))
    await server.idle.wait()
    server.drop()
    with pytest.raises(ConnectionLost):
        await waiting


async def test_a_connection_that_ends_just_before_idle_is_sent_ends_it_at_once(server):
    session = await connect(server)
    session._protocol.transport.abort()  # the client hears of it in the event loop's next turn
    async with asyncio.timeout(5):
        with pytest.raises(ConnectionLost, match="the connection was lost"):
            await session.idle(600)


async def test_an_idle_that_is_given_up_leaves_nothing_running(server):
    """A source that stops or restarts waits no further in the background."""
    session = await connect(server)
    await session.search("ALL")

    async def watch():
        try:
            await session.idle(600)
        finally:
            await session.logout()

    before = {task.get_name() for task in asyncio.all_tasks()}
    watching = asyncio.create_task(watch())
    await server.idle.wait()
    await asyncio.sleep(0.02)  # the client has read the server's answer, too
    watching.cancel()
    await asyncio.wait([watching])
    await asyncio.sleep(0.02)
    assert {task.get_name() for task in asyncio.all_tasks()} <= before


async def test_a_goodbye_during_idle_ends_it(server):
    session = await connect(server)
    waiting = asyncio.create_task(session.idle(600))
    await server.idle.wait()
    for one in server.sessions:
        one.send("* BYE shutting down")
    with pytest.raises(ConnectionLost, match="shutting down"):
        await waiting


async def test_idle_that_is_never_acknowledged_ends(server, impatient):
    async def mute(session, tag, arguments):
        await asyncio.sleep(3600)

    server.answers["IDLE"] = mute
    session = await connect(server)
    with pytest.raises(ConnectionLost, match="does not answer IDLE"):
        await session.idle(600)
    server.drop()


async def test_a_half_open_connection_is_found_at_the_end_of_idle(server, impatient):
    async def half_open(session, tag, arguments):
        session.send("+ idling")
        await session.writer.drain()
        await asyncio.sleep(3600)

    server.answers["IDLE"] = half_open
    session = await connect(server)
    with pytest.raises(ConnectionLost, match="does not answer the end of IDLE"):
        await session.idle(0.1)
    server.drop()


async def test_idle_tells_of_a_new_mail_and_of_nothing(server):
    session = await connect(server)
    assert await session.idle(0.05) is False
    waiting = asyncio.create_task(session.idle(600))
    await server.idle.wait()
    server.deliver(message())
    assert await waiting is True
    assert await session.search("UNSEEN") == [1]
    await session.logout()


async def test_a_mail_that_came_between_the_search_and_idle_ends_idle_at_once(server):
    """The word of it came with another command's answer, and the server does not repeat it."""

    async def recorded(session, tag, arguments):
        session.send("* 1 EXISTS")
        session.send(f"{tag} OK done")

    server.answers["NOOP"] = recorded
    session = await connect(server)
    assert await session.search("ALL") == []
    await session._command("NOOP")
    async with asyncio.timeout(5):
        assert await session.idle(600) is True
    await session.search("ALL")
    await session._command("NOOP")
    assert await session.idle(0.05) is False  # nothing new since
    await session.logout()


async def test_a_command_without_an_answer_closes_the_session(server, impatient):
    """Its late answer would be taken for that of the next command."""

    async def mute(session, tag, arguments):
        pass

    server.answers["NOOP"] = mute
    session = await connect(server)
    with pytest.raises(ConnectionLost, match="does not answer NOOP within"):
        await session._command("NOOP")
    with pytest.raises(ConnectionLost):
        await session.search("ALL")


async def test_a_large_message_that_comes_slowly_is_progress_and_no_timeout(server, impatient):
    async def slowly(session, tag, arguments):
        session.send("* 1 FETCH (UID 1 BODY[] {20}")
        for _ in range(10):
            session.writer.write(b"xx")
            await session.writer.drain()
            await asyncio.sleep(0.1)
        session.send(")")
        session.send(f"{tag} OK done")

    server.answers["UID FETCH"] = slowly
    session = await connect(server)
    (one,) = await session.fetch([1])
    assert one.body == b"x" * 20
    await session.logout()


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels have no such option")
async def test_the_kernel_finds_out_within_two_minutes_that_the_way_to_the_server_is_gone(server):
    session = await connect(server)
    sock = session._protocol.transport.get_extra_info("socket")
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    idle, every, times = (
        sock.getsockopt(socket.IPPROTO_TCP, option)
        for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    )
    assert idle + every * times <= 120
    await session.logout()


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels have no such option")
async def test_an_answer_in_pieces_is_acknowledged_at_once(server):
    """Without TCP_NODELAY a server sends a piece when the last is acknowledged, for which a kernel takes 40 ms."""

    async def in_pieces(session, tag, arguments):
        session.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        for piece in (b"* OK still ", b"here\r\n", f"{tag} OK done\r\n".encode()):
            session.writer.write(piece)
            await asyncio.sleep(0)

    server.answers["NOOP"] = in_pieces
    session = await connect(server)
    began = time.perf_counter()
    for _ in range(80):  # the kernel acknowledges the first few at once in any case
        await session._command("NOOP")
    assert time.perf_counter() - began < 1.2
    await session.logout()


async def test_a_refused_token_is_an_error_with_its_reason_and_no_timeout(server):
    session = await connect(server, login=False)
    with pytest.raises(PermanentError, match="401") as caught:
        await session.login_with_token(USER, "expired")
    assert caught.value.code == "IMAP_AUTH_FAILED"
    assert "expired" not in str(caught.value)
    await session.login_with_token(USER, "good-token")
    await session.logout()


async def test_a_server_without_initial_response_gets_the_token_when_it_asks(server):
    server.capabilities = "IMAP4rev1 AUTH=XOAUTH2"
    session = await connect(server, login=False)
    await session.login_with_token(USER, "good-token")
    assert server.seen("AUTHENTICATE") == ["AUTHENTICATE XOAUTH2"]
    await session.logout()


async def test_a_greeting_that_says_goodbye_is_reported_at_once(server):
    server.greeting = "* BYE too many connections"
    with pytest.raises(TransientError, match="too many connections"):
        await connect(server)


async def test_a_server_that_never_greets_is_reported(server, impatient):
    server.greeting = ""
    with pytest.raises(TransientError) as caught:
        await connect(server)
    assert caught.value.code == "IMAP_TIMEOUT"  # an empty line is no greeting


async def test_capabilities_are_asked_again_after_the_login(server):
    server.capabilities, server.after_login = "IMAP4rev1 AUTH=XOAUTH2 SASL-IR", "MOVE UIDPLUS"
    session = await connect(server, login=False)
    assert not session.offers("MOVE")
    await session.login_with_token(USER, "good-token")
    assert session.offers("MOVE")
    await session.logout()


@pytest.mark.parametrize("password", ['a "quoted" pass\\word', "pässwörd", "{5}", "sp ace"])
async def test_any_user_and_password_arrives_as_it_is(server, password):
    server.users = {"Ann Example": password}
    session = await connect(server, login=False)
    await session.login("Ann Example", password)
    await session.logout()


async def test_a_password_that_would_break_the_line_is_refused(server):
    session = await connect(server, login=False)
    with pytest.raises(PermanentError):
        await session.login(USER, "a\r\nA1 DELETE INBOX")
    assert not server.seen("DELETE")
    await session.logout()


@pytest.mark.parametrize("name", ["My Folder", "Größe & Co", "受信トレイ", 'a"b', "~peter/mail/台北/日本語"])
async def test_folders_in_any_script_are_found_and_created(server, name):
    session = await connect(server)
    await session.create_folder(name)
    assert (await session.select(name)).name == name
    assert list(server.folders) == ["INBOX", encode_folder(name)]
    await session.logout()


def test_folder_names_are_encoded_as_the_standard_says():
    """The examples of RFC 3501."""
    assert encode_folder("~peter/mail/台北/日本語") == "~peter/mail/&U,BTFw-/&ZeVnLIqe-"
    assert encode_folder("Tom & Jerry") == "Tom &- Jerry"
    for name in ("~peter/mail/台北/日本語", "Tom & Jerry", "&&", "Größe", "😀"):
        assert decode_folder(encode_folder(name)) == name
    assert decode_folder("broken &Zx") == "broken &Zx"


@pytest.mark.parametrize(
    ("separator", "real", "written"),
    [
        (".", "INBOX.Client.Acme", "Client/Acme"),
        ("/", "Client.Acme", "Client.Acme"),
        (".", "A.B", "A/B"),
        ("/", "A/B", "A.B"),
    ],
)
async def test_a_folder_is_found_with_any_separator(server, separator, real, written):
    server.separator = separator
    server.folders[real] = Folder()
    session = await connect(server)
    assert (await session.select(written)).name == real
    await session.logout()


async def test_a_folder_that_is_not_there_is_reported_with_those_that_are(server):
    session = await connect(server)
    with pytest.raises(PermanentError, match="INBOX"):
        await session.select("Nowhere")
    await session.logout()


async def test_one_mail_is_moved_and_no_other_is_touched(server):
    for extension in ("MOVE UIDPLUS", "UIDPLUS"):
        server.capabilities = f"IMAP4rev1 {extension}"
        server.folders = {"INBOX": Folder(), "Done": Folder()}
        for number in range(3):
            server.deliver(message(str(number)))
        server.folders["INBOX"].messages[2].flags.add(
            "\\Deleted"
        )  # somebody else's; a plain EXPUNGE would take it along
        session = await connect(server)
        await session.move(2, "Done")
        await session.move(2, "Done")
        assert [m.uid for m in server.folders["INBOX"].messages] == [1, 3]
        assert len(server.folders["Done"].messages) == 1
        await session.logout()


async def test_without_uidplus_nothing_is_expunged(server):
    server.capabilities = "IMAP4rev1"
    server.deliver(message())
    session = await connect(server)
    await session.delete(1)
    assert server.folders["INBOX"].messages[0].flags == {"\\Deleted"}
    assert not server.seen("EXPUNGE")
    await session.logout()


async def test_fetching_marks_nothing_as_read(server):
    server.deliver(message())
    session = await connect(server)
    await session.fetch([1])
    assert server.folders["INBOX"].messages[0].flags == set()
    assert "BODY.PEEK" in server.seen("UID FETCH")[0]
    await session.logout()


async def test_nothing_that_is_received_or_sent_is_logged(server, caplog):
    caplog.set_level("DEBUG")
    server.deliver(message(body="private words"))
    session = await connect(server)
    await session.fetch([1])
    await session.logout()
    assert "private words" not in caplog.text
    assert "secret" not in caplog.text


async def test_a_server_that_breaks_the_protocol_ends_the_session(server):
    async def nonsense(session, tag, arguments):
        session.send("A999999 OK not what was asked")

    server.answers["NOOP"] = nonsense
    session = await connect(server)
    with pytest.raises(ConnectionLost, match="breaks the protocol"):
        await session._command("NOOP")


async def test_a_port_where_nobody_listens_is_reported(server):
    await server.stop()
    with pytest.raises(TransientError) as caught:
        await connect(server)
    assert caught.value.code == "IMAP_UNREACHABLE"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for localhost, and a context that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "pair.pem"
    pem, private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    file.write_bytes(made.public_bytes(pem) + key.private_bytes(pem, private, serialization.NoEncryption()))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cadata=made.public_bytes(pem).decode())


async def test_starttls_is_required_when_it_is_chosen(server, certificate):
    with pytest.raises(PermanentError, match="does not offer STARTTLS"):
        await ImapSession.connect("localhost", server.port, "starttls", tls=certificate[1])


async def test_starttls_and_implicit_tls_carry_a_session(certificate):
    for implicit in (False, True):
        async with ImapServer(tls=certificate[0], implicit=implicit) as server:
            server.capabilities += "" if implicit else " STARTTLS"
            security = "tls" if implicit else "starttls"
            session = await ImapSession.connect("localhost", server.port, security, tls=certificate[1])
            await session.login(USER, "secret")
            server.deliver(message(body="x" * 300_000))
            await session.select("INBOX")
            assert len((await session.fetch([1]))[0].body) > 300_000
            await session.logout()


async def test_a_certificate_that_is_not_trusted_is_reported(certificate):
    async with ImapServer(tls=certificate[0], implicit=True) as server:
        with pytest.raises(PermanentError, match="not trusted"):
            await ImapSession.connect("localhost", server.port, "tls")


@pytest.mark.parametrize(
    "injected",
    [
        b"* CAPABILITY IMAP4rev1 EVIL\r\n",
        b"* CAPABILITY IMAP4rev1 EVIL\r\n* partial",
        b"* partial {28}\r\n",
        b"* partial {28}\r\n* CAPABILITY",
        b"x",
    ],
)
async def test_plain_text_after_starttls_is_not_taken_for_encrypted(certificate, injected):
    """What somebody put behind the answer does not survive into the encrypted session; the connection is refused."""

    async def inject(session, tag, arguments):
        session.writer.write(f"{tag} OK begin\r\n".encode() + injected)

    async with ImapServer(tls=certificate[0]) as server:
        server.capabilities += " STARTTLS"
        server.answers["STARTTLS"] = inject
        with pytest.raises(PermanentError, match="before encryption"):
            await ImapSession.connect("localhost", server.port, "starttls", tls=certificate[1])


async def test_a_login_before_starttls_is_refused(certificate):
    """PREAUTH: one would read a mailbox that somebody between chose, and STARTTLS is not allowed any more."""
    async with ImapServer(tls=certificate[0]) as server:
        server.capabilities += " STARTTLS"
        server.greeting = "* PREAUTH welcome"
        with pytest.raises(PermanentError, match="PREAUTH") as caught:
            await ImapSession.connect("localhost", server.port, "starttls", tls=certificate[1])
        assert caught.value.code == "IMAP_TLS_FAILED"
        assert not any("STARTTLS" in command for command in server.commands)


async def test_nothing_from_before_starttls_counts(certificate):
    """Capabilities are those of the encrypted session, also where the server does not say them again."""

    async def quiet(session, tag, arguments):
        if session.writer.get_extra_info("ssl_object") is None:
            session.send("* CAPABILITY IMAP4rev1 STARTTLS EVIL")
        session.send(f"{tag} OK done")

    async with ImapServer(tls=certificate[0]) as server:
        server.answers["CAPABILITY"] = quiet
        session = await ImapSession.connect("localhost", server.port, "starttls", tls=certificate[1])
        assert not session.offers("EVIL")
        await session.logout()


async def test_texts_of_any_script_are_searched_for_as_literals(server):
    """Each literal goes when the server asks for it, and nothing around it gets lost."""
    session = await connect(server)
    sender, body = search_text('a "b"'), search_text("日本")
    await session.search("OR", "(", "SUBJECT", search_text("Größe"), "FROM", sender, ")", "BODY", body)
    assert server.commands[-1] == (  # the server writes literals as JSON strings
        r'UID SEARCH CHARSET UTF-8 OR (SUBJECT "Gr\u00f6\u00dfe" FROM "a \"b\"") BODY "\u65e5\u672c"'
    )
    await session.search("SUBJECT", search_text("plain"))
    assert server.commands[-1].endswith('SEARCH SUBJECT "plain"')
    await session.logout()


async def test_a_server_without_utf_8_refuses_the_search_and_the_session_goes_on(server):
    async def refuse(session, tag, arguments):
        session.send(f"{tag} NO [BADCHARSET (US-ASCII)] no such charset")

    server.answers["UID SEARCH"] = refuse
    session = await connect(server)
    with pytest.raises(Refused, match="BADCHARSET"):
        await session.search("SUBJECT", search_text("Größe"))
    await session._command("NOOP")
    await session.logout()


async def test_a_literal_that_the_server_refuses_before_it_was_sent_is_not_sent_later(server):
    """Some servers say NO instead of asking for the literal; what was meant for it must not follow."""
    server.literals = False
    session = await connect(server)
    with pytest.raises(Refused):
        await session.search("SUBJECT", search_text("Größe"), "BODY", search_text("ä"))
    await session._command("NOOP")
    assert server.commands[-1] == "NOOP"
    await session.logout()


async def test_the_server_sorts_where_it_can(server):
    async def sort(session, tag, arguments):
        session.send("* SORT 3 1 2")
        session.send(f"{tag} OK done")

    server.answers["UID SORT"] = sort
    session = await connect(server)
    assert await session.sort("DATE", "ALL") is None
    server.capabilities += " SORT"
    await session.logout()
    session = await connect(server)
    assert await session.sort("DATE", "UNDELETED", descending=True) == [3, 1, 2]
    assert server.commands[-1].endswith("SORT (REVERSE DATE) UTF-8 UNDELETED")
    await session.logout()


@pytest.mark.parametrize(
    ("separator", "folder", "made"),
    [
        ("/", "Archive.2026", "Archive/2026"),
        ("/", "INBOX.Done", "INBOX/Done"),
        ("/", "Client.Acme", "Client.Acme"),
        (".", "Archive/2026", "Archive.2026"),
    ],
)
async def test_a_new_folder_lies_where_its_name_says(server, separator, folder, made):
    """A dot stands for the separator only where the part before it is a folder: other names hold dots."""
    server.separator = separator
    server.folders["Archive"] = Folder()
    session = await connect(server)
    assert await session.create_folder(folder) == made
    assert made in server.folders
    await session.logout()


async def test_addresses_are_those_that_the_operator_allows(server):
    """The connection goes to the address that was checked; a forbidden one gets none."""
    login = PasswordLogin(username=USER, password="secret")
    for allowed in (True, False):
        rules = NetworkRules(hosts=HostRules(enabled=True, loopback=allowed))
        clients = ClientCache(preset={RULES: rules})
        if allowed:
            session = await ImapSession.open("localhost", server.port, "none", login=login, clients=clients)
            await session.logout()
        else:
            connections = server.connections
            with pytest.raises(InputError) as caught:
                await ImapSession.open("localhost", server.port, "none", login=login, clients=clients)
            assert caught.value.code == "HOST_FORBIDDEN"
            assert server.connections == connections


async def test_what_is_no_host_name_is_reported():
    with pytest.raises(PermanentError) as caught:
        await ImapSession.connect("a..b", 993, "none")
    assert caught.value.code == "IMAP_NAME_NOT_RESOLVED"


async def test_a_dot_that_the_server_does_not_take_in_a_name_is_its_separator(server):
    """Dovecot's maildirs, for one, have no dots within names."""

    async def create(session, tag, arguments):
        if "." in arguments:
            session.send(f"{tag} NO [CANNOT] Character not allowed in mailbox name: '.'")
        else:
            await type(session).do_create(session, tag, arguments)

    server.answers["CREATE"] = create
    session = await connect(server)
    assert await session.create_folder("Client.Acme") == "Client/Acme"
    assert await session.create_folder("Client.Acme") == "Client/Acme", "it is found again"
    await session.logout()


@pytest.mark.parametrize("way", ["PREAUTH", "ANONYMOUS"])
async def test_no_login(server, way):
    """Where a server lets anybody in, nothing is asked, or the mechanism for nobody in particular is taken."""
    if way == "PREAUTH":
        server.greeting = "* PREAUTH welcome"
    else:
        server.capabilities += " AUTH=ANONYMOUS"
    login = NoLogin(type="none")
    session = await ImapSession.open("localhost", server.port, "none", login=login, clients=ClientCache())
    await session.select("INBOX", writable=False)
    await session.logout()
    assert any("ANONYMOUS" in command for command in server.commands) is (way == "ANONYMOUS")
    assert not any(command.startswith("LOGIN ") for command in server.commands)


async def test_no_login_where_one_is_needed(server):
    """A server that wants one is not asked for mails; the message says what to choose."""
    with pytest.raises(PermanentError) as caught:
        await ImapSession.open("localhost", server.port, "none", login=NoLogin(type="none"), clients=ClientCache())
    assert caught.value.code == "IMAP_AUTH_FAILED"
    assert "user name and password" in caught.value.message
