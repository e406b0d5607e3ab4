"""Move files between processes and FTP, FTPS and SFTP servers."""

from __future__ import annotations

import codecs
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from importlib.util import find_spec
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from zeebe_connectors import (
    Context,
    Document,
    Group,
    Hint,
    InputError,
    Model,
    PermanentError,
    Secret,
    When,
    outbound,
)
from zeebe_connectors.connectors.files.ftp import open_ftp
from zeebe_connectors.connectors.files.operations import Content, Task, content_type_of, described, iso
from zeebe_connectors.connectors.files.paths import joined, split
from zeebe_connectors.connectors.files.pool import Sessions
from zeebe_connectors.connectors.files.session import ERRORS, Login, Server, Session
from zeebe_connectors.net import custody
from zeebe_connectors.net.connect import checked_resolver
from zeebe_connectors.sdk.document import base64_text

PORTS = {"ftp": 21, "ftpes": 21, "ftps": 990, "sftp": 22}
SHARES = {"sftp": 8}
"""Jobs that use one connection at once."""
_HOST_KEYS = "files:host-keys"

GROUPS = (
    Group("operation", "Operation"),
    Group("server", "Server"),
    Group("authentication", "Authentication"),
    Group("file", "File or folder"),
    Group("target", "Target"),
    Group("content", "Content"),
    Group("security", "Whom to trust", open=False),
    Group("connection", "Connection", open=False),
)
_FTP = ("ftp", "ftps", "ftpes")
_ON_FILES = ("read", "write", "append", "move", "rename", "copy", "delete", "exists")
_ON_FILE_ALONE = {"read", "write", "append", "copy", "delete"}
_TO_TARGET = ("move", "copy")


def _not_empty(secret: Secret) -> Secret:
    if not secret:
        raise ValueError("must not be empty; fill it in")
    return secret


RequiredSecret = Annotated[Secret, AfterValidator(_not_empty)]


class NoLogin(Model):
    """None: as `anonymous` on FTP."""

    type: Literal["none"] = "none"


class PasswordLogin(Model):
    """Username and password."""

    type: Literal["password"]
    username: Annotated[str, Field(min_length=1), Hint(secrets=True, example="orders")]
    """The login."""
    password: Annotated[RequiredSecret, Hint(example="{{secrets.FILES_PASSWORD}}")]
    """The password, best as a secret."""


class KeyLogin(Model):
    """A private key (SFTP)."""

    type: Literal["key"]
    username: Annotated[str, Field(min_length=1), Hint(secrets=True)]
    """The login."""
    key: Annotated[RequiredSecret, Hint(label="Private key", text=True, placeholder="{{secrets.FILES_KEY}}")]
    """The key in OpenSSH form or PEM, with its line breaks."""
    passphrase: Annotated[Secret | None, Hint(label="Passphrase of the key")] = None
    """Only for an encrypted key."""


