"""Costs are exact on every published row, and a million codes are priced in 1.5 seconds on one core."""

import os
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.measure import median_seconds, record, use_threads
from ncp import MULTIRES, macs, params
from ncp.io.pickles import read_pickle

SHARED = Path(os.environ.get("NCP_SHARED") or Path(__file__).parents[2] / "shared")
CODES, SECONDS, MEGABYTES = 1_000_000, 1.5, 32


def main() -> None:
    """Check the published rows, where they are, and time random codes."""
    use_threads(1)
    exactness(SHARED / "data" / "nas-bench-mr" / "seg" / "trainval.pkl")
    codes = MULTIRES.sample(CODES, np.random.default_rng(0))
    for name, cost in (("macs", macs), ("params", params)):
        speed(name, cost, codes)
    memory(codes)


def exactness(path: Path) -> None:
    """Compare both costs with the table's, which are rounded to six and nine decimals."""
    if not path.exists():
        sys.exit(f"Expected the published table in {SHARED}. Got no such file. NCP_SHARED names another folder.")
    rows = read_pickle(path)
    codes = [row["embedding"] for row in rows]
    same = (macs(codes) == [round(row["flops"] * 1e9) for row in rows]) & (
        params(codes) == [round(row["params"] * 1e6) for row in rows]
    )
    record(
        "cost/exact",
        claim="MACs and parameters equal the published ones to the unit",
        target="2507 of 2507 rows",
        value=int(same.sum()),
        unit="rows",
        met=bool(same.all()) and len(rows) == 2507,
    )


def speed(name: str, cost: Callable[[object], object], codes: np.ndarray) -> None:
    """Time one cost."""
    seconds = median_seconds(lambda: cost(codes))
    record(
        f"cost/{name}",
        claim=f"The {name} of a million codes are computed on one core",
        target=f"<= {SECONDS:g} s",
        value=round(seconds, 3),
        unit="s",
        runs=5,
        met=seconds <= SECONDS,
    )


def memory(codes: np.ndarray) -> None:
    """Measure what pricing allocates beyond the codes."""
    tracemalloc.start()
    macs(codes)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    record(
        "cost/memory",
        claim="Pricing a million codes allocates little beside them",
        target=f"<= {MEGABYTES} MiB",
        value=round(peak, 1),
        unit="MiB",
        met=peak <= MEGABYTES,
        note=f"of these {CODES * 8 / 2**20:.1f} MiB are the result; the codes take {codes.nbytes / 2**20:.0f} MiB",
    )


if __name__ == "__main__":
    main()
