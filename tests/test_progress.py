"""Nested steps of work report one rising share of the whole."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from ncp.progress import share, ticks


def test_nested_shares_rise_to_the_end() -> None:
    seen: list[float] = []
    first, second = share(seen.append, 0.0, 0.5), share(seen.append, 0.5, 1.0)
    for step in (first, share(second, 0.0, 0.7), share(second, 0.7, 1.0)):
        for done in (0.0, 0.5, 1.0):
            step(done)
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (0.0, 1.0)
    assert seen[1] == pytest.approx(0.25)
    assert seen[-2] == pytest.approx(0.5 + 0.5 * 0.85)


def test_calls_from_several_threads_are_counted() -> None:
    seen: list[float] = []
    tick = ticks(seen.append, 200)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(tick, [0.5] * 200))
    assert seen == [pytest.approx(k / 200) for k in range(1, 201)]
