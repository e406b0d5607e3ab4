"""The engine in memory keeps the rules of the real one that a worker can notice."""

import asyncio
import json

import pytest
from tests.waiting import until

from zeebe_connectors.runtime.gateway import Activation, GatewayError
from zeebe_connectors.runtime.gateway.fake import FakeGateway

ACTIVATION = Activation("t", "worker", 60.0)


@pytest.fixture
async def fake():
    engine = FakeGateway()
    yield engine
    await engine.aclose()


async def test_a_job_belongs_to_who_activated_it(fake):
    """Nobody else gets it before its deadline."""
    fake.put("t")
    assert len(await fake.activate(ACTIVATION, max_jobs=5, wait=0.0)) == 1
    assert await fake.activate(ACTIVATION, max_jobs=5, wait=0.0) == []


async def test_a_job_is_offered_again_after_its_deadline(fake):
    """A waiting poll gets it then."""
    key = fake.put("t")
    await fake.activate(Activation("t", "first", 0.05), max_jobs=1, wait=0.0)
    (job,) = await fake.activate(ACTIVATION, max_jobs=1, wait=5.0)
    assert job.key == key
    assert fake.jobs[key].activations == 2


async def test_more_time_moves_the_deadline(fake):
    """The timer of the first deadline changes nothing then."""
    key = fake.put("t")
    await fake.activate(Activation("t", "first", 0.05), max_jobs=1, wait=0.0)
    await fake.update_timeout(key, 60.0)
    assert await fake.activate(ACTIVATION, max_jobs=1, wait=0.1) == []


async def test_a_failed_job_waits_for_its_backoff(fake):
    """With retries left it is offered again, with the retries that were told."""
    key = fake.put("t")
    await fake.activate(ACTIVATION, max_jobs=1, wait=0.0)
    await fake.fail(key, retries=2, message="no", backoff=0.05, payload="{}")
    assert await fake.activate(ACTIVATION, max_jobs=1, wait=0.0) == []
    (job,) = await fake.activate(ACTIVATION, max_jobs=1, wait=5.0)
    assert job.retries == 2


async def test_a_job_without_retries_is_an_incident(fake):
    """It is not offered, and takes no answer."""
    key = fake.put("t")
    await fake.activate(ACTIVATION, max_jobs=1, wait=0.0)
    await fake.fail(key, retries=0, message="no", backoff=0.0, payload="{}")
    assert fake.jobs[key].state == "incident"
    with pytest.raises(GatewayError) as error:
        await fake.complete(key, "{}")
    assert error.value.status == "FAILED_PRECONDITION"


async def test_an_answer_to_an_ended_job_is_not_found(fake):
    """Once is once."""
    key = fake.put("t")
    await fake.complete(key, "{}")
    with pytest.raises(GatewayError) as error:
        await fake.throw(key, code="E", message="", payload="{}")
    assert error.value.is_not_found


async def test_variables_must_be_an_object(fake):
    """As the engine says it."""
    key = fake.put("t")
    with pytest.raises(GatewayError) as error:
        await fake.complete(key, json.dumps([1]))
    assert error.value.status == "INVALID_ARGUMENT"


async def test_a_stream_gets_new_jobs_and_polls_the_rest(fake):
    """Like the engine's, a stream does not bring what was there before it."""
    old = fake.put("t")
    stream = fake.stream(ACTIVATION)
    coming = asyncio.ensure_future(anext(stream))
    await until(lambda: fake.open_streams)
    new = fake.put("t")
    assert (await coming).key == new
    (job,) = await fake.activate(ACTIVATION, max_jobs=5, wait=0.0)
    assert job.key == old
    await stream.aclose()


async def test_a_fault_strikes_the_calls_that_it_was_made_for(fake):
    """The second and third of a command, and no other."""
    fake.refuse("topology", "UNAVAILABLE", skip=1, times=2)
    await fake.topology()
    for _ in range(2):
        with pytest.raises(GatewayError):
            await fake.topology()
    await fake.topology()


async def test_a_fault_may_lose_only_the_reply(fake):
    """The command took effect, which its sender cannot know."""
    key = fake.put("t")
    fake.refuse("complete", "UNAVAILABLE", applied=True)
    with pytest.raises(GatewayError):
        await fake.complete(key, "{}")
    assert fake.jobs[key].state == "completed"


async def test_a_stopped_engine_keeps_its_jobs(fake):
    """Everything is refused meanwhile, waiting polls included."""
    polling = asyncio.create_task(fake.activate(ACTIVATION, max_jobs=1, wait=30.0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    fake.stop()
    with pytest.raises(GatewayError):
        await polling
    fake.start()
    fake.put("t")
    assert len(await fake.activate(ACTIVATION, max_jobs=1, wait=0.0)) == 1


async def test_waiting_in_vain_says_what_there_is(fake):
    """The message of a failed test tells the states."""
    fake.put("t")
    with pytest.raises(TimeoutError, match="'waiting': 1"):
        await fake.until("completed", 1, within=0.01)
