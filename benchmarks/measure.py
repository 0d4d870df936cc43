"""What all benchmarks share: fixed threads, median times, private data, and one entry per claim in results.json.

from benchmarks.measure import median_seconds, record, use_threads

use_threads(1)
seconds = median_seconds(lambda: ncp.macs(codes))
record("cost/macs", claim="Pricing a million codes on one core", target="<= 1.5 s",
       value=seconds, unit="s", runs=5, met=seconds <= 1.5)
"""

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from ncp.io.files import whole_file

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).with_name("results.json")
SHARED = Path(os.environ.get("NCP_SHARED") or ROOT.parent / "shared")
"""Files that are not published; `benchmarks/README.md` describes them."""

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
"""The cores that this process may use; empty where the system does not say (all but Linux)."""


def use_threads(threads: int) -> None:
    """Compute with `threads` threads: as many cores for the process (on Linux), and as many threads of torch and BLAS.

    BLAS waits for itself when it has more threads than cores.
    """
    if CORES:
        for task in Path("/proc/self/task").iterdir():  # numpy started its threads when it was imported
            os.sched_setaffinity(int(task.name), CORES[:threads])
    import scipy.linalg  # noqa: F401  threadpool_limits reaches only libraries that are loaded
    import torch
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads)
    torch.set_num_threads(threads)


def median_seconds(function: Callable[[], object], repeats: int = 5) -> float:
    """The median wall time of `repeats` calls, after one call to warm up [s]."""
    function()
    seconds = []
    for _ in range(repeats):
        start = perf_counter()
        function()
        seconds.append(perf_counter() - start)
    return median(seconds)


def in_turns(functions: Sequence[Callable[[], object]], runs: int) -> list[float]:
    """The median seconds of each function. They are called in turns, so that a slow minute slows all of them."""
    times: list[list[float]] = [[] for _ in functions]
    for run in range(runs + 1):
        for function, seconds in zip(functions, times, strict=True):
            start = perf_counter()
            function()
            if run:
                seconds.append(perf_counter() - start)
    return [median(seconds) for seconds in times]


def available(path: Path, claims: str) -> bool:
    """Whether a file is there that some claims need. If it is not, say that they are skipped, and why."""
    if path.exists():
        return True
    print(f"skipped {claims}: needs {path} (see benchmarks/README.md; NCP_SHARED names another folder than {SHARED})")
    return False


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
    """Print a claim, and write it as the entry `name` of results.json.

    Args:
        name: the module, a slash, and what is measured, such as `cost/macs`.
        claim: one sentence that says what the value is.
        target: the value that was aimed for; `none` if there is no target.
        value: a number, or numbers under names of lower-case letters, digits, `_` and `-`; dicts may be nested.
        met: whether the target is met.
        note: what a reader has to know beside it.
        unit: of a value that is one number, or of all numbers of a dict.
        runs: how many runs the value summarises.

    Raises:
        ValueError: a name or a key that is not of that form.
    """
    for key in (name, *_keys(value)):
        if not re.fullmatch(r"[a-z0-9_/-]+", key):
            raise ValueError(f"{key!r} is no key of results.json: use lower-case letters, digits, _, - and /.")
    entry = {"claim": claim, "target": target, "value": value, "met": met, "note": note, "unit": unit, "runs": runs}
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    results[name] = entry | _circumstances()
    with whole_file(RESULTS) as temporary:
        temporary.write_text(
            json.dumps(dict(sorted(results.items())), indent=2, allow_nan=False) + "\n", encoding="utf-8"
        )
    print(f"{'met' if met else 'MISSED':6}  {name}: {json.dumps(value)} {unit} (target: {target})")


def _keys(value: object) -> list[str]:
    """All keys of nested dicts."""
    if not isinstance(value, dict):
        return []
    return [key for name, inner in value.items() for key in (name, *_keys(inner))]


def _circumstances() -> dict[str, Any]:
    """When, on what and with which versions a value was measured; nothing that identifies the machine."""
    torch = sys.modules.get("torch")
    machine: dict[str, Any] = {"cpus": os.cpu_count(), "system": platform.system()}
    if torch and torch.cuda.is_available():
        machine["gpu"] = torch.cuda.get_device_name()
    return {
        "threads": torch.get_num_threads() if torch else len(CORES) or os.cpu_count() or 1,
        "date": datetime.now(UTC).date().isoformat(),
        "commit": _commit(),
        "machine": machine,
        "versions": {"python": platform.python_version(), "numpy": version("numpy"), "torch": version("torch")},
    }


def _commit() -> str:
    """The commit that was measured, and whether its code was changed; earlier entries and pages may have changed."""
    commit = _git("describe", "--always")
    return f"{commit}-dirty" if _git("status", "--porcelain", "--", "src", "benchmarks/*.py") else commit


def _git(*arguments: str) -> str:
    ran = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603, S607
    return ran.stdout.strip()
