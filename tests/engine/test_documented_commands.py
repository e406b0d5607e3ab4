"""What the documentation says of incidents, variables, starts, jobs and messages, with and without kills."""

from __future__ import annotations

import pytest
from tests.engine.diagrams import (
    boundary,
    catch,
    end,
    error,
    event_sub,
    message,
    multi,
    on_error,
    on_message,
    on_signal,
    process,
    receive,
    signal,
    start,
    sub,
    task,
    timer,
    variables,
)

from zeebe_connectors.engine import RejectionCode

# Incidents: the page concepts/incidents.


def test_an_input_mapping_that_fails_is_made_again(both) -> None:
    mapped = [("=a", "b"), ("=assert(x, x != null)", "c")]
    both.deploy(process("p", "start > t > end", task("t", inputs=mapped)))
    key = both.create(a=1)
    assert both.incident().type == "IO_MAPPING_ERROR"
    both.set(key, x=2, a=3)
    both.resolve()
    assert both.do("t") == {"a": 3, "x": 2, "b": 3, "c": 2}
    assert both.ended(key)


def test_an_output_mapping_that_fails_is_made_again_with_the_result(both) -> None:
    both.deploy(process("p", "start > t > end", task("t", outputs=[("=assert(r, r > 0)", "out")])))
    key = both.create()
    both.do("t", r=0)
    assert both.incident().type == "IO_MAPPING_ERROR"
    both.set(both.incident().element_instance_key, local=True, r=5)
    both.resolve()
    assert both.result(key) == {"out": 5}


def test_a_correlation_key_that_is_missing(both) -> None:
    both.deploy(process("p", "start > c > end", catch("c", on_message("m")), roots=message("m", "=k")))
    key = both.create()
    assert both.incident().type == "EXTRACT_VALUE_ERROR"
    both.publish("m", "a", ttl=60, v=1)
    both.set(key, k="a")
    both.resolve()
    assert both.result(key) == {"k": "a", "v": 1}


def test_a_job_type_that_is_no_text(both) -> None:
    both.deploy(process("p", "start > t > end", task("t", "=kind")))
    key = both.create(kind=1)
    assert both.incident().type == "EXTRACT_VALUE_ERROR"
    both.set(key, kind="real")
    both.resolve()
    both.do("real")
    assert both.ended(key)


def test_a_sub_process_whose_event_cannot_be_awaited_does_not_begin(both) -> None:
    watch = event_sub("e", "start3 > end3", start("start3", on_message("m")))
    both.deploy(
        process(
            "p",
            "start > s > end",
            sub("s", "start2 > t > end2", task("t"), watch),
            roots=message("m", "=k"),
        )
    )
    key = both.create()
    assert (both.incident().element_id, both.none("t")) == ("s", True)
    both.set(key, k="a")
    both.resolve()
    both.do("t")
    assert both.ended(key)


def test_a_gateway_that_found_no_way_looks_again(both) -> None:
    both.deploy(process("p", "start > ior; ior > a {=x > 1}; ior > b {=x > 2}", task("a"), task("b")))
    key = both.create(x=0)
    assert both.incident().type == "CONDITION_ERROR"
    both.resolve()
    assert both.incident().type == "CONDITION_ERROR"
    both.set(key, x=3)
    both.resolve()
    both.do("a")
    both.do("b")
    assert both.ended(key)


def test_what_resolving_does_not_mend(both) -> None:
    both.rejects(RejectionCode.NOT_FOUND, both.engine.resolve_incident, 1)
    both.deploy(process("p", "start > t > end", task("t")))
    both.create()
    both.fail(both.job("t"), 0)
    key = both.incident().key
    both.rejects(RejectionCode.INVALID_STATE, both.engine.resolve_incident, key)
    job_key = both.incident().job_key
    both.engine.update_job_retries(job_key, 2)
    both.engine.resolve_incident(key)
    both.rejects(RejectionCode.NOT_FOUND, both.engine.resolve_incident, key)
    assert both.job("t").retries == 2


# Variables: the pages concepts/variables and the command SetVariables.


def test_an_open_subscription_keeps_its_key(both) -> None:
    both.deploy(process("p", "start > c > end", catch("c", on_message("m")), roots=message("m", "=k")))
    key = both.create(k="old")
    both.set(key, k="new")
    both.publish("m", "new")
    assert both.active(key)
    both.publish("m", "old")
    assert both.ended(key)