class Request(Model):
    """What to do on which server."""

    operation: Annotated[
        Literal[
            "list",
            "read",
            "write",
            "append",
            "move",
            "rename",
            "copy",
            "delete",
            "exists",
            "makeFolder",
            "removeFolder",
        ],
        Hint(
            "operation",
            choices={
                "list": "List a folder",
                "read": "Read a file",
                "write": "Write a file",
                "append": "Append to a file",
                "move": "Move a file or folder",
                "rename": "Rename a file or folder",
                "copy": "Copy a file",
                "delete": "Delete a file",
                "exists": "Look whether something exists",
                "makeFolder": "Make a folder",
                "removeFolder": "Remove a folder",
            },
            example="list",
        ),
    ]
    """What is done."""
    protocol: Annotated[
        Literal["sftp", "ftpes", "ftps", "ftp"],
        Hint(
            "server",
            provider="protocol",
            choices={
                "sftp": "SFTP (over SSH)",
                "ftpes": "FTPES (FTP, then TLS)",
                "ftps": "FTPS (TLS from the start)",
                "ftp": "FTP (no encryption: trusted network)",
            },
            example="ftp",
        ),
    ] = "sftp"
    """What the server speaks."""
    host: Annotated[
        str,
        Field(min_length=1),
        Hint("server", provider="host", secrets="whole", placeholder="files.example.com", example="files.example.com"),
    ]
    """Name or address of the server."""
    port: Annotated[
        int | None, Field(ge=1, le=65535), Hint("server", provider="port", secrets="whole", placeholder="22")
    ] = None
    """Left empty: 22 for SFTP, 21 for FTP and FTPES, 990 for FTPS."""
    base: Annotated[
        str, Hint("server", "Base folder", secrets=True, provider="options.base", placeholder="/export/orders")
    ] = ""
    """Folder that no path of the task leaves. Left empty, paths begin at the login's home, or with a slash at the
    root."""
    authentication: Annotated[
        NoLogin | PasswordLogin | KeyLogin,
        Field(discriminator="type"),
        Hint(
            "authentication",
            "Type",
            provider="authentication",
            form_default="password",
            choices={"none": "None (anonymous FTP)", "password": "Username and password", "key": "Private key (SFTP)"},
        ),
    ] = NoLogin()
    """How to sign in."""
    directory: Annotated[str, Hint("file", "Folder", placeholder="orders/2026", example="orders")] = ""
    """Folder of the file, or the folder itself. Left empty: the base folder, or the login's home."""
    file: Annotated[
        str,
        Hint("file", "File", when=When("operation", _ON_FILES), placeholder="order-4711.csv", example="order-4711.csv"),
    ] = ""
    """Name of the file; it may have folders of its own."""
    pattern: Annotated[str | list[str] | None, Hint("file", when=When("operation", ("list",)), placeholder="*.csv")] = (
        None
    )
    """Only names that fit: `*`, `?` and `[abc]`; several as a list. With a slash it is held against the path below the
    folder, such as `2026/*.csv`."""
    what: Annotated[
        Literal["files", "folders", "all"],
        Hint("file", "What to list", when=When("operation", ("list",)), choices={"all": "Files, folders and the rest"}),
    ] = "files"
    """What the list has."""
    max_depth: Annotated[
        int, Field(ge=1, le=50), Hint("file", "Levels of folders", when=When("operation", ("list",)))
    ] = 1
    """1 is the folder itself, 2 its sub-folders too, and so on. Links are not followed."""
    max_files: Annotated[
        int, Field(ge=1, le=50_000), Hint("file", "Entries at most", when=When("operation", ("list",)))
    ] = 1000
    """The list ends there, and `more` says so."""
    target_directory: Annotated[str, Hint("target", "Folder", when=When("operation", _TO_TARGET))] = ""
    """Folder of the target; left empty, that of the source."""
    target_file: Annotated[
        str, Hint("target", "File", when=When("operation", ("move", "copy", "rename")), placeholder="order-4711.done")
    ] = ""
    """New name; left empty, that of the source."""
    if_exists: Annotated[
        Literal["overwrite", "fail", "number"],
        Hint(
            "target",
            "If the target exists",
            when=When("operation", ("write", "move", "rename", "copy")),
            choices={"overwrite": "Overwrite it", "fail": "Fail", "number": "Take the next free name: order (2).csv"},
        ),
    ] = "overwrite"
    """What happens to a file of the same name."""
    make_folders: Annotated[
        bool, Hint("target", "Make missing folders", when=When("operation", ("write", "append", "move", "copy")))
    ] = False
    """Whether folders of the target are made when they are missing."""
    content: Annotated[
        str | Document | dict[str, Any] | None,
        Field(union_mode="left_to_right"),
        Hint("content", feel="optional", text=True, when=When("operation", ("write", "append")), example="id;total"),
    ] = None
    """A document, text, or a context, which becomes JSON. Left empty: an empty file. Documents of any size go
    through in pieces."""
    content_kind: Annotated[
        Literal["text", "base64"],
        Hint(
            "content",
            "Text is",
            when=When("operation", ("write", "append")),
            choices={"text": "The content", "base64": "Base64 of the content"},
        ),
    ] = "text"
    """What content given as text means."""
    read_as: Annotated[
        Literal["document", "text", "base64"], Hint("content", "Read as", when=When("operation", ("read",)))
    ] = "document"
    """How the content arrives. A document may have gigabytes."""
    charset: Annotated[
        str, Hint("content", "Character set", when=When("operation", ("read", "write", "append")), placeholder="utf-8")
    ] = "utf-8"
    """Of text."""
    max_bytes: Annotated[
        int, Field(ge=1, le=3_000_000), Hint("content", "Bytes at most", when=When("operation", ("read",)))
    ] = 1_000_000
    """Of a file that is read as text or base64; the engine takes 4 MB in all."""
    if_missing: Annotated[
        Literal["fail", "ignore"],
        Hint(
            "target",
            "If it is not there",
            when=When("operation", ("delete", "removeFolder")),
            choices={"fail": "Fail", "ignore": "Be content"},
        ),
    ] = "fail"
    """Whether something that is gone already is an error. A task that is tried again may find it so."""
    with_content: Annotated[
        bool, Hint("target", "Remove what is in it too", when=When("operation", ("removeFolder",)))
    ] = False
    """Whether a folder that is not empty is removed with all below it."""
    host_key: Annotated[
        Literal["knownHosts", "fingerprint", "firstUse"],
        Hint(
            "security",
            "Know the server by",
            provider="options.hostKey",
            when=When("protocol", ("sftp",)),
            choices={
                "knownHosts": "known_hosts text",
                "fingerprint": "Fingerprint",
                "firstUse": "The key that it showed first",
            },
        ),
    ] = "knownHosts"
    """How an SFTP server is told from somebody in between. There is no way to accept any key every time; `firstUse`
    remembers the first one in the runtime's ledger, and trusts whoever answered then."""
    known_hosts: Annotated[
        str,
        Hint(
            "security",
            "known_hosts",
            text=True,
            secrets=True,
            provider="options.knownHosts",
            when=When("host_key", ("knownHosts",)),
            placeholder="files.example.com ssh-ed25519 AAAA...",
        ),
    ] = ""
    """Lines as in `~/.ssh/known_hosts`."""
    fingerprint: Annotated[
        str,
        Hint(
            "security",
            secrets=True,
            provider="options.fingerprint",
            when=When("host_key", ("fingerprint",)),
            placeholder="SHA256:...",
        ),
    ] = ""
    """Of the server's key, as `ssh-keygen -lf` shows it; several while the key is being changed."""
    trusted_certificate: Annotated[
        str,
        Hint(
            "security",
            text=True,
            secrets=True,
            provider="tls.trustedCertificate",
            when=When("protocol", ("ftps", "ftpes")),
            placeholder="-----BEGIN CERTIFICATE-----",
        ),
    ] = ""
    """Certificate authorities in PEM; only these are trusted then. Left empty, those of the system are."""
    active: Annotated[
        bool, Hint("connection", "Active mode", provider="options.active", when=When("protocol", _FTP))
    ] = False
    """Whether the server connects to the runtime for each file; few firewalls let it."""
    encoding: Annotated[
        str, Hint("connection", "Encoding of names", provider="options.encoding", when=When("protocol", _FTP))
    ] = ""
    """Left empty: UTF-8, or Latin-1 where the server does not speak it. An old server may want `cp1252` or `cp850`."""
    legacy_algorithms: Annotated[
        bool, Hint("connection", "Old algorithms too", provider="options.legacyAlgorithms",
                   when=When("protocol", ("sftp",)))
    ] = False  # fmt: skip
    """Whether an SFTP server may use algorithms that are no longer held secure."""
    timeout: Annotated[float, Field(gt=0, le=3600), Hint("connection", "Timeout (seconds)")] = 30.0
    """Seconds that the server may be silent; the whole never takes longer than the job."""
    max_sessions: Annotated[
        int, Field(ge=1, le=50), Hint("connection", "Sessions at most", provider="options.maxSessions")
    ] = 4
    """Sessions of one runtime with this server and login; tasks beyond wait for one."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (
            self.operation in _ON_FILES
            and self.operation not in {"exists", "move", "rename"}
            and not self.file.strip("/ ")
        ):
            raise ValueError(f"file is required for the operation {self.operation}; fill it in")
        if self.operation == "rename" and (not self.target_file.strip("/ ") or "/" in self.target_file):
            raise ValueError("targetFile must be a name without folders for the operation rename; fill it in")
        if isinstance(self.authentication, KeyLogin) and self.protocol != "sftp":
            raise ValueError("authentication.type: a private key is for SFTP; choose username and password")
        for name, text in (("charset", self.charset), ("encoding", self.encoding)):
            try:
                codecs.lookup(text or "utf-8")
            except LookupError:
                raise ValueError(f"{name} must be a character set such as utf-8 or cp1252") from None
        return self


class Listed(Model):
    """One entry of a list."""

    name: str
    """Without its folder."""
    path: str
    """As the server has it."""
    folder: str
    """Folder below the listed one; empty in the listed one itself."""
    kind: str
    """`file`, `folder`, `link` or `other`."""
    size: int | None
    """Bytes of a file, where the server says it."""
    modified: str | None
    """In UTC, where the server says it."""


class Done(Model):
    """What came of it."""

    path: str
    """The file or folder, as the server has it; with a number if it got one."""
    name: str
    """The last part of the path."""
    exists: bool | None = None
    """With `exists`: whether it is there. With `delete`, `removeFolder` and `makeFolder`: whether it was, before."""
    kind: str | None = None
    """With `exists`: `file`, `folder`, `link` or `other`."""
    size: int | None = None
    """Bytes of the file, where it is known."""
    modified: str | None = None
    """With `exists`: when it was changed, in UTC."""
    files: list[Listed] | None = None
    """With `list`: the entries."""
    more: bool | None = None
    """With `list`: whether there are more than `maxFiles`."""
    document: Document | None = None
    """With `read`: the content as a document."""
    content: str | None = None
    """With `read`: the content as text or base64."""
    on_server: bool | None = None
    """With `copy`: whether the server made the copy by itself."""


async def test(given: Request, context: Context) -> str:
    """Signs in and lists the folder; changes nothing. Gives words for the operator.

    Raises:
        ConnectorError: Why the server cannot be used.
    """
    folder = joined(given.base, given.directory)
    async with _task(given, context) as task:
        found, more = await task.listing(
            folder, patterns=(), depth=1, kinds=frozenset({"file", "folder", "link", "other"}), limit=100
        )
    return f"{given.protocol} works; the folder has {'more than ' if more else ''}{len(found)} entries"


@outbound(
    "files",
    title="Files (SFTP, FTP, FTPS)",
    type="io.github.zeebe-connectors:files:1",
    groups=GROUPS,
    errors=ERRORS,
    keywords=["files", "ftp", "ftps", "ftpes", "sftp", "ssh", "upload", "download", "folder", "transfer"],
    protocols=("ftp", "ftps", "ftpes", "sftp"),
    result_expression="={file: response.path}",
)
async def carry(given: Request, context: Context) -> Done:
    """List, read, write, move, copy and delete files on SFTP, FTP and FTPS servers.

    A file is written under a temporary name beside its own and renamed when all of it is there: who looks into the
    folder sees a whole file or none, and a further try of the task begins anew. All is transferred byte by byte.
    Documents go through in pieces, so that gigabytes take little memory.

    **A further try of a task does no harm**: it writes the same file under the same name (also with `number`), finds a
    file that an earlier try has moved, and appends only what an earlier try did not. The runtime's ledger remembers
    what is needed for that. A second delete finds nothing: `ifMissing` says whether that is an error.

    The path is folder and file, joined by one slash. With a base folder no path leaves it: `..` is refused everywhere.
    Links on the server are the server's affair.

    FTPS resumes the TLS session of the control connection for each file, as strict servers demand; active mode listens
    on the address that the control connection has. SFTP signs in by password or key; an agent and the runtime's own SSH
    configuration are never used.
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
    _source(given)  # wrong paths are told before anything is connected
    _target(given)
    if given.operation in {"write", "append"}:
        _content(given)
    async with _task(given, context) as task:
        return await operations[given.operation](given, task)


