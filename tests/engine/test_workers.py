"""engine.workers: runs that wait let others go on."""

import asyncio

import pytest

from engine.workers import Workers, in_worker


def test_a_waiting_run_lets_others_go_on(loop: asyncio.AbstractEventLoop) -> None:
    workers = Workers()
    seen: list[str] = []

    async def whole() -> None:
        gate = asyncio.get_running_loop().create_future()

        def first() -> None:
            seen.append("first waits")
            seen.append(workers.wait(gate))

        workers.run(first)
        assert workers.parked == 1
        workers.run(lambda: seen.append("second"))
        gate.set_result("first goes on")
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    loop.run_until_complete(whole())
    assert seen == ["first waits", "second", "first goes on"]
    assert workers.parked == 0


def test_what_is_there_is_not_waited_for(loop: asyncio.AbstractEventLoop) -> None:
    workers = Workers()
    seen: list[int] = []

    async def whole() -> None:
        done = asyncio.get_running_loop().create_future()
        done.set_result(5)
        workers.run(lambda: seen.append(workers.wait(done)))

    loop.run_until_complete(whole())
    assert seen == [5]


def test_script_variables_travel_with_the_run(loop: asyncio.AbstractEventLoop) -> None:
    workers = Workers()
    variables = {"x": "first"}
    seen: list[str] = []

    def park():  # noqa: ANN202
        saved = dict(variables)
        return lambda: (variables.clear(), variables.update(saved))

    workers.on_park = park

    async def whole() -> None:
        gate = asyncio.get_running_loop().create_future()

        def first() -> None:
            workers.wait(gate)
            seen.append(variables["x"])

        workers.run(first)
        workers.run(lambda: variables.update(x="second"))
        gate.set_result(None)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    loop.run_until_complete(whole())
    assert seen == ["first"]


def test_errors_go_to_the_handler_and_workers_are_used_again() -> None:
    workers = Workers()
    errors: list[BaseException] = []
    workers.on_error = errors.append

    def bad() -> None:
        raise ValueError("bad")

    workers.run(bad)
    workers.run(lambda: None)
    assert [str(error) for error in errors] == ["bad"]
    assert len(workers._idle) == 1


def test_results_and_errors_cross_the_bridge(loop: asyncio.AbstractEventLoop) -> None:
    workers = Workers()

    def waits() -> int:
        workers.wait(asyncio.sleep(0))
        assert workers.can_wait()
        return 3

    def fails() -> None:
        raise KeyError("x")

    assert loop.run_until_complete(in_worker(workers, waits)) == 3
    with pytest.raises(KeyError):
        loop.run_until_complete(in_worker(workers, fails))
    with pytest.raises(RuntimeError):
        workers.wait(loop.create_future())
    assert not workers.can_wait()
