"""The app under load: how fast it answers one session and twenty, and how its memory grows.

python -m benchmarks.app      needs the extra app

The clients run in this process, on the same cores as the app.
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
from benchmarks.client import Client
from benchmarks.measure import record

NCP = str(Path(sys.executable).with_name("ncp"))
CROWD = 20
ACTIONS, FIRST_ACTIONS = 500, 100
"""Actions between the two measurements of the memory, and before the first one."""
GROWTH = 20.0
"""The memory may grow by this much [MB]; it fluctuates by less between two measurements."""


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


async def slide(client: Client, step: int) -> float:
    """Move a slider, and wait until the page shows another code [s]."""
    sliders = client.listening("slide")
    before = client.elements[str(sliders[0])]["props"]["values"]
    place = step % len(before)
    index = (before[place] + 1) % 4
    wanted = [*before[:place], index, *before[place + 1 :]]
    began = time.perf_counter()
    await client.send(sliders, {"place": place, "index": index})
    await client.until(lambda: client.elements[str(sliders[0])]["props"]["values"] == wanted)
    return time.perf_counter() - began


async def select(client: Client, tab: str) -> None:
    """Open another tab."""
    tabs = client.listening("update:modelValue", **{"aria-label": "tabs"})
    await client.send(tabs, tab)


async def search(client: Client) -> float:
    """Press the button, and wait for the film and the first codes [s]; the search goes on."""
    button = client.listening("click", label="Search")
    animation = next(key for key, element in client.elements.items() if "frames" in element.get("props", {}))
    run = client.elements[animation]["props"]["run"]
    began = time.perf_counter()
    await client.send(button, {})
    await client.until(lambda: client.elements[animation]["props"]["run"] > run)
    if "The best " not in client.shown():
        raise LookupError("no codes were found")
    return time.perf_counter() - began


async def open_tab(client: Client) -> None:
    """Load the page, and open the tab Search."""
    await client.open()
    await select(client, "Search")
    await client.until(lambda: any("frames" in e.get("props", {}) for e in client.elements.values()))


async def act(client: Client, step: int) -> None:
    """Do what users do: mostly move sliders, sometimes search or open another tab."""
    if step % 20 == 19:
        await search(client)
    elif step % 10 == 9:
        await select(client, ("Code", "Search", "Benchmark")[step // 10 % 3])
    else:
        await slide(client, step)


async def measure_one(client: Client) -> None:
    """Measure the answers to a single session."""
    await search(client)
    moves = [await slide(client, step) for step in range(60)]
    record(
        "app/slider",
        claim="After a slider moves: until drawing, cost, 19 predictions and percentiles are shown",
        target="<= 0.3 s",
        value={"median": round(median(moves), 4), "slowest": round(max(moves), 4)},
        met=max(moves) <= 0.3,
        unit="s",
        runs=len(moves),
    )
    alone = [await search(client) for _ in range(5)]
    record(
        "app/movement",
        claim="After Search is pressed: until the film starts, with all steps and the first ten codes",
        target="<= 1 s",
        value=round(median(alone), 3),
        met=median(alone) <= 1,
        unit="s",
        runs=len(alone),
    )


async def measure_busy(client: Client) -> None:
    """Press Search on an idle machine, and while another program computes on every core."""
    await search(client)
    alone = [await search(client) for _ in range(9)]
    with busy_machine():
        await search(client)
        beside = [await search(client) for _ in range(9)]
    record_busy("app/busy", median(alone), median(beside), runs=len(alone))


async def measure_crowd(client: Client, address: str) -> None:
    """Twenty other sessions search while this one moves sliders."""
    crowd = [Client(address) for _ in range(CROWD)]
    await asyncio.gather(*(open_tab(each) for each in crowd))
    answers = asyncio.gather(*(search(each) for each in crowd))
    meanwhile: list[float] = []
    while not answers.done():
        meanwhile.append(await slide(client, len(meanwhile)))
        await asyncio.sleep(0.2)
    seconds = await answers
    record(
        "app/crowd",
        claim="Twenty sessions search at once: median and last first answer, and the slowest slider of another session",
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


async def measure_memory(client: Client, pid: int) -> None:
    """The memory before and after many actions."""
    for step in range(FIRST_ACTIONS):
        await act(client, step)
    await asyncio.sleep(15)  # until the server has dropped the sessions of the crowd
    before = megabytes(pid)
    for step in range(ACTIONS):
        await act(client, step)
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
    """Measure everything with one session that stays open."""
    client = Client(address)
    await open_tab(client)
    await measure_one(client)
    await measure_busy(client)
    await measure_crowd(client, address)
    await measure_memory(client, pid)
    await client.close()


def main() -> None:
    """Serve the app and measure it."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with served() as (address, pid):
        asyncio.run(measured(address, pid))


if __name__ == "__main__":
    main()