def _source(given: Request) -> str:
    return joined(given.base, given.directory, given.file)


def _target(given: Request) -> str:
    folder, name = split(joined("", given.directory, given.file))
    directory = given.target_directory if given.target_directory.strip() else folder
    file = given.target_file if given.target_file.strip() else name
    return joined(given.base, directory, file, fields=("targetDirectory", "targetFile"))


def _content(given: Request) -> Content:
    return Content.of(given.content, kind=given.content_kind, charset=given.charset)


def _done(path: str, **more: Any) -> Done:
    return Done(path=path, name=split(path)[1], **more)


async def _list(given: Request, task: Task) -> Done:
    folder = joined(given.base, given.directory)
    kinds = {"files": {"file", "link"}, "folders": {"folder"}, "all": {"file", "folder", "link", "other"}}[given.what]
    patterns = [given.pattern] if isinstance(given.pattern, str) else given.pattern or []
    found, more = await task.listing(
        folder, patterns=patterns, depth=given.max_depth, kinds=frozenset(kinds), limit=given.max_files
    )
    found.sort(key=lambda one: (one.folder, one.entry.name))
    return _done(folder, files=[Listed(**described(one)) for one in found], more=more)


async def _read(given: Request, task: Task) -> Done:
    path = _source(given)
    name = split(path)[1]
    if given.read_as == "document":
        document = await task.read_document(path, name, content_type_of(name))
        size = (document.reference.get("metadata") or {}).get("size")
        return _done(path, document=document, size=size)
    data = await task.read_bytes(path, given.max_bytes)
    if given.read_as == "base64":
        return _done(path, content=await base64_text(data), size=len(data))
    try:
        return _done(path, content=data.decode(given.charset), size=len(data))
    except UnicodeDecodeError:
        raise PermanentError(
            "FILES_CONTENT_INVALID",
            f"{path}: is no text in {given.charset}; choose its charset, or read it as document or base64",
        ) from None


