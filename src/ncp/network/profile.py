"""Measure the time and the memory of a network on this machine."""

from __future__ import annotations

import os
import platform
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ncp.cost import LARGEST_IMAGE, MOST_CLASSES, Head, macs, macs_by_part, require_head
from ncp.errors import ConfigError
from ncp.network import winograd
from ncp.network.backbone import Backbone
from ncp.network.inference import InferenceNet
from ncp.network.net import MultiResolutionNet
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

    Raises:
        ConfigError: an unknown task, a missing device, a number that is not positive, or more threads than cores.
    """

    task: Head = "classification"
    classes: int = 50
    image_size: tuple[int, int] = (224, 224)
    batch: int = 1
    device: Device = "cpu"
    threads: int = 1

    def __post_init__(self) -> None:
        if self.device not in ("cpu", "cuda"):
            raise ConfigError("{field} must be cpu or cuda. Got {given}.", field="device", given=self.device)
        if self.device == "cuda" and not torch.cuda.is_available():
            raise ConfigError("{field} is cuda, but torch finds no GPU. Use cpu.", field="device", given=self.device)
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

    def require_memory(self, code: Code) -> None:
        """Refuse images that do not fit in memory, by a forward pass on tensors without data.

        Raises:
            ConfigError: too many or too large images.
        """
        try:
            with torch.device("meta"):
                net = MultiResolutionNet(code, task=self.task, num_classes=self.classes).eval()
                images = torch.empty(self.batch, 3, *self.image_size)
            needed = _bytes_alive(net, images)
        except (RuntimeError, TypeError):  # more bytes than can be counted
            needed = sys.maxsize
        memory = _memory(self.device)
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
        """The network of a code in its inference form."""
        net = MultiResolutionNet(code, task=self.task, num_classes=self.classes).to(self.device)
        return net.for_inference()

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
        milliseconds: median time [ms].
    """

    name: str
    shapes: tuple[tuple[int, ...], ...]
    macs: int | None
    params: int
    milliseconds: float


@dataclass(frozen=True)
class Profile:
    """The cost of a network on this machine.

    Attributes:
        code: the text of the architecture.
        conditions: the conditions of the measurement.
        processor: the name of the CPU or GPU.
        stages: stem, stages and head, in order, for a batch as in `conditions`.
        latencies: for one image, and for a batch if that is more than one.
        peak_bytes: the peak memory of weights and maps, for a batch.
    """

    code: str
    conditions: Conditions
    processor: str
    stages: tuple[StageProfile, ...]
    latencies: tuple[Latency, ...]
    peak_bytes: int


def profile(code: Code, conditions: Conditions, seconds: float = 1.0) -> Profile:
    """Measure the network of a code in its inference form, spending about `seconds` on every figure.

    Raises:
        ConfigError: images that do not fit in memory.
    """
    conditions.require_memory(code)
    net = conditions.network(code)
    images = conditions.images()
    with _threads(conditions):
        sizes = sorted({1, conditions.batch})
        latencies = [latency(partial(net, images[:size]), size, conditions, seconds) for size in sizes]
        passes = [_stage_by_stage(net, images, conditions) for _ in range(max(3, min(latencies[-1].runs, 20)))]
        peak = _peak_bytes(net, images, conditions)
    stages = zip(
        STAGE_NAMES,
        passes[0][0],
        _macs_by_stage(code, conditions),
        _params_by_stage(code, conditions),
        np.median([times for _, times in passes], axis=0).tolist(),
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
    """Measure the latency of a code's network in its inference form, for about `seconds`."""
    net, images = conditions.network(code), conditions.images()
    with _threads(conditions):
        return latency(lambda: net(images), conditions.batch, conditions, seconds)


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
    return _bytes_alive(net, images)


@torch.no_grad()
def _bytes_alive(net: nn.Module, images: Tensor) -> int:
    """The most bytes of weights, images and maps that are alive at once in a pass."""
    with _Alive() as alive:
        net(images)
    return sum(int(x.nbytes) for x in (*net.parameters(), *net.buffers(), images)) + int(alive.peak)


def _memory(device: Device) -> int:
    """The memory that a process may use [bytes]."""
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[1])
    if not hasattr(os, "sysconf"):  # the size is unknown on this system
        return sys.maxsize
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    with suppress(OSError, ValueError):  # the limit of a container, if any
        sizes.append(int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    return min(sizes)


class _Alive(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Count the bytes of the tensors that are alive at once."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now, self.peak, self.known = 0, 0, set[int]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and count the storage of its results."""
        results = func(*args, **(kwargs or {}))
        mine = {x.untyped_storage()._cdata for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)}
        for result in tree_leaves(results):
            if isinstance(result, Tensor):
                storage = result.untyped_storage()
                place, size = storage._cdata, storage.nbytes()  # tensors without data have no address
                if place not in mine and place not in self.known:
                    self.known.add(place)
                    self.now += size
                    self.peak = max(self.peak, self.now)
                    weakref.finalize(storage, self._gone, place, size)
        return results

    def _gone(self, place: int, size: int) -> None:
        self.known.discard(place)
        self.now -= size
