"""The connectors on the page and in the API: what is there, its form, and templates that are those of the project."""

import io
import json
import re
import zipfile
from pathlib import Path

from zeebe_connectors import Context, Model, outbound
from zeebe_connectors.templates.preview import preview

TEMPLATES = Path(__file__).parents[3] / "element-templates"
EVERY_PAGE = ("", "/inputs", "/errors")


class Nothing(Model):
    """Nothing."""

    note: str = "x"


@outbound("long", title="L" * 10_000, type="example:long:1", template=False)
async def long(given: Nothing, context: Context) -> None:
    """Does nothing, in very <b>bold</b> words."""


async def test_the_list_has_tasks_and_events_and_is_searched(start):
    page = await start()
    text = await page.viewer.get("/connectors")
    assert text.index("REST: call a service") < text.index("Mailbox (IMAP)")
    assert "All templates" in text
    found = await page.viewer.get("/connectors?q=soap+service")
    assert '"/connectors/soap"' in found
    assert "/connectors/rest" not in found
    assert "No connector fits" in await page.viewer.get("/connectors?q=there-is-none")
    events = await page.viewer.get("/connectors?kind=event")
    assert "/connectors/imap" in events
    assert "/connectors/rest" not in events


async def test_the_form_shows_what_the_choices_let_through(start):
    page = await start()
    begins = await page.viewer.get("/connectors/rest")
    assert "The token, without" not in begins
    chosen = await page.viewer.get("/connectors/rest?authentication.type=bearer")
    assert re.search(r'class="label">Bearer token', chosen)
    assert '<option value="bearer" selected>' in chosen
    nonsense = await page.viewer.get("/connectors/rest?authentication.type=there-is-none&nobody=1")
    assert '<option value="noAuth" selected>' in nonsense
    by_provider = await page.viewer.get("/connectors/rest?connection=provider")
    assert "Name of the provider" in by_provider
    start_event = await page.viewer.get("/connectors/imap?template=imap-message-start")
    assert "Message Start Event" in start_event


async def test_every_field_of_every_template_is_drawn_where_its_conditions_hold():
    for file in sorted(TEMPLATES.glob("*.json")):
        template = json.loads(file.read_text())
        shown = {field.label for group in preview(template) for field in group.fields}
        unconditional = {
            item["label"] for item in template["properties"] if item["type"] != "Hidden" and "condition" not in item
        }
        assert unconditional <= shown, file.name
        for item in template["properties"]:
            for choice in item.get("choices", ()):
                held = {
                    field.id: field.value
                    for group in preview(template, {item["id"]: choice["value"]})
                    for field in group.fields
                }
                assert held.get(item["id"], choice["value"]) == choice["value"], file.name


async def test_inputs_and_error_codes_are_those_of_the_model(start):
    page = await start()
    assert "X-Api-Key" not in await page.viewer.get("/connectors/rest/inputs")
    inputs = await page.viewer.get("/connectors/rest/inputs")
    assert "authentication.token" in inputs
    assert "Shown when" in inputs
    assert "Starts with off." in inputs
    assert ">False<" not in inputs
    shown = await page.viewer.call("GET", "/connectors/rest")
    errors = await page.viewer.get("/connectors/rest/errors")
    assert shown["errors"]
    for item in shown["errors"]:
        assert f">{item['code']}<" in errors
    names = {one["name"] for group in shown["groups"] for one in group["inputs"]}
    assert {"url", "method", "authentication.type"} <= names


async def test_the_archive_holds_the_files_of_the_project(start):
    page = await start(("rest", "imap"))
    async with page.viewer.session.get("/connectors/templates.zip") as answer:
        assert answer.headers["Content-Disposition"].startswith("attachment")
        archive = zipfile.ZipFile(io.BytesIO(await answer.read()))
    wanted = [TEMPLATES / "rest.json", *TEMPLATES.glob("imap-*.json")]
    assert sorted(archive.namelist()) == sorted(file.name for file in wanted)
    for file in wanted:
        assert archive.read(file.name) == file.read_bytes()
    one = await page.viewer.get("/connectors/rest/template.json")
    assert one.encode() == (TEMPLATES / "rest.json").read_bytes()
    event = await page.viewer.get("/connectors/imap/template.json?template=imap-boundary")
    assert event.encode() == (TEMPLATES / "imap-boundary.json").read_bytes()
    headers = {"Authorization": "Bearer token-of-the-viewer-4713"}
    async with page.viewer.session.get("/api/templates.zip?name=rest", headers=headers) as answer:
        assert zipfile.ZipFile(io.BytesIO(await answer.read())).namelist() == ["rest.json"]


async def test_one_that_is_off_says_which_setting_and_is_not_in_the_archive(start):
    page = await start(("rest", "imap"), CONNECTOR_OUTBOUND_DISABLED="rest")
    listed = await page.viewer.get("/connectors")
    assert "Off here" in listed
    assert "CONNECTOR_OUTBOUND_DISABLED" in await page.viewer.get("/connectors/rest")
    shown = {one["name"]: one["state"] for one in (await page.viewer.call("GET", "/connectors"))["connectors"]}
    assert shown == {"rest": "off", "imap": "on"}
    async with page.viewer.session.get("/connectors/templates.zip") as answer:
        assert "rest.json" not in zipfile.ZipFile(io.BytesIO(await answer.read())).namelist()


async def test_one_without_template_and_with_a_very_long_name_is_shown(start):
    page = await start([long])
    for part in ("", *EVERY_PAGE):
        text = await page.viewer.get(f"/connectors/long{part}")
        assert "<b>bold</b>" not in text
    assert "It has no template" in await page.viewer.get("/connectors/long")
    assert await page.viewer.get("/connectors/long/template.json", status=404)


async def test_what_is_missing_is_named(start):
    page = await start(("rest",))
    for part in (*EVERY_PAGE, "/template.json", "/icon.svg"):
        await page.viewer.get(f"/connectors/nobody{part}", status=404)
    await page.viewer.call("GET", "/connectors/nobody", status=404)
    assert "<svg" in await page.viewer.get("/connectors/rest/icon.svg")
