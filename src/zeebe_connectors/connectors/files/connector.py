"""Move files between processes and FTP, FTPS and SFTP servers."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from importlib.util import find_spec
from typing import Any

from zeebe_connectors import Context, InputError, PermanentError, outbound
from zeebe_connectors.connectors.files.ftp_connect import open_ftp
from zeebe_connectors.connectors.files.given_content import Content
from zeebe_connectors.connectors.files.model import GROUPS, Done, KeyLogin, Listed, PasswordLogin, Request
from zeebe_connectors.connectors.files.operations import Task, described, iso
from zeebe_connectors.connectors.files.paths import joined, split
from zeebe_connectors.connectors.files.pool import Sessions
from zeebe_connectors.connectors.files.session import ERRORS, Login, Server, Session
from zeebe_connectors.net import custody
from zeebe_connectors.net.addresses import unbracketed
from zeebe_connectors.net.connect import checked_resolver
from zeebe_connectors.sdk.document import base64_text
from zeebe_connectors.sdk.loading import load

PORTS = {"ftp": 21, "ftpes": 21, "ftps": 990, "sftp": 22}
SHARES = {"sftp": 8}
"""Jobs that use one connection at once."""
_HOST_KEYS = "files:host-keys"


async def test(request: Request, context: Context) -> str:
    """Signs in, lists the folder and changes nothing.

    Returns a line for the operator.

    Raises:
        ConnectorError: Why the server cannot be used.
    """
    folder = joined(request.base, request.directory)
    async with _task(request, context) as task:
        found, more = await task.listing(
            folder, patterns=(), depth=1, kinds=frozenset({"file", "folder", "link", "other"}), limit=100
        )
    return f"{request.protocol} works; the folder has {'more than ' if more else ''}{len(found)} entries"


@outbound(
    "files",
    title="Files (SFTP, FTP, FTPS)",
    type="io.github.zeebe-connectors:files:1",
    groups=GROUPS,
    errors=ERRORS,
    keywords=["files", "ftp", "ftps", "ftpes", "sftp", "ssh", "upload", "download", "folder", "transfer"],
    protocols=("ftp", "ftps", "ftpes", "sftp"),
    test=test,
    test_inputs={"operation": "list"},
    result_expression="={file: response.path}",
)
async def carry(request: Request, context: Context) -> Done:
    """List, read, write, move, copy and delete files on SFTP, FTP and FTPS servers.

    A file is written under a temporary name beside its own and renamed when all of it is there: whoever looks into the
    folder sees a whole file or none, and a further try of the task starts over. Files are transferred unchanged, byte
    for byte.
    Documents go through in pieces, so that gigabytes take little memory.

    **A further try of a task does no harm**: it writes the same file under the same name (also with `number`), finds a
    file that an earlier try has moved, and appends only what an earlier try did not. The runtime's ledger remembers
    what this needs. A second delete finds nothing: `ifMissing` decides whether that is an error.

    The path is folder and file, joined by one slash. With a base folder no path leaves it: `..` is refused everywhere.
    Links on the server are followed by the server; over SFTP, one that leads out of the base folder is refused (FTP
    does not tell where a link leads). A folder is removed without following links.

    FTPS resumes the TLS session of the control connection for each file, as strict servers demand. In passive mode the
    port comes from EPSV or, if that does not answer, from PASV; active mode listens on the address that the control
    connection has. SFTP signs in by password or key; an agent and the runtime's own SSH configuration are never used.
    """
    operations: Mapping[str, Callable[[Request, Task], Awaitable[Done]]] = {
        "list": _list,
        "read": _read,
        "write": _write,
        "append": _append,
        "move": _move,
        "rename": _rename,
        "copy": _copy,
        "delete": _delete,
        "exists": _exists,
        "makeFolder": _make_folder,
        "removeFolder": _remove_folder,
    }
    _source(request)  # wrong paths are reported before anything is connected
    _target(request)
    if request.operation in {"write", "append"}:
        _content(request)
    async with _task(request, context) as task:
        if request.base.strip("/ ") and not request.links_leave_base:
            for path, itself in _touched(request):
                await task.stays_within(joined(request.base, ""), path, itself=itself)
        return await operations[request.operation](request, task)


def _source(request: Request) -> str:
    return joined(request.base, request.directory, request.file)


def _target(request: Request) -> str:
    folder, name = split(joined("", request.directory, request.file))
    directory = request.target_directory if request.target_directory.strip() else folder
    file = request.target_file if request.target_file.strip() else name
    return joined(request.base, directory, file, fields=("targetDirectory", "targetFile"))


def _touched(request: Request) -> list[tuple[str, bool]]:
    """Returns the paths of a task, each with whether the name itself counts and not the target of a link."""
    if request.operation in {"move", "rename"}:
        return [(_source(request), True), (_destination(request), True)]
    if request.operation == "copy":
        return [(_source(request), False), (_target(request), True)]
    return [(_source(request), request.operation in {"write", "delete", "removeFolder"})]


def _destination(request: Request) -> str:
    if request.operation != "rename":
        return _target(request)
    return joined(split(_source(request))[0], "", request.target_file, fields=("directory", "targetFile"))


def _content(request: Request) -> Content:
    return Content.of(request.content, kind=request.content_kind, charset=request.charset)


def _done(path: str, **more: Any) -> Done:
    return Done(path=path, name=split(path)[1], **more)


async def _list(request: Request, task: Task) -> Done:
    folder = joined(request.base, request.directory)
    kinds = {"files": {"file", "link"}, "folders": {"folder"}, "all": {"file", "folder", "link", "other"}}[request.what]
    patterns = [request.pattern] if isinstance(request.pattern, str) else request.pattern or []
    found, more = await task.listing(
        folder, patterns=patterns, depth=request.max_depth, kinds=frozenset(kinds), limit=request.max_files
    )
    found.sort(key=lambda one: (one.folder, one.entry.name))
    return _done(folder, files=[Listed(**described(one)) for one in found], more=more)


async def _read(request: Request, task: Task) -> Done:
    path = _source(request)
    name = split(path)[1]
    if request.read_as == "document":
        document = await task.read_document(path, name)
        return _done(path, document=document, size=document.size)
    data = await task.read_bytes(path, request.max_bytes)
    if request.read_as == "base64":
        return _with_content(_done(path, size=len(data)), await base64_text(data))
    try:
        return _with_content(_done(path, size=len(data)), data.decode(request.charset))
    except UnicodeDecodeError:
        raise PermanentError(
            "FILES_CONTENT_INVALID",
            f"{path}: is not text in {request.charset}; choose its charset, or read it as document or base64",
        ) from None


def _with_content(done: Done, content: str) -> Done:
    """Bypasses the model's leniency, for which empty text is none: an empty file is there and has empty text."""
    return done.model_copy(update={"content": content})


