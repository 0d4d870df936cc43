"""The page under load: how fast it answers one visitor and twenty, and how its memory grows.

python -m benchmarks.app      needs the extra app

The visitors run in this process, on the same cores as the page.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from benchmarks.busy import busy_machine, record_busy
from benchmarks.measure import record
from benchmarks.visitors import Visitor

NCP = str(Path(sys.executable).with_name("ncp"))
CROWD = 20
ACTIONS, FIRST_ACTIONS = 500, 100
"""Actions between the two looks at the memory, and actions before the first look."""
GROWTH = 20.0
"""The memory may grow by this much [MB]; it fluctuates by less between two looks."""


@contextmanager
def served() -> Iterator[tuple[str, int]]:
    """The page's address and the id of its process."""
    with tempfile.TemporaryDirectory() as folder:
        running = subprocess.Popen([NCP, "app"], cwd=folder, stdout=subprocess.PIPE, text=True)  # noqa: S603
        try:
            assert running.stdout  # noqa: S101
            yield running.stdout.readline().split()[1], running.pid
        finally:
            running.terminate()
            running.wait(20)


def megabytes(pid: int) -> float:
    """The resident memory of a process and of all processes that it started [MB]."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    own = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(own.split()[1]) / 1000 + sum(megabytes(int(child)) for child in children)


async def slide(visitor: Visitor, step: int) -> float:
    """Move a slider, and wait until the page shows another code [s]."""
    dials = visitor.listening("slide")
    before = visitor.elements[str(dials[0])]["props"]["values"]
    place = step % len(before)
    index = (before[place] + 1) % 4
    wanted = [*before[:place], index, *before[place + 1 :]]
    began = time.perf_counter()
    await visitor.send(dials, {"place": place, "index": index})
    await visitor.until(lambda: visitor.elements[str(dials[0])]["props"]["values"] == wanted)
    return time.perf_counter() - began


async def turn(visitor: Visitor, tab: str) -> None:
    """Open another tab."""
    tabs = visitor.listening("update:modelValue", **{"aria-label": "tabs"})
    await visitor.send(tabs, tab)


async def propagate(visitor: Visitor) -> float:
    """Press the button, and wait for the film and the ten best codes [s]."""
    button = visitor.listening("click", label="Propagate")
    film = next(key for key, element in visitor.elements.items() if "frames" in element.get("props", {}))
    run = visitor.elements[film]["props"]["run"]
    began = time.perf_counter()
    await visitor.send(button, {})
    await visitor.until(lambda: visitor.elements[film]["props"]["run"] > run)
    if "The best 10" not in visitor.shown():
        raise LookupError("no codes were found")
    return time.perf_counter() - began


async def look(visitor: Visitor) -> None:
    """Load the page, and open the tab Propagate."""
    await visitor.open()
    await turn(visitor, "Propagate")
    await visitor.until(lambda: any("frames" in e.get("props", {}) for e in visitor.elements.values()))


async def act(visitor: Visitor, step: int) -> None:
    """Do what visitors do: mostly move sliders, sometimes propagate or open another tab."""
    if step % 20 == 19:
        await propagate(visitor)
    elif step % 10 == 9:
        await turn(visitor, ("Code", "Propagate", "Benchmark")[step // 10 % 3])
    else:
        await slide(visitor, step)


async def measure_one(visitor: Visitor) -> None:
    """The answers to a single visitor."""
    await propagate(visitor)
    moves = [await slide(visitor, step) for step in range(60)]
    record(
        "app/slider",
        claim="After a slider moves: until drawing, cost, 19 predictions and percentiles are shown",
        target="<= 0.3 s",
        value={"median": round(median(moves), 4), "slowest": round(max(moves), 4)},
        met=max(moves) <= 0.3,
        unit="s",
        runs=len(moves),
    )
    alone = [await propagate(visitor) for _ in range(5)]
    record(
        "app/movement",
        claim="After Propagate is pressed: until the film starts, with all steps and the ten best codes",
        target="<= 1 s",
        value=round(median(alone), 3),
        met=median(alone) <= 1,
        unit="s",
        runs=len(alone),
    )


async def measure_busy(visitor: Visitor) -> None:
    """Press Propagate on an idle machine, and while another program computes on every core."""
    await propagate(visitor)
    alone = [await propagate(visitor) for _ in range(9)]
    with busy_machine():
        await propagate(visitor)
        beside = [await propagate(visitor) for _ in range(9)]
    record_busy("app/busy", median(alone), median(beside), runs=len(alone))


async def measure_crowd(visitor: Visitor, address: str) -> None:
    """Twenty others propagate while the visitor moves sliders."""
    crowd = [Visitor(address) for _ in range(CROWD)]
    await asyncio.gather(*(look(each) for each in crowd))
    answers = asyncio.gather(*(propagate(each) for each in crowd))
    meanwhile: list[float] = []
    while not answers.done():
        meanwhile.append(await slide(visitor, len(meanwhile)))
        await asyncio.sleep(0.2)
    seconds = await answers
    record(
        "app/crowd",
        claim="Twenty visitors propagate at once: median and last answer, and the slowest slider of another visitor",
        target="median < 3 s, slider <= 0.3 s",
        value={
            "median": round(median(seconds), 2),
            "last": round(max(seconds), 2),
            "slider": round(max(meanwhile), 3),
        },
        met=median(seconds) < 3 and max(meanwhile) <= 0.3,
        unit="s",
        runs=len(seconds),
    )
    await asyncio.gather(*(each.close() for each in crowd))


async def measure_memory(visitor: Visitor, pid: int) -> None:
    """The memory before and after many actions."""
    for step in range(FIRST_ACTIONS):
        await act(visitor, step)
    await asyncio.sleep(15)  # until the server has dropped the sessions of the crowd
    before = megabytes(pid)
    for step in range(ACTIONS):
        await act(visitor, step)
    await asyncio.sleep(5)
    grown = megabytes(pid) - before
    record(
        "app/memory",
        claim=f"Memory of the server and its workers: growth during {ACTIONS} actions, and total before them",
        target=f"growth <= {GROWTH:g} MB",
        value={"growth": round(grown, 1), "before": round(before)},
        met=grown <= GROWTH,
        unit="MB",
        runs=ACTIONS,
    )


async def measured(address: str, pid: int) -> None:
    """Measure everything with one visitor who stays."""
    visitor = Visitor(address)
    await look(visitor)
    await measure_one(visitor)
    await measure_busy(visitor)
    await measure_crowd(visitor, address)
    await measure_memory(visitor, pid)
    await visitor.close()


def main() -> None:
    """Serve the page and visit it."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with served() as (address, pid):
        asyncio.run(measured(address, pid))


if __name__ == "__main__":
    main()
