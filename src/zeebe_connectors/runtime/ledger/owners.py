"""Name this process in leases, so that others on the machine can see when it has ended."""

from __future__ import annotations

import os
import socket
import uuid
from pathlib import Path

_OWN: set[str] = set()


def owner_name() -> str:
    """Returns this runtime's name in leases, from which others on the machine can see when its process has ended."""
    name = f"{socket.gethostname()}|{_process_space()}|{os.getpid()}|{uuid.uuid4().hex[:8]}"
    _OWN.add(name)
    return name


def is_gone(owner: str) -> bool:
    """Returns whether an owner's process has certainly ended, so that its lease can be taken at once."""
    host, _, rest = owner.partition("|")
    space, _, rest = rest.partition("|")
    pid = rest.partition("|")[0]
    if host != socket.gethostname() or not space or space != _process_space() or not pid.isdigit():
        return False
    if int(pid) == os.getpid():
        return owner not in _OWN
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:  # the process belongs to another user, so it exists
        return False
    return False


def _process_space() -> str:
    """Returns the namespace of process ids (containers have their own), or empty where the system does not reveal it.

    Two machines may have the same name and number their first namespace alike; the boot id distinguishes them.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{Path('/proc/self/ns/pid').readlink().name}@{boot}"
    except OSError:
        return ""
