"""engine.events.bus."""

from engine.events.bus import Event, EventBus, EventParams, Unnamed
from engine.events.core import define_core_events


def test_ids_count_up_and_definitions_are_kept() -> None:
    bus = EventBus()
    first = bus.define("E_ONE", ("a",))
    second = bus.define("E_TWO")
    assert (first.id, second.id) == (0, 1)
    assert bus.define("E_ONE") is first
    assert first.params == ("a",)
    assert bus.define("E_TWO", ("b",)).params == ("b",)
    assert bus.find("E_NONE") is None


def test_emit_orders_parameters_and_fills_with_null() -> None:
    bus = EventBus()
    event = bus.define("E_X", ("key", "period"))
    event.emit(key="nobody listens")
    seen: list[tuple[str, list[tuple[str, object]]]] = []
    assert not event.active
    stop = event.subscribe(lambda one, params: seen.append((one.name, list(params.items()))))
    assert event.active
    event.emit(period=60, more="m")
    assert seen == [("E_X", [("key", None), ("period", 60), ("more", "m")])]
    stop()
    event.emit(key="again")
    assert len(seen) == 1
    assert not event.active


def test_raise_event_with_and_without_names() -> None:
    bus = EventBus()
    seen: list[dict[str, object]] = []
    bus.define("E_S").subscribe(lambda _, params: seen.append(dict(params)))
    assert bus.raise_event("E_S", [("who", "alice"), (None, 5)])
    assert bus.raise_event("E_S")
    assert not bus.raise_event("E_NONE", [])
    assert seen == [{"who": "alice", "2": 5}, {}]
    assert [isinstance(key, Unnamed) for key in seen[0]] == [False, True]


def test_params_of_an_event_route() -> None:
    params = EventParams.of({"who": "alice", "how many": 3})
    assert params.by_name("who") == "alice"
    assert params.by_number(2) == 3
    assert params.by_number(3) is None
    assert params.by_number(0) is None
    assert params.by_name("none") is None
    unnamed = EventParams.of({Unnamed("1"): "x"})
    assert unnamed.by_number(1) is None
    assert unnamed.by_name("1") is None
    assert unnamed.values == ("x",)


def test_one_listener_may_end_another() -> None:
    event = Event("E", (), 0)
    seen: list[str] = []
    stops = [event.subscribe(lambda *_: (seen.append("a"), stops[1]())), event.subscribe(lambda *_: seen.append("b"))]
    event.emit()
    event.emit()
    assert seen == ["a", "b", "a"]


def test_core_events_have_their_ids() -> None:
    bus = EventBus()
    define_core_events(bus)
    assert [(event.name, event.id) for event in bus.events.values()][:2] == [("E_CORE_SR_STATUS_CHANGED", 0), ("E_CORE_THRESHOLD", 1)]
    assert len(bus.events) == 6
    old = EventBus()
    define_core_events(old, "3.1")
    threshold = old.find("E_CORE_THRESHOLD")
    assert threshold is not None
    assert threshold.id == 0
