"""What the documentation says of timers, signals and links, with and without kills."""

from __future__ import annotations

import pytest
from tests.engine.diagrams import (
    Node,
    boundary,
    catch,
    cycle,
    date,
    event_sub,
    message,
    on_link,
    on_message,
    on_signal,
    process,
    script,
    signal,
    start,
    sub,
    task,
    throw,
    timer,
)

# Timers: the page components/modeler/bpmn/timer-events. The clock starts at 2026-05-28T20:26:40Z.


def reminder(text: str, kind=cycle) -> bytes:
    return process(
        "p",
        "start > t > end; b > note > end2",
        task("t"),
        task("note"),
        boundary("b", "t", kind(text), interrupting=False),
    )


def test_a_cycle_repeats_as_often_as_it_says(both) -> None:
    both.deploy(reminder("R3/PT10S"))
    key = both.create()
    counts = []
    for _ in range(5):
        both.advance(10)
        counts.append(len(both.jobs("note")))
    assert counts == [1, 1, 1, 0, 0]
    both.do("t")
    assert both.active(key)


def test_a_cycle_without_a_number_repeats_until_its_activity_ends(both) -> None:
    both.deploy(reminder("R/PT10S"))
    both.create()
    both.advance(100)
    assert len(both.jobs("note")) == 10
    both.do("t")
    both.advance(100)
    assert both.none("note")


def test_a_duration_that_does_not_interrupt_happens_once(both) -> None:
    both.deploy(reminder("PT10S", timer))
    both.create()
    both.advance(100)
    assert len(both.jobs("note")) == 1


def test_a_cycle_from_an_expression(both) -> None:
    both.deploy(reminder('=cycle(2, duration("PT" + every))'))
    both.create(every="1M")
    both.advance(600)
    assert len(both.jobs("note")) == 2


def test_a_cycle_with_a_start_and_a_zone(both) -> None:
    """10 a.m. in Berlin is 8 a.m. UTC in summer: eleven and a half hours after the clock's start."""
    both.deploy(reminder("R2/2026-05-29T10:00:00+02:00[Europe/Berlin]/P1D"))
    both.create()
    both.advance(11.5 * 3600)
    assert both.none("note")
    both.advance(300)
    assert len(both.jobs("note")) == 1
    both.advance(86_400)
    assert len(both.jobs("note")) == 1
    both.advance(86_400)
    assert both.none("note")


@pytest.mark.parametrize(
    "text",
    [
        "2026-05-28T22:26:41+02:00",
        "2026-05-28T22:26:41+02",
        "2026-05-28T22:26:41+02:00:00",
        "2026-05-28T22:26:41[Europe/Berlin]",
        "2026-05-28T22:26:41+02:00[Europe/Berlin]",
        "2026-05-28T20:26:41Z",
        '=date and time("2026-05-28T22:26:41@Europe/Berlin")',
        "=now() + duration(wait)",
        '="2026-05-28T20:26:41Z"',
    ],
)
def test_a_date_in_any_zone_is_one_moment(both, text) -> None:
    both.deploy(process("p", "start > c > end", catch("c", date(text))))
    key = both.create(wait="PT1S")
    both.advance(0.9)
    assert both.active(key)
    both.advance(0.1)
    assert both.ended(key)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ('=cycle(duration("P1D"))', [1, 1, 1, 1]),
        ('=cycle(null, duration("P1D"))', [1, 1, 1, 1]),
        ("R-1/P1D", [1, 1, 1, 1]),
        ("R+2/P1D", [1, 1, 0, 0]),
        ("R2/2026-05-29T10:00:00[Europe/Berlin]/P1D", [1, 1, 0, 0]),
        ("R2/2026-05-30T20:26:40Z/P1D", [0, 1, 1, 0]),
        ("0 0 9-17 * * MON-FRI", [9, 0, 0, 9]),
        ("@daily", [1, 1, 1, 1]),
    ],
)
def test_cycles_start_a_process(both, text, days) -> None:
    both.deploy(process("p", "start > t > end", start("start", cycle(text)), task("t")))
    counts = []
    for _ in days:
        both.advance(86_400)
        counts.append(len(both.jobs("t")))
    assert counts == days


@pytest.mark.parametrize("text", ["P1Dt1H", "PT1H30", "P1D1M", "P1.5D", "PT", "P"])
def test_durations_that_are_refused(bench, text) -> None:
    """zeebe-bpmn-model 8.9.0 cannot read them either."""
    assert "duration" in bench.refused(process("p", "start > c > end", catch("c", timer(text))))


@pytest.mark.parametrize(
    "text",
    [
        "2026-05-28T20:26:41",
        "2026-05-29",
        "2026-05-29T10:00:00+0200",
        "2026-05-29T10:00:00+19:00",
        "2026-05-29T10:00:00@Europe/Berlin",
        "2026-05-29T10:00:00Z[Nowhere/No]",
        "2026-05-29T24:00:00Z",
        "2026-02-30T10:00:00Z",
    ],
)
def test_dates_that_are_refused(bench, text) -> None:
    """zeebe-bpmn-model 8.9.0 cannot read them either, not even the first, which the page takes for UTC."""
    assert "date" in bench.refused(process("p", "start > c > end", catch("c", date(text))))


