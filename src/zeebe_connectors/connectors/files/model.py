"""Describe inputs and result of a task on files: the form's fields."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from zeebe_connectors import Document, Group, Hint, Model, Secret, When
from zeebe_connectors.sdk.fields import RequiredSecret

GROUPS = (
    Group("operation", "Operation"),
    Group("server", "Server"),
    Group("authentication", "Authentication"),
    Group("file", "File or folder"),
    Group("target", "Target"),
    Group("content", "Content"),
    Group("security", "Trust", open=False),
    Group("connection", "Connection details", open=False),
)
_FTP = ("ftp", "ftps", "ftpes")
_ON_FILES = ("read", "write", "append", "move", "rename", "copy", "delete", "exists")
_ON_FILE_ALONE = {"read", "write", "append", "copy", "delete"}
_TO_TARGET = ("move", "copy")
_PLAIN = "AZaz09 /.-"


class NoLogin(Model):
    """None; on FTP, `anonymous`."""

    type: Literal["none"] = "none"


class PasswordLogin(Model):
    """Username and password."""

    type: Literal["password"]
    username: Annotated[str, Field(min_length=1), Hint(secrets=True, example="orders")]
    """The login."""
    password: Annotated[RequiredSecret, Hint(example="{{secrets.FILES_PASSWORD}}")]
    """The password, preferably as a secret."""


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
                "exists": "Check whether something exists",
                "makeFolder": "Make a folder",
                "removeFolder": "Remove a folder",
            },
            example="list",
        ),
    ]
    """The operation to carry out."""
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
    """If empty, 22 for SFTP, 21 for FTP and FTPES, 990 for FTPS."""
    base: Annotated[
        str, Hint("server", "Base folder", secrets=True, provider="options.base", placeholder="/export/orders")
    ] = ""
    """Folder that no path of the task can leave. If empty, paths start at the login's home, or at the root if they
    begin with a slash."""
    links_leave_base: Annotated[
        bool,
        Hint("security", "Links may leave the base", provider="options.linksLeaveBase",
             when=When("protocol", ("sftp",))),
    ] = False  # fmt: skip
    """Whether a link on an SFTP server may lead out of the base folder. FTP does not tell where a link leads."""
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
    """Folder of the file, or the folder itself. If empty, the base folder, or the login's home."""
    file: Annotated[
        str,
        Hint("file", "File", when=When("operation", _ON_FILES), placeholder="order-4711.csv", example="order-4711.csv"),
    ] = ""
    """Name of the file; it may include folders."""
    pattern: Annotated[str | list[str] | None, Hint("file", when=When("operation", ("list",)), placeholder="*.csv")] = (
        None
    )
    """Only matching names: `*`, `?` and `[abc]` are wildcards; give several patterns as a list. A pattern with a slash
    is matched against the path below the folder, such as `2026/*.csv`."""
    what: Annotated[
        Literal["files", "folders", "all"],
        Hint("file", "What to list", when=When("operation", ("list",)), choices={"all": "Files, folders and the rest"}),
    ] = "files"
    """What the list contains."""
    max_depth: Annotated[
        int, Field(ge=1, le=50), Hint("file", "Levels of folders", when=When("operation", ("list",)))
    ] = 1
    """1 lists the folder itself, 2 its sub-folders too, and so on. Links are not followed."""
    max_files: Annotated[
        int, Field(ge=1, le=50_000), Hint("file", "Maximum entries", when=When("operation", ("list",)))
    ] = 1000
    """The list ends there, and `more` is true."""
    target_directory: Annotated[str, Hint("target", "Folder", when=When("operation", _TO_TARGET))] = ""
    """Folder of the target; if empty, that of the source."""
    target_file: Annotated[
        str, Hint("target", "File", when=When("operation", ("move", "copy", "rename")), placeholder="order-4711.done")
    ] = ""
    """New name; if empty, that of the source."""
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
    """Whether to create missing folders of the target."""
    content: Annotated[
        str | Document | dict[str, Any] | None,
        Field(union_mode="left_to_right"),
        Hint("content", feel="optional", text=True, when=When("operation", ("write", "append")), example="id;total"),
    ] = None
    """A document, text, or a context, which becomes JSON. If empty, an empty file. Documents of any size are
    transferred in pieces."""
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
        int, Field(ge=1, le=3_000_000), Hint("content", "Maximum size (bytes)", when=When("operation", ("read",)))
    ] = 1_000_000
    """Of a file that is read as text or base64; a job returns 1.5 MiB at most."""
    if_missing: Annotated[
        Literal["fail", "ignore"],
        Hint(
            "target",
            "If it is not there",
            when=When("operation", ("delete", "removeFolder")),
            choices={"fail": "Fail", "ignore": "Be content"},
        ),
    ] = "fail"
    """Whether something that is already gone is an error. A task that is tried again may find it gone."""
    with_content: Annotated[
        bool, Hint("target", "Also remove its contents", when=When("operation", ("removeFolder",)))
    ] = False
    """Whether a folder that is not empty is removed with everything below it."""
    host_key: Annotated[
        Literal["knownHosts", "fingerprint", "firstUse"],
        Hint(
            "security",
            "Identify the server by",
            provider="options.hostKey",
            when=When("protocol", ("sftp",)),
            choices={
                "knownHosts": "known_hosts text",
                "fingerprint": "Fingerprint",
                "firstUse": "The key that it showed first",
            },
        ),
    ] = "knownHosts"
    """How an SFTP server proves its identity. No option accepts any key every time; `firstUse` remembers the first one
    in the runtime's ledger, and so trusts whoever answered then."""
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
    """Of the server's key, as `ssh-keygen -lf` shows it; give several while the key is being replaced."""
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
    """Certificate authorities in PEM; then only these are trusted. If empty, the system's are."""
    active: Annotated[
        bool, Hint("connection", "Active mode", provider="options.active", when=When("protocol", _FTP))
    ] = False
    """Whether the server connects to the runtime for each file; few firewalls allow it."""
    encoding: Annotated[str, Hint("connection", "Encoding of names", provider="options.encoding")] = ""
    """If empty, UTF-8, or Latin-1 where an FTP server does not support it. An old server may need `cp1252` or `cp850`.
    A byte outside the encoding is listed as a private character (U+F780 to U+F7FF) and is understood in paths."""
    legacy_algorithms: Annotated[
        bool, Hint("connection", "Allow old algorithms", provider="options.legacyAlgorithms",
                   when=When("protocol", ("sftp",)))
    ] = False  # fmt: skip
    """Whether an SFTP server may use algorithms that are no longer considered secure."""
    timeout: Annotated[float, Field(gt=0, le=3600), Hint("connection", "Timeout (seconds)")] = 30.0
    """Seconds for which the server may be silent; in all, it never takes longer than the job."""
    max_sessions: Annotated[
        int, Field(ge=1, le=50), Hint("connection", "Maximum sessions", provider="options.maxSessions")
    ] = 4
    """Connections of one runtime to this server with this login; further tasks wait for a free one."""

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
                plain = _PLAIN.encode(text or "utf-8")
            except (LookupError, UnicodeError):
                raise ValueError(f"{name} must be a character set such as utf-8 or cp1252") from None
            if name == "encoding" and plain != _PLAIN.encode():
                raise ValueError(
                    "encoding must be one that has ASCII in it, such as utf-8 or cp1252; FTP's commands are"
                )
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
