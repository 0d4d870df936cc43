"""What every benchmark shares: fixed threads, a median over repeats, and one entry per claim in results.json.

from measure import median_seconds, record, use_threads

use_threads(1)
seconds = median_seconds(lambda: ncp.macs(codes))
record("cost/million", claim="A million codes priced on one core", target="<= 1.5 s",
       value=seconds, unit="s", runs=5, met=seconds <= 1.5)
"""

import json
import os
import platform
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from ncp.io.files import whole_file

RESULTS = Path(__file__).with_name("results.json")
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []  # Linux tells; others do not


def use_threads(threads: int) -> None:
    """Compute with `threads` threads: as many cores for the whole process (on Linux), torch's and BLAS's own counts.

    BLAS with more threads than cores waits for itself.
    """
    if CORES:
        for task in Path("/proc/self/task").iterdir():  # numpy's threads are there since it was imported
            os.sched_setaffinity(int(task.name), CORES[:threads])
    import scipy.linalg  # noqa: F401  its BLAS is limited only once it is there
    import torch
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads)
    torch.set_num_threads(threads)


def median_seconds(function: Callable[[], object], repeats: int = 5) -> float:
    """The median wall time of `repeats` calls, after one that does not count [s]."""
    function()
    seconds = []
    for _ in range(repeats):
        start = perf_counter()
        function()
        seconds.append(perf_counter() - start)
    return median(seconds)


def record(
    name: str,
    *,
    claim: str,
    target: str,
    value: float | dict[str, Any],
    met: bool,
    note: str = "",
    unit: str = "",
    runs: int = 1,
) -> None:
    """Print a claim and write it as the entry `name` of results.json; `runs` is how many the value stands for."""
    entry = {"claim": claim, "target": target, "value": value, "met": met, "note": note, "unit": unit, "runs": runs}
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    results[name] = entry | {"threads": _threads(), "date": datetime.now(UTC).date().isoformat(), "machine": _machine()}
    with whole_file(RESULTS) as temporary:
        temporary.write_text(json.dumps(results, indent=2, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")
    print(f"{'met' if met else 'MISSED':6}  {name}: {json.dumps(value)} {unit} (target: {target})")


def _threads() -> int:
    if "torch" in sys.modules:
        return sys.modules["torch"].get_num_threads()
    return len(os.sched_getaffinity(0)) if CORES else os.cpu_count() or 1


def _machine() -> dict[str, Any]:
    """Facts that a timing depends on; nothing that names the machine."""
    packages = {package: version(package) for package in ("numpy", "torch")}
    return {"cpus": os.cpu_count(), "system": platform.system(), "python": platform.python_version()} | packages