async def _write(request: Request, task: Task) -> Done:
    path = _source(request)
    if request.make_folders:
        await task.make_folders(split(path)[0])
    path, size = await task.write(path, _content(request), if_exists=request.if_exists)
    return _done(path, size=size)


async def _append(request: Request, task: Task) -> Done:
    path = _source(request)
    if request.make_folders:
        await task.make_folders(split(path)[0])
    return _done(path, size=await task.append(path, _content(request)))


async def _move(request: Request, task: Task) -> Done:
    target = _target(request)
    if request.make_folders:
        await task.make_folders(split(target)[0])
    return _done(await task.move(_source(request), target, if_exists=request.if_exists))


async def _rename(request: Request, task: Task) -> Done:
    return _done(await task.move(_source(request), _destination(request), if_exists=request.if_exists))


async def _copy(request: Request, task: Task) -> Done:
    target = _target(request)
    if request.make_folders:
        await task.make_folders(split(target)[0])
    path, size, on_server = await task.copy(_source(request), target, if_exists=request.if_exists)
    return _done(path, size=size, on_server=on_server)


async def _delete(request: Request, task: Task) -> Done:
    path = _source(request)
    return _done(path, exists=await task.delete(path, missing_ok=request.if_missing == "ignore"))


async def _exists(request: Request, task: Task) -> Done:
    path = _source(request)
    there = await task.entry(path)
    if there is None:
        return _done(path, exists=False)
    return _done(path, exists=True, kind=there.kind, size=there.size, modified=iso(there.modified))


