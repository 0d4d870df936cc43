"""Exact cost: equality with every published row, and the time and memory that a million codes take on one core."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.measure import SHARED, available, median_seconds, record, use_threads
from ncp import MULTIRES, macs, params
from ncp.io.pickles import read_pickle
from ncp.tables.sources import cache_dir

CODES, SECONDS, MEGABYTES = 1_000_000, 1.5, 32


def main() -> None:
    """Check the published rows if they are there, then price random codes."""
    use_threads(1)
    fetched = cache_dir() / "upstream" / "seg" / "trainval.pkl"
    published = fetched if fetched.exists() else SHARED / "data" / "nas-bench-mr" / "seg" / "trainval.pkl"
    if available(published, "cost/exact"):
        exactness(published)
    codes = MULTIRES.sample(CODES, np.random.default_rng(0))
    speed("macs", "multiply-adds", macs, codes)
    speed("params", "parameters", params, codes)
    memory(codes)


def exactness(path: Path) -> None:
    """Compare both costs with the published ones, which are rounded to nine and six decimals."""
    rows = read_pickle(path)
    codes = [row["embedding"] for row in rows]
    same = (macs(codes) == [round(row["flops"] * 1e9) for row in rows]) & (
        params(codes) == [round(row["params"] * 1e6) for row in rows]
    )
    record(
        "cost/exact",
        claim="Published networks whose multiply-adds and parameters are reproduced exactly",
        target="2507 of 2507",
        value=int(same.sum()),
        unit="networks",
        met=bool(same.all()) and len(rows) == 2507,
    )


def speed(name: str, noun: str, cost: Callable[[np.ndarray], np.ndarray], codes: np.ndarray) -> None:
    """Time one cost."""
    seconds = median_seconds(lambda: cost(codes))
    record(
        f"cost/{name}",
        claim=f"Computing the {noun} of a million codes, one core",
        target=f"<= {SECONDS:g} s",
        value=round(seconds, 3),
        unit="s",
        runs=5,
        met=seconds <= SECONDS,
    )


def memory(codes: np.ndarray) -> None:
    """Measure what is allocated beside the codes."""
    tracemalloc.start()
    macs(codes)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    record(
        "cost/memory",
        claim="Memory allocated while a million codes are priced",
        target=f"<= {MEGABYTES} MiB",
        value=round(peak, 1),
        unit="MiB",
        met=peak <= MEGABYTES,
        note=f"{CODES * 8 / 2**20:.1f} MiB of it are the result; the codes take {codes.nbytes / 2**20:.0f} MiB",
    )


if __name__ == "__main__":
    main()