def test_variables_set_at_an_element(both) -> None:
    inner = task("t", inputs=[("=1", "own")])
    both.deploy(process("p", "start > s > end", sub("s", "start2 > t > end2", inner, inputs=[("=1", "mid")])))
    key = both.create(top=1)
    at = both.element("t")
    both.set(at, own=2, mid=2, top=2, fresh=2)
    assert both.do("t") == {"own": 2, "mid": 2, "top": 2, "fresh": 2}
    both.rejects(RejectionCode.NOT_FOUND, both.set, at, x=1)
    assert both.result(key) == {"top": 2, "fresh": 2}


def test_variables_set_local_to_a_scope_cover_those_outside(both) -> None:
    both.deploy(process("p", "start > s > t > end", sub("s", "start2 > u > end2", task("u")), task("t")))
    both.create(x=1)
    both.set(both.element("s"), local=True, x=2)
    assert both.do("u", x=3) == {"x": 2}
    assert both.do("t") == {"x": 1}


def test_variables_set_at_a_waiting_gateway_decide(both) -> None:
    both.deploy(process("p", "start > t > xor; xor > a {=x}; xor > b {default}", task("t"), task("a"), task("b")))
    key = both.create(x=False)
    both.set(key, x=True)
    both.do("t")
    both.do("a")
    assert both.ended(key)


# Starts elsewhere: the page concepts/process-instance-creation.


def test_an_element_named_twice_starts_twice(both) -> None:
    both.deploy(process("p", "start > a > end", task("a", inputs=[("=x + 1", "y")])))
    key = both.start_at("a", "a", x=1)
    jobs = both.jobs("a")
    assert [variables(job)["y"] for job in jobs] == [2, 2]
    both.complete(jobs[0])
    assert both.active(key)
    both.complete(jobs[1])
    assert both.ended(key)


def test_a_start_inside_a_sub_process_opens_its_events(both) -> None:
    watch = event_sub("e", "start3 > seen > end3", start("start3", on_message("m"), interrupting=False), task("seen"))
    both.deploy(
        process(
            "p",
            "start > before > s > end; b > late > end4",
            task("before"),
            sub("s", "start2 > a > c > end2", task("a"), task("c"), watch),
            boundary("b", "s", timer("PT1H")),
            task("late"),
            roots=message("m", "=k"),
        )
    )
    key = both.start_at("c", k="1")
    both.publish("m", "1")
    both.do("seen")
    assert both.none("before")
    assert both.none("a")
    both.advance(3600)
    assert both.none("c")
    both.do("late")
    assert both.ended(key)


def test_a_start_before_a_join_waits_for_the_other_flow(both) -> None:
    both.deploy(
        process("p", "start > par; par > a > par2; par > b > par2; par2 > t > end", task("a"), task("b"), task("t"))
    )
    key = both.start_at("a", "b")
    both.do("a")
    assert both.none("t")
    both.do("b")
    both.do("t")
    assert both.ended(key)


@pytest.mark.parametrize("where", ["start", "nothing", "inner", "bound"])
def test_where_no_instance_can_start(bench, where) -> None:
    bench.deploy(
        process(
            "p",
            "start > s > end; bound > end2",
            sub("s", "start2 > inner > end3", task("inner"), loop=multi("=[1]")),
            boundary("bound", "s", timer("PT1S")),
        )
    )
    bench.rejects(RejectionCode.INVALID_ARGUMENT, bench.start_at, where)


# Jobs: the page concepts/job-workers and the gateway's commands.


def test_a_job_comes_back_when_its_worker_s_time_is_over(both) -> None:
    both.deploy(process("p", "start > t > end", task("t", retries="5")))
    key = both.create()
    (first,) = both.jobs("t", timeout_ms=10_000)
    both.advance(9)
    assert both.none("t")
    both.advance(1)
    (second,) = both.jobs("t", timeout_ms=10_000, worker="other")
    assert (second.key, second.retries) == (first.key, 5)
    both.complete(second)
    both.rejects(RejectionCode.NOT_FOUND, both.complete, first)
    assert both.ended(key)


