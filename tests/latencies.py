"""Latencies computed from codes instead of measured, for tests that need many of them at once."""

import json
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ncp import Code, LatencyModel, macs
from ncp.network.latency import random_codes
from ncp.network.profile import Conditions, Latency, processor
from ncp.spaces.arrays import Reals

CONDITIONS = Conditions(image_size=(64, 64))
require_memory_once = cache(Conditions.require_memory)
"""Refuses as `Conditions.require_memory`, whose pass on tensors without data takes half a second, and remembers."""


def milliseconds(codes: Any) -> Reals:
    """A latency of every code, `(n,)`: a constant, multiply-adds, and 2 percent that nothing explains."""
    rows = np.atleast_2d(codes)
    return (1 + macs(rows) / 1e8) * np.exp(0.02 * np.sin(rows @ np.arange(1, 28) ** 2.0))


def computed(code: Code, conditions: Conditions, seconds: float = 0.0) -> Latency:  # noqa: ARG001
    """What stands in for `ncp.network.profile.measure`."""
    median = float(milliseconds(code.vector)[0])
    return Latency(conditions.batch, median, 1.05 * median, 5)


@cache
def latency_model(count: int = 50) -> LatencyModel:
    """A model of this machine, fitted on computed latencies."""
    codes = random_codes(count, np.random.default_rng(0))
    return LatencyModel(CONDITIONS, processor("cpu"), codes, milliseconds(codes))


def write_latencies(path: Path, machine: str = "") -> None:
    """Write the file of `latency_model`, or that of another machine."""
    model = latency_model()
    texts = [str(Code(code.tolist())) for code in model.codes]
    known = {text: [float(time)] for text, time in zip(texts, model.milliseconds, strict=True)}
    about = {"format": 3, "machine": machine or model.machine, "conditions": asdict(model.conditions)}
    path.write_text(json.dumps({**about, "milliseconds": known}))