async def _write(given: Request, task: Task) -> Done:
    path = _source(given)
    if given.make_folders:
        await task.make_folders(split(path)[0])
    path, size = await task.write(path, _content(given), if_exists=given.if_exists)
    return _done(path, size=size)


async def _append(given: Request, task: Task) -> Done:
    path = _source(given)
    if given.make_folders:
        await task.make_folders(split(path)[0])
    return _done(path, size=await task.append(path, _content(given)))


async def _move(given: Request, task: Task) -> Done:
    target = _target(given)
    if given.make_folders:
        await task.make_folders(split(target)[0])
    return _done(await task.move(_source(given), target, if_exists=given.if_exists))


async def _rename(given: Request, task: Task) -> Done:
    source = _source(given)
    target = joined(split(source)[0], "", given.target_file, fields=("directory", "targetFile"))
    return _done(await task.move(source, target, if_exists=given.if_exists))


async def _copy(given: Request, task: Task) -> Done:
    target = _target(given)
    if given.make_folders:
        await task.make_folders(split(target)[0])
    path, size, on_server = await task.copy(_source(given), target, if_exists=given.if_exists)
    return _done(path, size=size, on_server=on_server)


async def _delete(given: Request, task: Task) -> Done:
    path = _source(given)
    return _done(path, exists=await task.delete(path, missing_ok=given.if_missing == "ignore"))


