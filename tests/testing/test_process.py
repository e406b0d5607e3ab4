"""Processes and ports: a process is told from a later one with its id, and ends with all its children."""

import os
import signal
import socket
import sys
import time

import pytest

from zeebe_connectors.testing.process import Identity, Process, end, free_ports, is_free, resident_memory, tail

STUBBORN = "trap '' TERM; echo up; while :; do sleep 1; done"


@pytest.fixture
def spawn(tmp_path):
    """Start shells instead of servers: what this module does is the same for any program."""
    running = []

    def start(script):
        process = Process(["/bin/sh", "-c", script], directory=tmp_path, output=tmp_path / "out")
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()


def wait_for_output(path, text):
    deadline = time.monotonic() + 30
    while text not in tail(path) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert text in tail(path)


def test_identity_is_more_than_an_id(spawn):
    """The same id with another start time is another process, which gets no signal."""
    process = spawn("sleep 60")
    assert process.identity.alive
    other = Identity(process.pid, "another time")
    assert not other.alive
    other.signal_group(signal.SIGKILL)
    assert process.exit_code is None
    process.kill()
    assert process.exit_code == -signal.SIGKILL
    assert not process.identity.alive


async def test_stubborn_process_is_killed_after_the_grace(spawn, tmp_path):
    """A program that ignores the request to end is ended all the same."""
    process = spawn(STUBBORN)
    wait_for_output(tmp_path / "out", "up")
    await process.stop(grace=0.2)
    assert process.exit_code == -signal.SIGKILL


def test_children_end_too(spawn, tmp_path):
    """The whole group is ended, not the first process alone."""
    process = spawn("sleep 60 & echo child $!; wait")
    wait_for_output(tmp_path / "out", "child ")
    child = int(tail(tmp_path / "out").split()[1])
    end(process.identity, grace=10)
    deadline = time.monotonic() + 30
    while resident_memory(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not resident_memory(child)  # none, or a zombie's nothing


def test_free_ports_differ_and_can_be_listened_on():
    """All are different, none is taken, and one that is taken is told."""
    ports = free_ports(20)
    assert len(set(ports)) == 20
    with socket.create_server(("127.0.0.1", ports[0])):
        assert not is_free(ports[0])
        assert is_free(ports[1])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", ports[0]))
        assert not is_free(ports[0])


def test_own_memory_is_measured():
    """A Python process takes some megabytes."""
    assert 5e6 < resident_memory(os.getpid()) < 5e9


def test_tail_of_nothing(tmp_path):
    """A log that is not there is empty; one that is gives its last lines."""
    assert tail(tmp_path / "none") == ""
    (tmp_path / "log").write_text("\n".join(str(number) for number in range(100)))
    assert tail(tmp_path / "log", 2) == "98\n99"


def test_guard_ends_with_the_process_it_guards(spawn):
    """Nothing of the guard stays once its process was ended."""
    process = spawn("sleep 60")
    guard = process._guard
    assert guard.poll() is None
    process.kill()
    assert guard.poll() is not None


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_process_takes_its_own_group(spawn):
    """A signal to the group of this process does not reach it."""
    assert os.getpgid(spawn("sleep 60").pid) != os.getpgid(0)


def test_started_program_cannot_read_from_the_terminal(spawn):
    """Standard input is empty, so that a program that asks ends instead of waiting for ever."""
    process = spawn("read -r line || exit 7")
    deadline = time.monotonic() + 30
    while process.exit_code is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.exit_code == 7