def test_a_new_timeout_counts_from_now(both) -> None:
    both.deploy(process("p", "start > t > end", task("t")))
    both.create()
    (job,) = both.jobs("t", timeout_ms=10_000)
    both.advance(5)
    both.engine.update_job_timeout(job.key, 20_000)
    both.advance(19)
    assert both.none("t")
    both.advance(1)
    (job,) = both.jobs("t", timeout_ms=10_000)
    both.engine.update_job_timeout(job.key, 1_000)
    both.advance(1)
    assert both.jobs("t")


def test_a_back_off_delays_the_next_try(both) -> None:
    both.deploy(process("p", "start > t > end", task("t")))
    both.create()
    both.fail(both.job("t"), 2, backoff=60, tried=1)
    both.advance(59)
    assert both.none("t")
    both.advance(1)
    job = both.job("t")
    assert (job.retries, variables(job)) == (2, {"tried": 1})
    both.fail(job, 1)
    assert both.job("t").retries == 1


def test_a_failed_job_s_variables_stay_at_the_task(both) -> None:
    both.deploy(process("p", "start > t > u > end", task("t"), task("u")))
    both.create(x=1)
    both.fail(both.job("t"), 1, x=2, y=2)
    assert both.do("t", x=3) == {"x": 2, "y": 2}
    assert both.do("u") == {"x": 1}


def test_a_timer_ends_a_job_that_waits_for_its_next_try(both) -> None:
    both.deploy(
        process("p", "start > t > end; b > late > end2", task("t"), task("late"), boundary("b", "t", timer("PT1M")))
    )
    key = both.create()
    job = both.job("t")
    both.fail(job, 1, backoff=3600)
    both.advance(60)
    both.do("late")
    both.advance(7200)
    assert both.none("t")
    both.rejects(RejectionCode.NOT_FOUND, both.complete, job)
    assert both.ended(key)


def test_a_job_that_failed_for_good_goes_with_its_activity(both) -> None:
    both.deploy(
        process(
            "p",
            "start > t > end; b > after > end2",
            task("t"),
            task("after"),
            boundary("b", "t", on_signal("S")),
            roots=signal("S"),
        )
    )
    key = both.create()
    both.fail(both.job("t"), 0)
    both.broadcast("S")
    assert not both.engine.queries.incidents()
    both.do("after")
    assert both.ended(key)


def test_a_send_task_a_receive_task_and_an_end_event_with_a_job(both) -> None:
    both.deploy(
        process(
            "p",
            "start > ask > wait > tell",
            task("ask", tag="sendTask"),
            receive("wait", "m"),
            end("tell", on_message("n"), ext=['<zeebe:taskDefinition type="tell"/>']),
            roots=message("m", "=k") + message("n"),
        )
    )
    key = both.create(k="1")
    both.do("ask")
    both.publish("m", "1", got=True)
    assert both.do("tell", told=True) == {"k": "1", "got": True}
    assert both.result(key) == {"k": "1", "got": True, "told": True}


# Messages: the page concepts/messages.


def test_messages_are_aggregated_by_their_key(both) -> None:
    """The first starts an instance, which takes the next; those after it wait for its end."""
    both.deploy(
        process(
            "p",
            "start > c > t > end",
            start("start", on_message("m"), outputs=[("=v", "first")]),
            catch("c", on_message("m"), outputs=[("=v", "second")]),
            task("t"),
            roots=message("m", '="a"'),
        )
    )
    for number in range(4):
        both.publish("m", "a", ttl=600, v=number)
    assert both.do("t") == {"first": 0, "second": 1}
    assert both.do("t") == {"first": 2, "second": 3}
    assert not both.engine.instances


def test_an_expired_message_is_nobody_s(both) -> None:
    both.deploy(process("p", "start > c > end", catch("c", on_message("m")), roots=message("m", "=k")))
    both.publish("m", "a", ttl=10, v=1)
    both.publish("m", "a", ttl=100, v=2)
    both.advance(10)
    key = both.create(k="a")
    assert both.result(key) == {"k": "a", "v": 2}


def test_the_end_of_an_error_leaves_the_message_for_the_next(both) -> None:
    both.deploy(
        process(
            "p",
            "start > s > end; b > end3",
            sub("s", "start2 > t > c > end2", task("t"), catch("c", on_message("m"))),
            boundary("b", "s", on_error("E")),
            roots=error("E") + message("m", "=k"),
        )
    )
    both.create(k="a")
    both.publish("m", "a", ttl=60)
    both.throw(both.job("t"), "E")
    key = both.create(k="a")
    both.do("t")
    assert both.ended(key)