async def _make_folder(request: Request, task: Task) -> Done:
    path = joined(request.base, request.directory)
    return _done(path, exists=not await task.make_folders(path))


async def _remove_folder(request: Request, task: Task) -> Done:
    path = joined(request.base, request.directory)
    if path == joined(request.base, ""):
        raise InputError("directory: is required for the operation removeFolder; fill it in")
    missing_ok = request.if_missing == "ignore"
    return _done(path, exists=await task.remove_folder(path, recursive=request.with_content, missing_ok=missing_ok))


def _server(request: Request) -> Server:
    login = request.authentication
    match login:
        case PasswordLogin():
            signs = Login(login.username, login.password)
        case KeyLogin():
            signs = Login(login.username, key=login.key, passphrase=login.passphrase)
        case _:
            signs = Login()
    return Server(
        protocol=request.protocol,
        host=unbracketed(request.host),
        port=request.port or PORTS[request.protocol],
        login=signs,
        trusted=request.trusted_certificate,
        active=request.active,
        encoding=request.encoding,
        host_key=request.host_key,
        known=request.known_hosts if request.host_key == "knownHosts" else request.fingerprint,
        legacy=request.legacy_algorithms,
        timeout=request.timeout,
        max_sessions=request.max_sessions,
    )


@contextlib.asynccontextmanager
async def _task(request: Request, context: Context) -> AsyncIterator[Task]:
    """Lends a session from the pool for the time of a job."""
    server = _server(request)
    custody.sending(server.host)

    pool = await context.clients.get(
        ("files", server),
        lambda: Sessions(max_sessions=server.max_sessions, shares=SHARES.get(server.protocol, 1), where=server.where),
    )

    async def signed_in() -> Session:
        resolver = await checked_resolver(server.port, context.clients)
        if server.protocol != "sftp":
            return await open_ftp(server, resolver, pool.learnt)
        return await _sftp(server, resolver, context)

    @contextlib.asynccontextmanager
    async def another() -> AsyncIterator[Session]:
        """Opens a session beside the pool's: FTP transfers one file at a time in each."""
        session = await signed_in()
        try:
            yield session
        finally:
            await session.aclose()

    async with pool.session(signed_in, seconds=context.seconds_left()) as session:
        yield Task(session, another, context, f"{server.login.username}@{server.where}", pool.naming)


def _asyncssh() -> object:
    import asyncssh  # noqa: PLC0415 - 0.2 s that only those pay who use SFTP

    return asyncssh


async def _sftp(server: Server, resolver: Any, context: Context) -> Session:
    if find_spec("asyncssh") is None:
        raise PermanentError(
            "FILES_UNAVAILABLE", "protocol: SFTP needs the extra files (pip install 'zeebe-connectors[files]')"
        )
    await load(_asyncssh)
    from zeebe_connectors.connectors.files.sftp_connect import open_sftp  # noqa: PLC0415 - only who uses SFTP

    first = ""
    if server.host_key == "firstUse":
        first = (await context.memory.recall(_HOST_KEYS, [server.where])).get(server.where, "")

    async def remember(fingerprint: str) -> str:
        known = await context.memory.remember(_HOST_KEYS, server.where, fingerprint)
        if not first:
            context.log.info("%s is known by %s from now on", server.where, fingerprint)
        return known

    return await open_sftp(server, resolver, first=first, remember=remember)
