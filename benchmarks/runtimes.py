"""Inference on one core of a processor, in every runtime and precision, against the network in plain torch.

python -m benchmarks.runtimes [speed calibration]
"""

import sys
import tempfile
from copy import deepcopy
from functools import partial
from itertools import product
from pathlib import Path
from time import perf_counter

import torch
from torch import Tensor, nn

import ncp
from benchmarks.measure import in_turns, record, use_threads
from benchmarks.network import CODES, pair
from ncp.errors import ConfigError
from ncp.network.latency import calibrate
from ncp.network.profile import Conditions
from ncp.network.runtimes import RUNTIMES, Forward, prepare

SIZES = (224, 512)
RUNS = {"small": 60, "middle": 10, "large": 4}
BFLOAT16 = {"small": 2.5, "middle": 4.0}
"""How many times as fast as plain torch in float32 our inference form in bfloat16 shall be."""
LARGEST_ERROR = 0.03
OURS, RIVAL = "torch float32", "onnxruntime float32"
CALIBRATED, PIXELS = 100, 128


def speed() -> None:
    """Every runtime and precision in turns, on the same network and image, and the errors of bfloat16."""
    ratios: dict[str, dict[str, dict[str, float]]] = {name: {} for name in CODES}
    errors: dict[str, dict[str, dict[str, float]]] = {name: {} for name in CODES}
    for (name, text), size in product(CODES.items(), SIZES):
        torch.manual_seed(0)
        net, plain = pair(text)
        image = torch.randn(1, 3, size, size)
        ways: dict[str, Forward] = {"plain": plain.eval(), **contenders(net.eval(), size)}
        ways["plain bfloat16"] = Rounded(deepcopy(plain))
        with torch.inference_mode():
            expected = plain(image)
            errors[name][str(size)] = {
                key(way): round(error(forward(image), expected), 4)
                for way, forward in ways.items()
                if way.endswith("bfloat16")
            }
            seconds = in_turns([partial(forward, image) for forward in ways.values()], RUNS[name])
        times = dict(zip(ways, seconds, strict=True))
        ratios[name][str(size)] = {key(way): round(times["plain"] / times[way], 2) for way in ways if way != "plain"}
        print(name, size, {way: round(1e3 * each, 2) for way, each in times.items()}, flush=True)
    _record_speed(ratios)
    worst = max(each for by_size in errors.values() for by_way in by_size.values() for each in by_way.values())
    record(
        "runtimes/errors",
        claim="Largest difference of an output in bfloat16, relative to the largest output, by pixels; and the largest",
        target=f"<= {LARGEST_ERROR}",
        value={"largest": worst, **errors},
        met=worst <= LARGEST_ERROR,
        runs=1,
    )


def _record_speed(ratios: dict[str, dict[str, dict[str, float]]]) -> None:
    """Record the speed of every runtime, and of our inference form by precision."""
    record(
        "runtimes/speed",
        claim="Inference of one image on one core, in multiples of the speed of plain torch in float32, by pixels",
        target="none",
        value=ratios,
        met=True,
        runs=min(RUNS.values()),
        note=hardware(),
    )
    wanted, amx = ", ".join(f"{name} >= {least:g}" for name, least in BFLOAT16.items()), "amx_bf16" in flags()
    reached = {
        name: min(by_way[key("torch bfloat16")] for by_way in by_size.values()) for name, by_size in ratios.items()
    }
    record(
        "runtimes/bfloat16",
        claim="`for_inference`, compiled, in bfloat16, in multiples of plain torch's speed in float32, the lower of "
        "both sizes",
        target=wanted if amx else "none",
        value=reached,
        met=not amx or all(reached[name] >= least for name, least in BFLOAT16.items()),
        runs=min(RUNS.values()),
        note=hardware() + ("" if amx else f"; with AMX, the target is {wanted}"),
    )
    against = {
        name: {size: round(by_way[key(OURS)] / by_way[key(RIVAL)], 2) for size, by_way in by_size.items()}
        for name, by_size in ratios.items()
    }
    record(
        "runtimes/float32",
        claim="`for_inference`, compiled, in float32, in multiples of the speed of onnxruntime, by pixels",
        target=">= 1, or docs/network.md says that onnxruntime is faster, and how to use it",
        value=against,
        met=True,
        runs=min(RUNS.values()),
        note="below 1, the documentation says it",
    )


def calibration() -> None:
    """How well latencies in OpenVINO are predicted."""
    conditions = Conditions(image_size=(PIXELS, PIXELS), runtime="openvino")
    with tempfile.TemporaryDirectory() as folder:
        began = perf_counter()
        error = calibrate(Path(folder) / "latency.json", conditions, CALIBRATED).error
        seconds = perf_counter() - began
    record(
        "runtimes/calibration",
        claim=f"Predicted latency in OpenVINO of {error.codes} codes that were not used for calibration ({CALIBRATED} "
        f"codes measured, {PIXELS} pixels, batch 1): mean relative error and Kendall's tau; time of the calibration",
        target="error <= 0.12, tau >= 0.85",
        value={"error": round(error.mape, 4), "tau": round(error.tau, 4), "seconds": round(seconds, 1)},
        met=error.mape <= 0.12 and error.tau >= 0.85,
    )


class Rounded(nn.Module):
    """A network in bfloat16 whose images and outputs are float32."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net.bfloat16()

    def forward(self, image: Tensor) -> Tensor:
        """As the network."""
        y: Tensor = self.net(image.bfloat16())
        return y.float()


def contenders(net: ncp.MultiResolutionNet, size: int) -> dict[str, Forward]:
    """The network in every runtime and precision that there is here."""
    found: dict[str, Forward] = {}
    for name, runtime in RUNTIMES.items():
        for precision in runtime.precisions:
            try:
                found[f"{name} {precision}"] = prepare(net, name, precision, image_size=size)
            except ConfigError as refused:
                print(f"left out: {refused}")
    return found


def error(got: Tensor | list[Tensor], expected: Tensor) -> float:
    """The largest difference, relative to the largest output."""
    assert isinstance(got, Tensor)  # noqa: S101
    return float((got - expected).abs().max() / expected.abs().max())


def key(way: str) -> str:
    """The name of a runtime and precision in results.json."""
    return way.replace(" ", "_")


def flags() -> list[str]:
    """What the processor can do, as Linux names it; empty elsewhere."""
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return []


def hardware() -> str:
    """How the processor computes in bfloat16."""
    if "amx_bf16" in flags():
        return "a processor with AMX"
    return f"a processor without AMX, {'with' if 'avx512_bf16' in flags() else 'and without'} AVX-512 for bfloat16"


if __name__ == "__main__":
    use_threads(1)
    for part in sys.argv[1:] or ("speed", "calibration"):
        {"speed": speed, "calibration": calibration}[part]()
