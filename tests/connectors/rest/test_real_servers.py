"""Against servers that others wrote, where they are installed: Apache's digest, nginx's client certificates, squid."""

import asyncio
import contextlib
import hashlib
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
import trustme

pytestmark = pytest.mark.slow


def program(name):
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    return pytest.mark.skipif(found is None, reason=f"{name} is not installed (Debian package of that name)"), found


needs_apache, APACHE = program("apache2")
needs_nginx, NGINX = program("nginx")
needs_squid, SQUID = program("squid")
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture
def folder():
    """A folder that the servers' own users can read and write, wherever they run."""
    path = Path(tempfile.mkdtemp(prefix="servers-"))
    path.chmod(0o777)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.asynccontextmanager
async def running(*command, port, log):
    """Runs a server in the foreground until the block ends; its log is shown if it does not come up."""
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(*command, stdout=out, stderr=out)
        try:
            for _ in range(200):
                assert process.returncode is None, log.read_text()
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                await asyncio.sleep(0.05)
            else:
                raise AssertionError(log.read_text())
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                async with asyncio.timeout(10):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


@needs_apache
@pytest.mark.parametrize("sent", ["GET", "POST"])
async def test_apache_digest(rest, folder, sent):
    """Apache lets the right password in, again after its nonce has ended, and the wrong one out."""
    port = free_port()
    modules = "/usr/lib/apache2/modules"
    loaded = ["mpm_event", "authn_core", "authn_file", "authz_core", "authz_user", "auth_digest"]
    (folder / "users").write_text("alice:test:" + hashlib.md5(b"alice:test:s3cret").hexdigest() + "\n")
    (folder / "page").write_text('{"in": true}')
    (folder / "httpd.conf").write_text(
        "\n".join(
            [
                f"ServerRoot {folder}",
                "ServerName localhost",
                f"Listen 127.0.0.1:{port}",
                f"PidFile {folder}/pid",
                f"ErrorLog {folder}/error.log",
                f"Mutex file:{folder}",
                *(f"LoadModule {name}_module {modules}/mod_{name}.so" for name in loaded),
                *(["User www-data", "Group www-data"] if IS_ROOT else []),
                f"DocumentRoot {folder}",
                f"<Directory {folder}>",
                "AuthType Digest\nAuthName test\nAuthDigestProvider file",
                f"AuthUserFile {folder}/users",
                "AuthDigestNonceLifetime 1\nRequire valid-user",
                "</Directory>",
            ]
        )
    )
    for path in folder.iterdir():
        path.chmod(0o644)
    scheme = {"type": "digest", "username": "alice", "password": "s3cret"}
    url = f"http://127.0.0.1:{port}/page?x=%2F&y=ü"
    async with running(APACHE, "-f", str(folder / "httpd.conf"), "-DFOREGROUND", port=port, log=folder / "out"):
        assert (await rest(url, method=sent, body="x", authentication=scheme))["body"] == {"in": True}
        assert (await rest(url, method=sent, body="x", authentication=scheme))["status"] == 200
        await asyncio.sleep(2.1)
        assert (await rest(url, method=sent, body="x", authentication=scheme))["status"] == 200
        error = await rest.error(url, method=sent, authentication=scheme | {"password": "wrong"})
        assert error.code == "401"


@needs_nginx
async def test_nginx_client_certificate(rest, folder):
    """Nginx sees the client certificate's subject; without one it answers 400."""
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1")
    client = authority.issue_cert("worker@example.com", common_name="worker")
    port = free_port()
    server.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    scratch = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(f"""
        {"user root;" if IS_ROOT else ""}
        daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
        events {{ worker_connections 64; }}
        http {{ access_log off; {scratch}
          server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {folder}/server.pem;
            ssl_certificate_key {folder}/server.pem; ssl_client_certificate {folder}/ca.pem; ssl_verify_client on;
            location / {{ default_type text/plain; return 200 "$ssl_client_s_dn"; }} }} }}
    """)
    trusted = {"trustedCertificate": authority.cert_pem.bytes().decode()}
    own = trusted | {
        "clientCertificate": client.cert_chain_pems[0].bytes().decode(),
        "clientPrivateKey": client.private_key_pem.bytes().decode(),
    }
    url = f"https://127.0.0.1:{port}/"
    command = (NGINX, "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf"))
    async with running(*command, port=port, log=folder / "out"):
        assert "CN=worker" in (await rest(url, clientTls=own))["body"]
        error = await rest.error(url, clientTls=trusted)
        assert error.code == "400"
        assert "certificate" in error.variables["response"]["body"]


@needs_squid
async def test_squid(rest, server, folder, monkeypatch):
    """Squid forwards plain requests with its password, keeps the password to itself, and refuses a wrong one."""
    port = free_port()
    helper = "/usr/lib/squid/basic_ncsa_auth"
    (folder / "users").write_text(f"alice:{_crypted('s3cret')}\n")
    (folder / "users").chmod(0o644)
    (folder / "squid.conf").write_text(
        "\n".join(
            [
                f"http_port 127.0.0.1:{port}",
                "pid_filename none",
                "access_log none",
                f"cache_log {folder}/cache.log",
                f"coredump_dir {folder}",
                "cache deny all",
                "cache_mem 8 MB",
                f"auth_param basic program {helper} {folder}/users",
                "acl known proxy_auth REQUIRED",
                "http_access allow known",
                "http_access deny all",
                "shutdown_lifetime 0 seconds",
                "icp_port 0",
                "max_filedescriptors 1024",
            ]
        )
    )
    async with running(SQUID, "-N", "-f", str(folder / "squid.conf"), port=port, log=folder / "out"):
        for name, value in {"HOST": "127.0.0.1", "PORT": str(port), "USER": "alice", "PASSWORD": "s3cret"}.items():
            monkeypatch.setenv(f"CONNECTOR_HTTP_PROXY_{name}", value)
        server.answer("*", lambda seen: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        assert (await rest(server.url("/x?y=%2F"), method="POST", body={"a": 1}))["body"] == {}
        assert server.last.json == {"a": 1}
        assert server.last.target == "/x?y=%2F"
        assert server.last.header("Via")
        assert not server.last.all("Proxy-Authorization")
        await rest.clients.aclose()
        monkeypatch.setenv("CONNECTOR_HTTP_PROXY_PASSWORD", "wrong")
        assert (await rest.error(server.url("/x"))).code == "407"


def _crypted(password):
    """The password as Apache's MD5 variant, which squid's helper reads."""
    command = ["openssl", "passwd", "-apr1", password]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
