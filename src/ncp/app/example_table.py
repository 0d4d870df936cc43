"""A small table to try the upload with."""

from __future__ import annotations

from itertools import product
from math import log, sin

from ncp.app.downloads import csv_of

NAME = "example.csv"
_BLOCKS = {"plain": 0.0, "bottleneck": 1.5, "depthwise": 1.0}
_SPEED = {"plain": 1.0, "bottleneck": 0.7, "depthwise": 0.4}


def example_csv() -> bytes:
    """Made-up accuracies [%] and latencies [ms] of 96 networks."""
    rows = []
    for k, (width, depth, block) in enumerate(product(range(16, 144, 16), (1, 2, 3, 5), _BLOCKS)):
        noise = 0.3 * sin(12.9898 * k)
        accuracy = 58 + 3 * log(width) + 2 * log(depth) + _BLOCKS[block] + noise
        latency = 0.5 + width * depth * _SPEED[block] / 60
        rows.append((width, depth, block, round(accuracy, 2), round(latency, 2)))
    return csv_of(("width", "depth", "block", "accuracy", "latency"), rows)
