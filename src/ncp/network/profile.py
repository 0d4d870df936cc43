"""Measure the time and the memory of a network on this machine."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ncp.cost import LARGEST_IMAGE, MOST_CLASSES, Head, macs, macs_by_part, require_head
from ncp.errors import ConfigError
from ncp.network import winograd
from ncp.network.backbone import Backbone
from ncp.network.inference import InferenceNet, Precision, require_precision
from ncp.network.memory import bytes_alive, memory_of
from ncp.network.net import MultiResolutionNet
from ncp.network.runtimes import Forward, RuntimeName, as_runtime
from ncp.numbers import as_count
from ncp.spaces.multires import Code

Device = Literal["cpu", "cuda"]
STAGE_NAMES = ("stem", "stage 1", "stage 2", "stage 3", "stage 4", "head")


@dataclass(frozen=True)
class Conditions:
    """The conditions of a measurement.

    Attributes:
        task: the head of the network.
        classes: outputs of the classifier.
        image_size: height and width [pixels].
        batch: images per forward pass.
        device: `cpu` or `cuda`.
        threads: threads on a CPU.
        runtime: what computes the network: `torch`, `onnxruntime` or `openvino`.
        precision: the type of weights and maps, `float32` or `bfloat16`.

    Raises:
        ConfigError: an unknown task, runtime or precision, a missing device, a number that is not positive, more
            threads than cores, or a runtime that does not run on the device.
    """

    task: Head = "classification"
    classes: int = 50
    image_size: tuple[int, int] = (224, 224)
    batch: int = 1
    device: Device = "cpu"
    threads: int = 1
    runtime: RuntimeName = "torch"
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        as_runtime(self.runtime)
        require_precision(self.precision)
        if self.device not in ("cpu", "cuda"):
            raise ConfigError("{field} must be cpu or cuda. Got {given}.", field="device", given=self.device)
        if self.device == "cuda" and not torch.cuda.is_available():
            raise ConfigError("{field} is cuda, but torch finds no GPU. Use cpu.", field="device", given=self.device)
        if self.device == "cuda" and self.runtime != "torch":
            message = "{field} must be torch on cuda. Got {given}, which is measured on processors only."
            raise ConfigError(message, field="runtime", given=self.runtime)
        require_head(self.task)
        as_count(self.classes, "classes", most=MOST_CLASSES)
        if not isinstance(self.image_size, tuple) or len(self.image_size) != 2:
            raise ConfigError(
                "{field} must be a pair, height and width. Got {given}.", field="image_size", given=self.image_size
            )
        for name, number in (
            ("batch", self.batch),
            ("threads", self.threads),
            *(("image_size", side) for side in self.image_size),
        ):
            if type(number) is not int or number < 1:
                raise ConfigError("{field} must be a positive integer. Got {given}.", field=name, given=number)
        cores = os.cpu_count() or 1
        if self.device == "cpu" and self.threads > cores:
            raise ConfigError(
                "{field} must be at most {cores}, the cores of this machine. Got {given}.",
                field="threads",
                given=self.threads,
                cores=cores,
            )

    @property
    def text(self) -> str:
        """The conditions in words."""
        height, width = self.image_size
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        where = threads if self.device == "cpu" else "cuda"
        images = f"{self.task}, {self.classes} classes, {self.batch} x {height} x {width} pixels"
        return f"{images}, {where}, {self.runtime} in {self.precision}"

    def require_runtime(self) -> None:
        """Refuse a runtime that is not installed, or a precision that it or the processor lacks.

        Raises:
            ConfigError: the precision.
            MissingExtraError: the runtime is not installed.
        """
        as_runtime(self.runtime).require(self.precision)

    def require_memory(self, code: Code) -> None:
        """Refuse images that do not fit in memory, by a forward pass on tensors without data.

        Raises:
            ConfigError: too many or too large images.
        """
        try:
            with torch.device("meta"):
                net = MultiResolutionNet(code, task=self.task, num_classes=self.classes).eval()
                images = torch.empty(self.batch, 3, *self.image_size)
            needed = bytes_alive(net, images)
        except (RuntimeError, TypeError):  # more bytes than can be counted
            needed = sys.maxsize
        memory = memory_of(self.device)
        if needed > memory:
            height, width = self.image_size
            raise ConfigError(
                f"Images of {height} x {width} pixels{{together}} do not fit in the memory of {memory / 1e9:.1f} GB. "
                "Choose a smaller {field}.",
                field="batch" if self.batch > 1 else "image_size",
                given=self.batch,
                together=f", {self.batch} at once," if self.batch > 1 else "",
            )

    def network(self, code: Code) -> InferenceNet:
        """The network of a code in torch's inference form."""
        return self._trainable(code).for_inference(self.precision)

    def prepared(self, code: Code, batch: int) -> Forward:
        """The network of a code in the runtime, for this number of images, with torch's number of threads."""
        if self.runtime == "torch":
            return self.network(code)
        net = self._trainable(code)
        return as_runtime(self.runtime).prepared(net, (batch, net.in_channels, *self.image_size), self.precision)

    def _trainable(self, code: Code) -> MultiResolutionNet:
        return MultiResolutionNet(code, task=self.task, num_classes=self.classes).to(self.device)

    def images(self) -> Tensor:
        """A batch of random images."""
        return torch.rand(self.batch, 3, *self.image_size).to(self.device)


