from pathlib import Path

import pytest
from typer.testing import CliRunner

from zeebe_connectors.cli.template import app, modeler_directory

ROOT = Path(__file__).parent.parent.parent
COMMITTED = ROOT / "element-templates"


def call(*arguments):
    return CliRunner().invoke(app, list(arguments))


def test_list_names_every_template_with_its_version():
    result = call("list")
    assert result.exit_code == 0
    assert {line.split()[0] for line in result.output.splitlines()} == {file.stem for file in COMMITTED.glob("*.json")}


def test_show_prints_what_is_committed():
    assert call("show", "rest").output == (COMMITTED / "rest.json").read_text(encoding="utf-8")


def test_write_makes_one_file_each(tmp_path):
    result = call("write", str(tmp_path / "new"))
    assert result.exit_code == 0
    made = {file.name: file.read_text(encoding="utf-8") for file in (tmp_path / "new").iterdir()}
    assert made == {file.name: file.read_text(encoding="utf-8") for file in COMMITTED.glob("*.json")}


def test_write_takes_names(tmp_path):
    assert call("write", str(tmp_path), "rest", "smtp").exit_code == 0
    assert sorted(file.name for file in tmp_path.iterdir()) == ["rest.json", "smtp.json"]


def test_install_puts_them_where_the_modeler_looks(tmp_path):
    result = call("install", "imap", "--directory", str(tmp_path))
    assert result.exit_code == 0
    assert len(list((tmp_path / "resources" / "element-templates").glob("imap-*.json"))) == 5


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {}, "/home/ann/.config/camunda-modeler"),
        ("linux", {"XDG_CONFIG_HOME": "/config"}, "/config/camunda-modeler"),
        ("darwin", {}, "/home/ann/Library/Application Support/camunda-modeler"),
        ("win32", {"APPDATA": "/roaming"}, "/roaming/camunda-modeler"),
        ("win32", {}, "/home/ann/AppData/Roaming/camunda-modeler"),
    ],
)
def test_the_modelers_directory_of_each_system(platform, environment, expected):
    assert modeler_directory(platform, environment, Path("/home/ann")) == Path(expected)


def test_page_prints_the_reference():
    assert call("page", "smtp").output.startswith("# Mail: send (SMTP)\n")


def test_diagram_is_filled_with_examples():
    text = call("diagram", "rest").output
    assert '<zeebe:input source="https://api.example.com/orders" target="url" />' in text
    assert 'zeebe:modelerTemplate="io.github.zeebe-connectors.rest.v1"' in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "nothing"), "there is no connector 'nothing'"),
        (("diagram", "imap"), "draw its event in the Modeler"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_reason(arguments, message):
    result = call(*arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())
