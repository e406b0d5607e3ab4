"""The connector as the runtime runs it, on a folder of the test's own."""

from pathlib import Path

import pytest

from folder_watch.connector import watch as folder_watch
from zeebe_connectors import ConnectorError
from zeebe_connectors.testing import check, watch


async def test_each_file_is_handed_over_once_and_moved_away(tmp_path: Path) -> None:
    """Files that are there already, and one that arrives later."""
    (tmp_path / "a.csv").write_text("12")
    (tmp_path / "notes.txt").write_text("not a csv")
    settings = {"folder": str(tmp_path), "pattern": "*.csv", "interval": "0.1"}
    async with watch(folder_watch, settings, files=[tmp_path]) as watching:
        first = await watching.next()
        assert (first.data["name"], first.data["size"]) == ("a.csv", 2)
        (tmp_path / "b.csv").write_text("3")
        assert (await watching.next()).data["name"] == "b.csv"
        await watching.none()
    assert sorted(path.name for path in (tmp_path / "processed").iterdir()) == ["a.csv", "b.csv"]
    assert (tmp_path / "notes.txt").exists()


async def test_a_file_that_no_process_took_stays(tmp_path: Path) -> None:
    """It is moved by the event's own `done`, which may be called twice."""
    (tmp_path / "a.csv").write_text("1")
    settings = {"folder": str(tmp_path), "interval": "0.1"}
    async with watch(folder_watch, settings, files=[tmp_path], acknowledge=False) as watching:
        event = await watching.next()
        await watching.none()
        assert (tmp_path / "a.csv").exists()
        await event.done()
        await event.done()
    assert (tmp_path / "processed" / "a.csv").exists()


@pytest.mark.parametrize(("folder", "code"), [("missing", "FOLDER_WATCH_MISSING"), ("../elsewhere", "FILE_FORBIDDEN")])
async def test_a_wrong_folder_is_named(tmp_path: Path, folder: str, code: str) -> None:
    """The source's error says what to do."""
    async with watch(folder_watch, {"folder": folder}, files=[tmp_path]) as watching:
        with pytest.raises(ConnectorError, match="folder: ") as raised:
            await watching.next()
    assert raised.value.code == code


async def test_it_keeps_the_rules() -> None:
    """Names, groups, defaults and texts."""
    assert await check(folder_watch) == []