@dataclass(frozen=True)
class Latency:
    """Times of a forward pass after warm-up [ms], over a number of runs."""

    batch: int
    median: float
    p90: float
    runs: int


@dataclass(frozen=True)
class StageProfile:
    """The cost of the stem, of a stage or of the head.

    Attributes:
        name: one of `STAGE_NAMES`.
        shapes: the shapes of its output maps, `(batch, channels, height, width)` each.
        macs: multiply-adds per image; None for an image size at which `ncp.macs` does not count.
        params: trainable parameters.
        milliseconds: median time [ms]; None for a runtime that only computes whole networks.
    """

    name: str
    shapes: tuple[tuple[int, ...], ...]
    macs: int | None
    params: int
    milliseconds: float | None


@dataclass(frozen=True)
class Profile:
    """The cost of a network on this machine.

    Attributes:
        code: the text of the architecture.
        conditions: the conditions of the measurement.
        processor: the name of the CPU or GPU.
        stages: stem, stages and head, in order, for a batch as in `conditions`.
        latencies: for one image, and for a batch if that is more than one.
        peak_bytes: the peak memory of weights and maps, for a batch; None for other runtimes than torch.
    """

    code: str
    conditions: Conditions
    processor: str
    stages: tuple[StageProfile, ...]
    latencies: tuple[Latency, ...]
    peak_bytes: int | None


def profile(code: Code, conditions: Conditions, seconds: float = 1.0) -> Profile:
    """Measure the network of a code in its runtime, spending about `seconds` on every figure.

    Raises:
        ConfigError: images that do not fit in memory, or a precision that the runtime or the processor lacks.
        MissingExtraError: the runtime is not installed.
    """
    conditions.require_runtime()
    conditions.require_memory(code)
    images = conditions.images()
    with _threads(conditions):
        latencies = []
        for size in sorted({1, conditions.batch}):
            forward = conditions.prepared(code, size)
            latencies.append(latency(partial(forward, images[:size]), size, conditions, seconds))
        if isinstance(forward, InferenceNet):
            passes = [_stage_by_stage(forward, images, conditions) for _ in range(max(3, min(latencies[-1].runs, 20)))]
            times = np.median([spent for _, spent in passes], axis=0).tolist()
            shapes, peak = passes[0][0], _peak_bytes(forward, images, conditions)
        else:
            shapes, times, peak = _shapes(code, conditions), [None] * len(STAGE_NAMES), None
    stages = zip(
        STAGE_NAMES,
        shapes,
        _macs_by_stage(code, conditions),
        _params_by_stage(code, conditions),
        times,
        strict=True,
    )
    return Profile(
        code=str(code),
        conditions=conditions,
        processor=processor(conditions.device),
        stages=tuple(StageProfile(*stage) for stage in stages),
        latencies=tuple(latencies),
        peak_bytes=peak,
    )