def test_a_date_in_the_past_is_due_at_once(both) -> None:
    both.deploy(process("p", "start > c > end", catch("c", date("2020-01-01T00:00:00Z"))))
    assert both.run() == {}


@pytest.mark.parametrize("text", ["=duration(wait)", '="PT" + "1H"', "=end - begin", "P0DT3600S", "PT60M"])
def test_a_duration_from_an_expression(both, text) -> None:
    both.deploy(process("p", "start > s > c > end", script("s", "=0", "zero"), catch("c", timer(text))))
    if text == "=end - begin":
        text = '=date and time("2026-01-01T13:00:00Z") - date and time("2026-01-01T12:00:00Z")'
        both.deploy(process("p", "start > c > end", catch("c", timer(text))))
    key = both.create(wait="PT1H")
    both.advance(3599)
    assert both.active(key)
    both.advance(1)
    assert both.ended(key)


def test_a_boundary_event_whose_time_is_unknown_holds_its_activity_up(both) -> None:
    both.deploy(
        process(
            "p", "start > t > end; b > late > end2", task("t"), task("late"), boundary("b", "t", timer("=duration(w)"))
        )
    )
    key = both.create()
    assert (both.incident().type, both.incident().element_id) == ("EXTRACT_VALUE_ERROR", "t")
    assert both.none("t")
    both.set(key, w="PT1H")
    both.resolve()
    both.advance(3600)
    assert both.none("t")
    both.do("late")
    assert both.ended(key)


def test_a_timer_of_an_event_sub_process_repeats_beside_its_scope(both) -> None:
    note = event_sub("n", "start2 > note > end2", start("start2", cycle("R2/PT1M"), interrupting=False), task("note"))
    both.deploy(process("p", "start > t > end", task("t"), note))
    key = both.create()
    both.advance(300)
    both.do("t")
    assert both.active(key)  # until the event sub-processes have ended
    for job in both.jobs("note"):
        both.complete(job)
    assert both.ended(key)


def test_a_date_starts_a_process_once(both) -> None:
    both.deploy(process("p", "start > t > end", start("start", date("2026-05-29T00:00:00Z")), task("t")))
    both.advance(86_400)
    assert len(both.jobs("t")) == 1
    both.advance(86_400)
    assert both.none("t")


def test_a_process_may_have_several_timers_to_start(both) -> None:
    both.deploy(
        process(
            "p",
            "start > t > end; start2 > u > end2; start3 > v > end3",
            start("start", cycle("R2/PT1H")),
            start("start2", cycle("R/PT3H")),
            task("t"),
            task("u"),
            task("v"),
        )
    )
    both.advance(6 * 3600)
    assert (len(both.jobs("t")), len(both.jobs("u"))) == (2, 2)
    both.create()
    both.do("v")


def test_a_new_version_without_a_timer_stops_the_starts(both) -> None:
    both.deploy(process("p", "start > t > end", start("start", cycle("R/PT1H")), task("t")))
    both.advance(3600)
    both.deploy(process("p", "start > t > end", task("t")))
    both.advance(36_000)
    assert len(both.jobs("t")) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        process("p", "start > end", start("start", timer("PT1H"))),
        process("p", "start > c > end", catch("c", cycle("R/PT1H"))),
        process("p", "start > t > end; b > end2", task("t"), boundary("b", "t", cycle("R/PT1H"))),
        process("p", "start > c > end", catch("c", "<bpmn:timerEventDefinition/>")),
        process("p", "start > end", start("start", cycle("=every"))),
    ],
)
def test_timers_that_are_refused(bench, wrong) -> None:
    assert "ERROR" in bench.refused(wrong)


# Signals: the pages components/modeler/bpmn/signal-events and concepts/signals.


def test_a_signal_is_not_kept_for_later(both) -> None:
    both.deploy(process("p", "start > s > end", catch("s", on_signal("S")), roots=signal("S")))
    both.broadcast("S")
    key = both.create()
    assert both.active(key)
    both.broadcast("s")
    assert both.active(key)
    both.broadcast("S", x=1)
    assert both.result(key) == {"x": 1}


def test_the_name_of_a_signal_is_evaluated_when_it_is_waited_for(both) -> None:
    both.deploy(
        process("p", "start > s > end", catch("s", on_signal("S")), roots=signal("S", '="order " + string(action)'))
    )
    key = both.create(action="paid")
    both.set(key, action="changed")
    both.broadcast("order changed")
    assert both.active(key)
    both.broadcast("order paid")
    assert both.ended(key)


def test_a_signal_reaches_every_place_of_an_instance(both) -> None:
    both.deploy(
        process(
            "p",
            "start > par; par > a > par2; par > b > par2; par2 > end",
            catch("a", on_signal("S"), outputs=[("=x", "first")]),
            catch("b", on_signal("S"), outputs=[("=x + 1", "second")]),
            roots=signal("S"),
        )
    )
    key = both.create()
    both.broadcast("S", x=1)
    assert both.result(key) == {"first": 1, "second": 2}


