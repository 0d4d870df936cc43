"""Latency as a budget: calibrate this machine, predict the latency of other codes, search, and measure what is found.

python -m benchmarks.latency
"""

import tempfile
from pathlib import Path
from time import perf_counter

import ncp
from benchmarks.measure import record, use_threads
from ncp.network.latency import LatencyModel, calibrate
from ncp.network.profile import Conditions

CODES, PIXELS = 300, 128
BOUNDS = (5, 10, 20)


def calibrated(conditions: Conditions) -> tuple[LatencyModel, float]:
    """A latency model of this machine, and how long the measurements took [s]."""
    with tempfile.TemporaryDirectory() as folder:
        began = perf_counter()
        return calibrate(Path(folder) / "latency.json", conditions, CODES), perf_counter() - began


def slowest_found(budget: ncp.Budget) -> float:
    """The highest measured latency of the five codes that a search within a latency budget finds [ms]."""
    rows = ncp.search(ncp.Objective({"seg": 1.0, "video": 1.0}), budget=budget, top=5).rows
    return round(max(row.verified["latency [ms]"].mean for row in rows), 2)


def main() -> None:
    """Measure a few hundred codes with two threads, then search within three bounds."""
    use_threads(2)
    model, seconds = calibrated(Conditions(image_size=(PIXELS, PIXELS), threads=2))
    error = model.error
    record(
        "latency/calibration",
        claim=f"Predicted latency of {error.codes} codes that were not used for calibration ({CODES} codes measured, "
        f"{PIXELS} pixels, batch 1): mean relative error and Kendall's tau; time of the calibration",
        target="error <= 0.12, tau >= 0.85",
        value={"error": round(error.mape, 4), "tau": round(error.tau, 4), "seconds": round(seconds, 1)},
        met=error.mape <= 0.12 and error.tau >= 0.85,
    )
    record(
        "latency/search",
        claim="Highest measured latency of the five codes that a search finds, by its bound on predicted latency",
        target="none",
        value={
            f"within_{bound}_ms": slowest_found(ncp.Budget(max_latency_ms=bound, latency=model)) for bound in BOUNDS
        },
        unit="ms",
        met=True,
        runs=len(BOUNDS),
    )


if __name__ == "__main__":
    main()
