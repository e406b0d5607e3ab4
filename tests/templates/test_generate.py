import pytest

from zeebe_connectors.sdk.registry import Registry, Unavailable
from zeebe_connectors.templates.__main__ import main
from zeebe_connectors.templates.generate import (
    GenerateError,
    generated_files,
    own_connectors,
    stale_files,
    write_files,
)

README = "# Project\n\n<!-- connectors -->\nold\n<!-- /connectors -->\n\nMore.\n"


def test_what_was_written_is_not_stale(order, watch, tmp_path):
    (tmp_path / "README.md").write_text(README)
    files = generated_files([order, watch], tmp_path)
    assert len(write_files(files, tmp_path)) == 13
    assert stale_files(generated_files([order, watch], tmp_path), tmp_path) == []
    assert write_files(generated_files([order, watch], tmp_path), tmp_path) == []


def test_only_the_text_between_the_markers_changes(order, tmp_path):
    (tmp_path / "README.md").write_text(README)
    write_files(generated_files([order], tmp_path), tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("# Project\n\n<!-- connectors -->\n| Connector |")
    assert text.endswith("\n<!-- /connectors -->\n\nMore.\n")
    assert "[Sample: one order](docs/connectors/sample-order.md)" in text


def test_a_changed_a_missing_and_an_orphaned_file_are_each_named(order, files, tmp_path):
    write_files(generated_files([order, files], tmp_path), tmp_path)
    (tmp_path / "element-templates/sample-order.json").write_text("{}")
    (tmp_path / "docs/connectors/sample-order.md").unlink()
    assert stale_files(generated_files([order], tmp_path), tmp_path) == [
        "element-templates/sample-order.json is out of date",
        "docs/connectors/sample-order.md is missing",
        "src/zeebe_connectors/connectors/outlines.json is out of date",
        "docs/connectors/README.md is out of date",
        "docs/connectors/sample-files.md belongs to no connector",
        "element-templates/sample-files.json belongs to no connector",
    ]


def test_a_connector_that_cannot_be_loaded_loses_no_files(order):
    registry = Registry([order])
    registry.unavailable["gone"] = Unavailable("gone", "the library x is not installed")
    with pytest.raises(GenerateError, match="gone: the library x is not installed"):
        own_connectors(registry)


def test_other_peoples_connectors_are_not_ours(order):
    assert own_connectors(Registry([order])) == []


def test_the_check_names_the_command_that_mends(tmp_path, capsys):
    assert main(["--check", "--root", str(tmp_path)]) == 1
    assert "make generate" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_after_writing_the_check_is_content(tmp_path, capsys):
    assert main(["--root", str(tmp_path)]) == 0
    assert main(["--check", "--root", str(tmp_path)]) == 0
    assert "docs/connectors/README.md" in capsys.readouterr().out
