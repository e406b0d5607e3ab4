"""A released template's version holds one content: what a diagram depends on cannot change under it."""

from __future__ import annotations

import copy
import dataclasses

import pytest

from zeebe_connectors import __version__
from zeebe_connectors.sdk.registry import Registry
from zeebe_connectors.templates import __main__ as command
from zeebe_connectors.templates.element_template import templates_of
from zeebe_connectors.templates.released import changed_after_release, digest, not_recorded, record


@pytest.fixture
def template(order):
    return templates_of(order)["sample-order"]


def changed(template, **keys):
    return {**copy.deepcopy(template), **keys}


def test_before_the_release_everything_may_change(template, tmp_path):
    assert changed_after_release({"a": template}, tmp_path) == []
    assert not_recorded([template], tmp_path) == []


def test_after_it_a_change_needs_a_new_version(template, tmp_path):
    assert record([template], tmp_path) == [f"{template['id']} 1"]
    assert record([template], tmp_path) == []
    assert changed_after_release({"a": template}, tmp_path) == []
    other = changed(template, appliesTo=["bpmn:ServiceTask"])
    (problem,) = changed_after_release({"element-templates/a.json": other}, tmp_path)
    assert problem.startswith("element-templates/a.json: version 1 is released and the template has changed")
    assert "template_version=2" in problem
    assert changed_after_release({"a": changed(other, version=2)}, tmp_path) == []


def test_a_version_never_falls(template, tmp_path):
    record([changed(template, version=2)], tmp_path)
    assert "template_version=3" in changed_after_release({"a": template}, tmp_path)[0]


def test_recording_again_does_not_hide_a_change(template, tmp_path):
    record([template], tmp_path)
    other = changed(template, appliesTo=["bpmn:ServiceTask"])
    record([other], tmp_path)
    assert changed_after_release({"a": other}, tmp_path)


@pytest.mark.parametrize(
    ("place", "key", "matters"),
    [
        ("template", "description", False),
        ("template", "keywords", False),
        ("template", "engines", True),
        ("property", "label", False),
        ("property", "tooltip", False),
        ("property", "value", True),
        ("property", "type", True),
        ("binding", "name", True),
        ("choice", "name", False),
        ("choice", "value", True),
    ],
)
def test_words_and_looks_may_change(template, place, key, matters):
    other = copy.deepcopy(template)
    choosing = next(one for one in other["properties"] if "choices" in one)
    named = next(one for one in other["properties"] if "name" in one["binding"])
    where = {
        "template": other,
        "property": choosing,
        "binding": named["binding"],
        "choice": choosing["choices"][0],
    }[place]
    where[key] = "something else"
    assert (digest(other) != digest(template)) == matters


def test_a_release_that_is_announced_must_be_recorded(template, tmp_path):
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n## {__version__} - 2026-01-01\n")
    (problem,) = not_recorded([template], tmp_path)
    assert "make released" in problem
    record([template], tmp_path)
    assert not_recorded([template], tmp_path) == []


def test_both_commands_refuse_a_changed_template(monkeypatch, tmp_path, capsys):
    """Neither is the file written nor the check content; the message names the remedy."""
    assert command.main(["--root", str(tmp_path)]) == 0
    assert command.main(["--root", str(tmp_path), "--release"]) == 0
    assert command.main(["--root", str(tmp_path), "--check"]) == 0
    before = (tmp_path / "element-templates/rest.json").read_text()
    installed = Registry.installed()
    changed = dataclasses.replace(installed.outbound["rest"], result_expression="={other: 1}")
    installed.outbound.add("rest", changed)
    monkeypatch.setattr(command.Registry, "installed", lambda: installed)
    capsys.readouterr()
    for options in ([], ["--check"], ["--release"]):
        assert command.main(["--root", str(tmp_path), *options]) == 1
        assert "rest.json: version 1 is released" in capsys.readouterr().err
    assert (tmp_path / "element-templates/rest.json").read_text() == before