def test_a_signal_at_a_boundary_comes_as_often_as_it_is_broadcast(both) -> None:
    both.deploy(
        process(
            "p",
            "start > t > end; b > note > end2",
            task("t"),
            task("note"),
            boundary("b", "t", on_signal("S"), interrupting=False),
            roots=signal("S"),
        )
    )
    key = both.create()
    both.broadcast("S")
    both.broadcast("S")
    both.do("t")
    both.broadcast("S")
    for job in both.jobs("note"):
        both.complete(job)
    assert both.ended(key)


def test_a_thrown_signal_has_the_local_variables_only(both) -> None:
    thrown = throw("s", on_signal("S"), inputs=[("=a + 1", "b")])
    both.deploy(
        process("listener", "start > t > end", start("start", on_signal("S")), task("t"), roots=signal("S")),
        process("p", "start > s > end", thrown, roots=signal("S")),
    )
    assert both.run(a=1) == {"a": 1}
    assert both.do("t") == {"b": 2}


def test_a_signal_wins_a_race(both) -> None:
    both.deploy(
        process(
            "p",
            "start > e; e > s > end; e > m > end2; e > w > end3",
            Node("eventBasedGateway", "e"),
            catch("s", on_signal("S")),
            catch("m", on_message("m")),
            catch("w", timer("PT1H")),
            roots=signal("S") + message("m", "=k"),
        )
    )
    key = both.create(k="a")
    both.broadcast("S", won="signal")
    both.publish("m", "a", won="message")
    both.advance(3600)
    assert both.result(key) == {"k": "a", "won": "signal"}


def test_a_signal_interrupts_a_process_from_inside(both) -> None:
    stop = event_sub("e", "start2 > clean > end2", start("start2", on_signal("S")), task("clean"))
    both.deploy(process("p", "start > t > end", task("t"), stop, roots=signal("S")))
    keys = [both.create(), both.create()]
    both.broadcast("S")
    assert both.none("t")
    for job in both.jobs("clean"):
        both.complete(job)
    assert all(both.ended(key) for key in keys)


def test_a_signal_starts_one_instance_of_each_process_that_wants_it(both) -> None:
    begun = start("start", on_signal("S"))
    both.deploy(process("p", "start > t > end", begun, task("t"), roots=signal("S")))
    both.deploy(process("p", "start > t > end", begun, task("t", "t2"), roots=signal("S")))
    both.deploy(process("q", "start > t > end", begun, task("t", "q"), roots=signal("S")))
    both.broadcast("S", x=1)
    assert both.none("t")
    assert both.do("t2") == {"x": 1}
    assert both.do("q") == {"x": 1}
    assert not both.engine.instances


@pytest.mark.parametrize("other", ["S", "T"])
def test_signals_at_one_activity_differ_in_their_names(bench, other) -> None:
    document = process(
        "p",
        "start > t > end; b > end2; c > end3",
        task("t"),
        boundary("b", "t", on_signal("S")),
        boundary("c", "t", on_signal(other)),
        roots=signal("S") + signal("T"),
    )
    if other == "T":
        bench.deploy(document)
    else:
        assert "S" in bench.refused(document)


# Links: the page components/modeler/bpmn/link-events.


def test_several_links_lead_to_one_place(both) -> None:
    both.deploy(
        process(
            "p",
            "start > xor; xor > a {=x}; xor > b {default}; c > t > end",
            throw("a", on_link("L")),
            throw("b", on_link("L")),
            catch("c", on_link("L")),
            task("t"),
        )
    )
    keys = [both.create(x=True), both.create(x=False)]
    for job in both.jobs("t"):
        both.complete(job)
    assert all(both.ended(key) for key in keys)


def test_a_link_belongs_to_its_scope(both) -> None:
    inner = sub("s", "start2 > a2; c2 > u > end2", throw("a2", on_link("L")), catch("c2", on_link("L")), task("u"))
    both.deploy(
        process("p", "start > s > a; c > t > end", inner, throw("a", on_link("L")), catch("c", on_link("L")), task("t"))
    )
    key = both.create()
    both.do("u")
    both.do("t")
    assert both.ended(key)


def test_a_link_back_makes_a_loop(both) -> None:
    both.deploy(
        process(
            "p",
            "start > s > xor; c > s; xor > a {=n < 3}; xor > end {default}",
            script("s", "=n + 1", "n"),
            throw("a", on_link("again")),
            catch("c", on_link("again")),
        )
    )
    assert both.run(n=0) == {"n": 3}


@pytest.mark.parametrize(
    "nodes",
    [
        [throw("a", on_link("nowhere")), catch("c", on_link("L"))],
        [throw("a", on_link("L")), catch("c", on_link("L")), catch("d", on_link("L"))],
        [throw("a", on_link("")), catch("c", on_link(""))],
    ],
)
def test_links_that_lead_nowhere_or_to_two_places(bench, nodes) -> None:
    more = "; d > end2" if len(nodes) == 3 else ""
    assert "ERROR" in bench.refused(process("p", f"start > a; c > end{more}", *nodes))