async def _exists(given: Request, task: Task) -> Done:
    path = _source(given)
    there = await task.entry(path)
    if there is None:
        return _done(path, exists=False)
    return _done(path, exists=True, kind=there.kind, size=there.size, modified=iso(there.modified))


async def _make_folder(given: Request, task: Task) -> Done:
    path = joined(given.base, given.directory)
    return _done(path, exists=not await task.make_folders(path))


async def _remove_folder(given: Request, task: Task) -> Done:
    path = joined(given.base, given.directory)
    if path == joined(given.base, ""):
        raise InputError("directory: is required for the operation removeFolder; fill it in")
    missing_ok = given.if_missing == "ignore"
    return _done(path, exists=await task.remove_folder(path, recursive=given.with_content, missing_ok=missing_ok))


def _server(given: Request) -> Server:
    login = given.authentication
    match login:
        case PasswordLogin():
            signs = Login(login.username, login.password)
        case KeyLogin():
            signs = Login(login.username, key=login.key, passphrase=login.passphrase)
        case _:
            signs = Login()
    return Server(
        protocol=given.protocol,
        host=given.host.strip(),
        port=given.port or PORTS[given.protocol],
        login=signs,
        trusted=given.trusted_certificate,
        active=given.active,
        encoding=given.encoding,
        host_key=given.host_key,
        known=given.known_hosts if given.host_key == "knownHosts" else given.fingerprint,
        legacy=given.legacy_algorithms,
        timeout=given.timeout,
        max_sessions=given.max_sessions,
    )


@contextlib.asynccontextmanager
async def _task(given: Request, context: Context) -> AsyncIterator[Task]:
    """A session from the pool, for the time of a job."""
    server = _server(given)
    custody.sending(server.host)

    async def signed_in() -> Session:
        resolver = await checked_resolver(server.port, context.clients)
        if server.protocol != "sftp":
            return await open_ftp(server, resolver)
        return await _sftp(server, resolver, context)

    @contextlib.asynccontextmanager
    async def another() -> AsyncIterator[Session]:
        """A session beside the pool's: FTP transfers one file at a time in each."""
        session = await signed_in()
        try:
            yield session
        finally:
            await session.aclose()

    pool = await context.clients.get(
        ("files", server),
        lambda: Sessions(max_sessions=server.max_sessions, shares=SHARES.get(server.protocol, 1), where=server.where),
    )
    async with pool.session(signed_in, seconds=context.seconds_left()) as session:
        yield Task(session, another, context, f"{server.login.username}@{server.where}")


async def _sftp(server: Server, resolver: Any, context: Context) -> Session:
    if find_spec("asyncssh") is None:
        raise PermanentError(
            "FILES_UNAVAILABLE", "protocol: SFTP needs the extra files (pip install 'zeebe-connectors[files]')"
        )
    from zeebe_connectors.connectors.files.sftp import open_sftp  # noqa: PLC0415 - only who uses SFTP

    first = ""
    if server.host_key == "firstUse":
        first = (await context.memory.recall(_HOST_KEYS, [server.where])).get(server.where, "")

    async def remember(fingerprint: str) -> str:
        known = await context.memory.remember(_HOST_KEYS, server.where, fingerprint)
        if not first:
            context.log.info("%s is known by %s from now on", server.where, fingerprint)
        return known

    return await open_sftp(server, resolver, first=first, remember=remember)
