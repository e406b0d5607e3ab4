"""What only SFTP has: keys, and how the server is known."""

from __future__ import annotations

import asyncssh
import pytest

from zeebe_connectors.testing import Complete, Fail


async def test_the_server_must_be_known(sftp):
    for given in ({"knownHosts": ""}, {"hostKey": "fingerprint", "fingerprint": "x"}):
        fail = await sftp.fails("list", **given)
        assert (fail.code, fail.retries) == ("INVALID_INPUT", 0)
    other = asyncssh.generate_private_key("ssh-ed25519")
    line = f"[127.0.0.1]:{sftp.server.port} {other.export_public_key().decode()}"
    for given in (
        {"knownHosts": line},
        {"knownHosts": line.replace("127.0.0.1", "10.0.0.1")},
        {"hostKey": "fingerprint", "fingerprint": other.get_fingerprint()},
    ):
        fail = await sftp.fails("list", **given)
        assert (fail.code, fail.retries) == ("FILES_HOST_KEY", 0)
    assert sftp.server.signed_in == 0, "no password went out"
    await sftp.do("list", hostKey="fingerprint", fingerprint=f"{other.get_fingerprint()} {sftp.server.fingerprint}")


async def test_first_use_is_remembered(sftp, places):
    given = {"hostKey": "firstUse"}
    await sftp.do("list", **given)
    await sftp.clients.aclose()
    await sftp.do("list", **given)
    # The same place with another key: somebody in between.
    place = f"127.0.0.1:{sftp.server.port}"
    assert await sftp.memory.recall("files:host-keys", [place]) == {place: sftp.server.fingerprint}
    await sftp.memory.forget("files:host-keys", place)
    await sftp.memory.remember("files:host-keys", place, "SHA256:another")
    await sftp.clients.aclose()
    signed_in = sftp.server.signed_in
    fail = await sftp.fails("list", **given)
    assert (fail.code, fail.retries) == ("FILES_HOST_KEY", 0)
    assert sftp.server.signed_in == signed_in


@pytest.mark.parametrize("kind", ["knownHosts", "fingerprint", "firstUse"])
async def test_the_key_changes_while_sessions_are_open(sftp, places, kind):
    """The server comes back with another key: nothing is sent to it, until the operator has the new one."""
    given = {"hostKey": kind, "fingerprint": sftp.server.fingerprint}
    await sftp.do("list", **given)
    sftp.server.cut()
    sftp.server._server.close()
    await sftp.server._server.wait_closed()
    other = await places.sftp(port=sftp.server.port)
    fail = await sftp.fails("list", **given)
    assert (fail.code, fail.retries) == ("FILES_HOST_KEY", 0)
    assert other.server.fingerprint in fail.message
    assert other.server.signed_in == 0
    if kind == "firstUse":
        await sftp.memory.forget("files:host-keys", f"127.0.0.1:{sftp.server.port}")
    known = {"knownHosts": other.inputs["knownHosts"], "fingerprint": other.server.fingerprint}
    await sftp.do("list", **{**given, **known})


@pytest.mark.parametrize(
    ("offered", "used"),
    [
        ("", "aes256-gcm@openssh.com"),
        ("-aes256-gcm@openssh.com", "aes128-gcm@openssh.com"),
        ("chacha20-poly1305@openssh.com,aes256-ctr", "chacha20-poly1305@openssh.com"),
        ("aes256-ctr", "aes256-ctr"),
    ],
)
@pytest.mark.parametrize("legacy", [False, True])
async def test_the_quickest_encryption_first(places, offered, used, legacy):
    """It costs the processor two thirds of what the library's first choice does; a server need not have it."""
    place = await places.sftp(ciphers=offered)
    await place.do("write", file="x", content="x", legacyAlgorithms=legacy)
    (connection,) = place.server.connections
    assert connection.get_extra_info("recv_cipher") == used


@pytest.mark.parametrize("phrase", [None, "s3cret"])
@pytest.mark.parametrize("form", ["openssh", "pkcs8-pem"])
async def test_keys(places, phrase, form):
    key = asyncssh.generate_private_key("ssh-ed25519")
    text = key.export_private_key(form, phrase).decode()
    place = await places.sftp(key=key.convert_to_public())
    login = {"type": "key", "username": "ann", "key": text, **({"passphrase": phrase} if phrase else {})}
    await place.do("list", authentication=login)
    wrong = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    fail = await place.fails("list", authentication={"type": "key", "username": "ann", "key": wrong})
    assert (fail.code, fail.retries) == ("FILES_AUTH_FAILED", 0)
    fail = await place.fails("list", authentication={"type": "key", "username": "ann", "key": "no key"})
    assert (fail.code, fail.retries) == ("INVALID_INPUT", 0)


async def test_a_server_that_replaces_no_file_by_rename(places):
    place = await places.sftp(posix_rename=False)
    for text in ("1", "2"):
        await place.do("write", file="x", content=text)
    assert (place.home / "x").read_text() == "2"


async def test_a_server_that_speaks_no_ssh(places):
    ftp = await places.ftp()
    place = await places.sftp()
    fail = await place.fails("list", port=ftp.server.port, timeout=2, hostKey="fingerprint",
                             fingerprint=place.server.fingerprint)  # fmt: skip
    assert fail.code in {"FILES_PROTOCOL", "FILES_LOST", "FILES_TIMEOUT"}


async def test_jobs_share_one_connection(sftp):
    import asyncio  # noqa: PLC0415 - for this test alone

    for number in range(16):
        (sftp.home / f"f{number}").write_text("x")
    outcomes = await asyncio.gather(*(sftp.job("read", file=f"f{number}", readAs="text") for number in range(8)))
    assert all(isinstance(outcome, Complete) for outcome in outcomes)
    assert len(sftp.server.connections) == 1


async def test_a_provider_fills_what_belongs_to_it(home, tmp_path, sftp):
    from zeebe_connectors.connectors.files.connector import carry  # noqa: PLC0415
    from zeebe_connectors.testing import run  # noqa: PLC0415

    (home / "export").mkdir()
    password = sftp.inputs["authentication"]["password"]
    provider = {
        "protocol": "sftp",
        "environments": {
            "test": {
                "host": "127.0.0.1",
                "port": sftp.server.port,
                "authentication": {"type": "basic", "username": "ann", "password": password},
                "options": {"base": "/export", "knownHosts": sftp.server.known_hosts},
            }
        },
    }  # fmt: skip
    outcome = await run(
        carry,
        {"operation": "write", "file": "x", "content": "x"},
        headers={"provider": "erp"},
        providers={"erp": provider},
        environment="test",
        result_variable="done",
    )
    assert isinstance(outcome, Complete), outcome
    assert outcome.variables["done"]["path"] == "/export/x"
    outcome = await run(
        carry, {"operation": "list", "host": "127.0.0.2"}, headers={"provider": "erp"}, providers={"erp": provider},
        environment="test",
    )  # fmt: skip
    assert isinstance(outcome, Fail)
