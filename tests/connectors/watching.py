"""What tests of sources have in common: a world that begins again soon and ends well, and how its sources are."""

import contextlib

from zeebe_connectors.runtime.inbound import sources as sources_module


@contextlib.asynccontextmanager
async def running(world, monkeypatch, *, permanent=None):
    """A world whose sources begin again soon; after what somebody has to mend, within `permanent` seconds if given."""
    monkeypatch.setattr(sources_module, "_MIN_PAUSE", 0.05)
    if permanent is not None:
        monkeypatch.setattr(sources_module, "_MAX_PAUSE_PERMANENT", permanent)
    yield world
    for sources in list(world.running):
        await world.end(sources)


async def arrived(world, *subjects):
    """Waits until exactly these were handed over, in whatever order."""
    await world.until(lambda: set(subjects) <= set(world.subjects()))
    assert sorted(world.subjects()) == sorted(subjects)


def health(sources):
    """Status and reason of the only source."""
    source = next(iter(sources.health()["sources"].values()), {"status": "", "reason": ""})
    return source["status"], str(source["reason"])
