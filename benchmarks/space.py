"""Sampling a million codes, and snapping a million points, on one core."""

import numpy as np

from benchmarks.measure import median_seconds, record, use_threads
from ncp import MULTIRES

CODES, SECONDS = 1_000_000, 2.0


def main() -> None:
    """Time both in the 27-dimensional space."""
    use_threads(1)
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 140, (CODES, MULTIRES.width))
    for name, claim, function in (
        ("space/sample", "Sampling a million codes, one core", lambda: MULTIRES.sample(CODES, rng)),
        ("space/snap", "Snapping a million points to codes, one core", lambda: MULTIRES.snap(points)),
    ):
        seconds = median_seconds(function)
        record(
            name,
            claim=claim,
            target=f"< {SECONDS:g} s",
            value=round(seconds, 3),
            unit="s",
            runs=5,
            met=seconds < SECONDS,
        )


if __name__ == "__main__":
    main()