def measure(code: Code, conditions: Conditions, seconds: float = 0.2) -> Latency:
    """Measure the latency of a code's network in its runtime, for about `seconds`."""
    images = conditions.images()
    with _threads(conditions):
        forward = conditions.prepared(code, conditions.batch)
        return latency(lambda: forward(images), conditions.batch, conditions, seconds)


def latency(forward: Callable[[], object], batch: int, conditions: Conditions, seconds: float) -> Latency:
    """Time `forward` for about `seconds`, at least five times, after three warm-up runs."""
    for _ in range(3):
        forward()
    times: list[float] = []
    while len(times) < 5 or (sum(times) < seconds and len(times) < 1000):
        times.append(_timed(forward, conditions)[1])
    median, p90 = np.quantile(times, [0.5, 0.9]) * 1e3
    return Latency(batch, float(median), float(p90), len(times))


def processor(device: Device) -> str:
    """The name of the CPU or GPU."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _timed(forward: Callable[[], Any], conditions: Conditions) -> tuple[Any, float]:
    """The result of a call, and its time [s]."""
    if conditions.device == "cuda":
        torch.cuda.synchronize()
    began = perf_counter()
    result = forward()
    if conditions.device == "cuda":
        torch.cuda.synchronize()
    return result, perf_counter() - began


@torch.no_grad()
def _stage_by_stage(
    net: Backbone, images: Tensor, conditions: Conditions
) -> tuple[list[tuple[tuple[int, ...], ...]], list[float]]:
    """One forward pass: the shapes of each stage's maps, and its time [ms]."""
    shapes, times = [], []
    maps: Any = images
    steps: list[Callable[[Any], Any]] = [net.stem, *(partial(_through, layers) for layers in net.stages()), net.head]
    for step in steps:
        maps, spent = _timed(partial(step, maps), conditions)
        found = maps if isinstance(maps, list) else [maps]
        shapes.append(tuple(tuple(x.shape) for x in found))
        times.append(spent * 1e3)
    return shapes, times


def _shapes(code: Code, conditions: Conditions) -> list[tuple[tuple[int, ...], ...]]:
    """The shapes of each stage's maps, by a forward pass on tensors without data."""
    with torch.device("meta"):
        net = MultiResolutionNet(code, task=conditions.task, num_classes=conditions.classes).eval()
        images = torch.empty(conditions.batch, net.in_channels, *conditions.image_size)
    return _stage_by_stage(net, images, conditions)[0]


def _macs_by_stage(code: Code, conditions: Conditions) -> list[int | None]:
    if any(side % 32 or side > LARGEST_IMAGE for side in conditions.image_size):
        return [None] * len(STAGE_NAMES)
    counts = [int(count) for count in macs_by_part(np.array(code.vector), conditions.image_size)]
    sizes = (1, 2, 3, 4, 5)  # the stem; then the branches of a stage and its fusions
    ends = np.cumsum(sizes)
    stages = [sum(counts[end - size : end]) for size, end in zip(sizes, ends, strict=True)]
    whole = int(macs(code.vector, conditions.image_size, conditions.classes, conditions.task).item())
    return [*stages, whole - sum(stages)]


def _params_by_stage(code: Code, conditions: Conditions) -> list[int]:
    with torch.device("meta"):
        net = MultiResolutionNet(code, task=conditions.task, num_classes=conditions.classes)
    groups: list[list[nn.Module]] = [[net.downsamples], *net.stages()]
    counts = [sum(p.numel() for module in group for p in module.parameters()) for group in groups]
    return [*counts, sum(p.numel() for p in net.parameters()) - sum(counts)]


def _through(layers: list[nn.Module], maps: list[Tensor]) -> list[Tensor]:
    for layer in layers:
        maps = layer(maps)
    return maps


@contextmanager
def _threads(conditions: Conditions) -> Iterator[None]:
    """Set torch's number of threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(conditions.threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _peak_bytes(net: InferenceNet, images: Tensor, conditions: Conditions) -> int:
    """The peak memory of a pass: on a GPU by torch's allocator, on a CPU by the tensors alive."""
    if conditions.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        net(images)
        return int(torch.cuda.max_memory_allocated())
    winograd.release()
    return bytes_alive(net, images)
