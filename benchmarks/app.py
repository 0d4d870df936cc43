"""The page under load: how soon an action is answered, twenty visitors who propagate at once, and what memory does.

python -m benchmarks.app      needs the extra app; visitors run in this process, on the same cores as the page
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
CROWD, ACTIONS, SOME = 20, 500, 100
GROWN = 20.0
"""More memory than this after the actions is growth [MB]: what comes and goes between two looks is less."""


@contextmanager
def served() -> Iterator[tuple[str, int]]:
    """The page's address and its process."""
    with tempfile.TemporaryDirectory() as folder:
        running = subprocess.Popen([NCP, "app"], cwd=folder, stdout=subprocess.PIPE, text=True)  # noqa: S603
        try:
            yield running.stdout.readline().split()[1], running.pid  # type: ignore[union-attr]
        finally:
            running.terminate()
            running.wait(20)


def megabytes(pid: int) -> float:
    """What a process and those that it started hold [MB]."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    own = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(own.split()[1]) / 1000 + sum(megabytes(int(child)) for child in children)


async def slide(visitor: Visitor, step: int) -> float:
    """Move a slider, and wait until the page shows another code [s]."""
    dials = visitor.listening("dial")
    before = visitor.elements[str(dials[0])]["props"]["values"]
    place = step % len(before)
    index = (before[place] + 1) % 4
    wanted = [*before[:place], index, *before[place + 1 :]]
    began = time.perf_counter()
    await visitor.tell(dials, {"place": place, "index": index})
    await visitor.until(lambda: visitor.elements[str(dials[0])]["props"]["values"] == wanted)
    return time.perf_counter() - began


async def turn(visitor: Visitor, tab: str) -> None:
    """Look at another tab."""
    tabs = visitor.listening("update:modelValue", **{"aria-label": "walks"})
    await visitor.tell(tabs, tab)


async def propagate(visitor: Visitor) -> float:
    """Press the button, and wait for film and the ten best [s]."""
    button = visitor.listening("click", label="Propagate")
    film = next(key for key, element in visitor.elements.items() if "frames" in element.get("props", {}))
    run = visitor.elements[film]["props"]["run"]
    began = time.perf_counter()
    await visitor.tell(button, {})
    await visitor.until(lambda: visitor.elements[film]["props"]["run"] > run)
    if "The best 10" not in visitor.shown():
        raise LookupError("no codes were found")
    return time.perf_counter() - began


async def look(visitor: Visitor) -> None:
    """Load the page, and lay the second walk out."""
    await visitor.open()
    await turn(visitor, "Propagate")
    await visitor.until(lambda: any("frames" in e.get("props", {}) for e in visitor.elements.values()))


async def measure_busy(visitor: Visitor) -> None:
    """Press Propagate alone and beside a program that computes on every core."""
    await propagate(visitor)
    alone = [await propagate(visitor) for _ in range(9)]
    with busy_machine():
        await propagate(visitor)
        beside = [await propagate(visitor) for _ in range(9)]
    record_busy("page", median(alone), median(beside), runs=len(alone))


async def measured(address: str, pid: int) -> None:
    """All figures."""
    one = Visitor(address)
    await look(one)
    await propagate(one)
    moves = [await slide(one, step) for step in range(60)]
    record(
        "app/slider",
        claim="A slider is moved: until drawing, cost, 19 predictions and shares have come; median and slowest of 60",
        target="<= 0.3 s",
        value={"median": round(median(moves), 4), "slowest": round(max(moves), 4)},
        met=max(moves) <= 0.3,
        unit="s",
        runs=len(moves),
    )
    alone = [await propagate(one) for _ in range(5)]
    record(
        "app/movement",
        claim="Propagate is pressed by one visitor: until the first movement, with all steps and the ten best",
        target="<= 1 s",
        value=round(median(alone), 3),
        met=median(alone) <= 1,
        unit="s",
        runs=len(alone),
    )
    await measure_busy(one)
    crowd = [Visitor(address) for _ in range(CROWD)]
    await asyncio.gather(*(look(visitor) for visitor in crowd))
    answers = asyncio.gather(*(propagate(visitor) for visitor in crowd))
    meanwhile = []
    while not answers.done():
        meanwhile.append(await slide(one, len(meanwhile)))
        await asyncio.sleep(0.2)
    seconds = await answers
    record(
        "app/crowd",
        claim="Twenty visitors propagate at once, none fails: median and last answer; a slider of a 21st meanwhile",
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
    await asyncio.gather(*(visitor.close() for visitor in crowd))
    for step in range(SOME):
        await act(one, step)
    await asyncio.sleep(15)  # until the crowd's pages are forgotten
    before = megabytes(pid)
    for step in range(ACTIONS):
        await act(one, step)
    await asyncio.sleep(5)
    grown = megabytes(pid) - before
    record(
        "app/memory",
        claim=f"Memory of the server and its workers after {ACTIONS} actions, less that before",
        target=f"<= {GROWN:g} MB",
        value={"grown": round(grown, 1), "before": round(before)},
        met=grown <= GROWN,
        unit="MB",
        runs=ACTIONS,
    )
    await one.close()


async def act(visitor: Visitor, step: int) -> None:
    """One of what visitors do: mostly sliders, now and then a propagation or another tab."""
    if step % 20 == 19:
        await propagate(visitor)
    elif step % 10 == 9:
        await turn(visitor, ("Code", "Propagate", "Benchmark")[step // 10 % 3])
    else:
        await slide(visitor, step)


def main() -> None:
    """Serve, visit, measure."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with served() as (address, pid):
        asyncio.run(measured(address, pid))


if __name__ == "__main__":
    main()
