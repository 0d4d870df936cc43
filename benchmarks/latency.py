"""Latency as a budget: calibrate this machine, predict codes held out, search, and measure what is found.

python -m benchmarks.latency
"""

import tempfile
from pathlib import Path
from time import perf_counter

import ncp
from benchmarks.measure import record, use_threads
from ncp.network.latency import calibrate
from ncp.network.profile import Conditions

CODES, PIXELS = 300, 128
BOUNDS = (5, 10, 20)


def main() -> None:
    """Measure a few hundred codes with two threads; search within three bounds."""
    use_threads(2)
    with tempfile.TemporaryDirectory() as folder:
        began = perf_counter()
        model = calibrate(Path(folder) / "cpu.json", Conditions(image_size=(PIXELS, PIXELS), threads=2), CODES)
        seconds = perf_counter() - began
    error = model.error
    record(
        "latency/calibration",
        claim=f"{CODES} codes measured at {PIXELS} pixels, batch 1: mean absolute error and Kendall's tau of predicted "
        f"latencies on {error.codes} codes held out",
        target="error <= 0.12, tau >= 0.85",
        value={"error": round(error.mape, 4), "tau": round(error.tau, 4), "seconds": round(seconds, 1)},
        met=error.mape <= 0.12 and error.tau >= 0.85,
    )
    objective, found = ncp.Objective({"seg": 1.0, "video": 1.0}), {}
    for bound in BOUNDS:
        result = ncp.search(objective, budget=ncp.Budget(max_latency_ms=bound, latency=model), top=5)
        measured = [row.verified["latency [ms]"].mean for row in result.rows]
        found[f"{bound} ms"] = round(max(measured), 2)
    record(
        "latency/search",
        claim="The highest measured latency of the five codes that a search finds within a bound on predicted latency",
        target="none",
        value=found,
        met=True,
        runs=len(BOUNDS),
    )


if __name__ == "__main__":
    main()
