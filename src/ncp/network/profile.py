"""How long a network takes and how much memory, measured on this machine."""

from __future__ import annotations

import os
import platform
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ncp.cost import LARGEST_IMAGE, Head, macs, macs_by_part, require_countable
from ncp.errors import ConfigError
from ncp.network import winograd
from ncp.network.inference import InferenceNet
from ncp.network.net import MultiResolutionNet
from ncp.spaces.multires import Code

Device = Literal["cpu", "cuda"]
STAGES = ("stem", "stage 1", "stage 2", "stage 3", "stage 4", "head")


@dataclass(frozen=True)
class Conditions:
    """What a latency is measured for.

    Attributes:
        task: what the network ends in.
        classes: outputs of the classifier.
        image_size: height and width [pixels].
        batch: images at once.
        device: `cpu` or `cuda`.
        threads: that compute, on a processor.

    Raises:
        ConfigError: another task, a device that is not there, a number that is not positive, or more threads than
            cores.
    """

    task: Head = "classification"
    classes: int = 50
    image_size: tuple[int, int] = (224, 224)
    batch: int = 1
    device: Device = "cpu"
    threads: int = 1

    def __post_init__(self) -> None:
        if self.device not in ("cpu", "cuda"):
            raise ConfigError("{field} must be cpu or cuda, got {given}.", field="device", given=self.device)
        if self.device == "cuda" and not torch.cuda.is_available():
            raise ConfigError("{field} is cuda, but torch finds no GPU. Use cpu.", field="device", given=self.device)
        require_countable(32, self.classes, self.task)
        if not isinstance(self.image_size, tuple) or len(self.image_size) != 2:
            raise ConfigError(
                "{field} must be a pair, height and width, got {given}.", field="image_size", given=self.image_size
            )
        for name, number in (
            ("batch", self.batch),
            ("threads", self.threads),
            *(("image_size", side) for side in self.image_size),
        ):
            if type(number) is not int or number < 1:
                raise ConfigError("{field} must be a positive integer, got {given}.", field=name, given=number)
        cores = os.cpu_count() or 1
        if self.device == "cpu" and self.threads > cores:
            raise ConfigError(
                "{field} must be at most {cores}, the cores of this machine, got {given}.",
                field="threads",
                given=self.threads,
                cores=cores,
            )

    def require_memory(self, code: Code) -> None:
        """Refuse to measure what does not fit in memory, as far as a pass without numbers tells.

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
        """The network of a code, as it is measured."""
        net = MultiResolutionNet(code, task=self.task, num_classes=self.classes).to(self.device)
        return net.for_inference()

    def images(self) -> Tensor:
        """A batch of images."""
        return torch.rand(self.batch, 3, *self.image_size).to(self.device)


@dataclass(frozen=True)
class Latency:
    """Times of one forward pass after warm-up [ms]."""

    batch: int
    median: float
    p90: float
    runs: int


@dataclass(frozen=True)
class Part:
    """One of `STAGES`.

    Attributes:
        name: which.
        shapes: of its maps, `(batch, channels, height, width)` each.
        macs: multiply-adds per image; None for a size at which they are not counted.
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
    """What a network costs on this machine.

    Attributes:
        code: its text.
        conditions: for what it was measured.
        processor: what computed.
        parts: stem, stages and head, in the order in which they compute, for a batch as in `conditions`.
        latencies: of one image, and of a batch if that is more.
        peak_bytes: most bytes of weights and maps that were held at once, for a batch.
    """

    code: str
    conditions: Conditions
    processor: str
    parts: tuple[Part, ...]
    latencies: tuple[Latency, ...]
    peak_bytes: int


def profile(code: Code, conditions: Conditions, seconds: float = 1.0) -> Profile:
    """Measure the network of a code, made for inference; about `seconds` for every figure.

    Raises:
        ConfigError: images that do not fit in memory.
    """
    conditions.require_memory(code)
    net = conditions.network(code)
    images = conditions.images()
    with _threads(conditions):
        sizes = sorted({1, conditions.batch})
        latencies = [latency(partial(net, images[:size]), size, conditions, seconds) for size in sizes]
        walks = [_walked(net, images, conditions) for _ in range(max(3, min(latencies[-1].runs, 20)))]
        peak = _peak_bytes(net, images, conditions)
    return Profile(
        str(code),
        conditions,
        processor(conditions.device),
        tuple(
            Part(*facts)
            for facts in zip(
                STAGES,
                walks[0][0],
                _macs_by_stage(code, conditions),
                _params_by_stage(code, conditions),
                np.median([times for _, times in walks], axis=0).tolist(),
                strict=True,
            )
        ),
        tuple(latencies),
        peak,
    )


def measure(code: Code, conditions: Conditions, seconds: float = 0.2) -> Latency:
    """The latency of a code's network, made for inference."""
    net, images = conditions.network(code), conditions.images()
    with _threads(conditions):
        return latency(lambda: net(images), conditions.batch, conditions, seconds)


def latency(forward: Callable[[], object], batch: int, conditions: Conditions, seconds: float) -> Latency:
    """Times of `forward`: after three that do not count, for about so many seconds, five at least."""
    for _ in range(3):
        forward()
    times: list[float] = []
    while len(times) < 5 or (sum(times) < seconds and len(times) < 1000):
        times.append(_timed(forward, conditions)[1])
    median, p90 = np.quantile(times, [0.5, 0.9]) * 1e3
    return Latency(batch, float(median), float(p90), len(times))


def processor(device: Device) -> str:
    """The name of what computes."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _timed(forward: Callable[[], Any], conditions: Conditions) -> tuple[Any, float]:
    """What a call returns, and how long it takes [s]."""
    if conditions.device == "cuda":
        torch.cuda.synchronize()
    began = perf_counter()
    result = forward()
    if conditions.device == "cuda":
        torch.cuda.synchronize()
    return result, perf_counter() - began


def _walked(
    net: InferenceNet, images: Tensor, conditions: Conditions
) -> tuple[list[tuple[tuple[int, ...], ...]], list[float]]:
    """One pass part by part: the shapes of every part's maps, and its time [ms]."""
    shapes, times = [], []
    maps: Any = images
    steps: list[Callable[[Any], Any]] = [net.stem, *(partial(_through, modules) for modules in _modules(net)), net.head]
    for part in steps:
        maps, spent = _timed(partial(part, maps), conditions)
        found = maps if isinstance(maps, list) else [maps]
        shapes.append(tuple(tuple(x.shape) for x in found))
        times.append(spent * 1e3)
    return shapes, times


def _macs_by_stage(code: Code, conditions: Conditions) -> list[int | None]:
    if any(side % 32 or side > LARGEST_IMAGE for side in conditions.image_size):
        return [None] * len(STAGES)
    parts = [int(part) for part in macs_by_part(np.array(code.vector), conditions.image_size)]
    sizes = (1, 2, 3, 4, 5)  # the stem, then a stage's branches and its fusions
    ends = np.cumsum(sizes)
    stages = [sum(parts[end - size : end]) for size, end in zip(sizes, ends, strict=True)]
    whole = int(macs(code.vector, conditions.image_size, conditions.classes, conditions.task).item())
    return [*stages, whole - sum(stages)]


def _params_by_stage(code: Code, conditions: Conditions) -> list[int]:
    with torch.device("meta"):
        net = MultiResolutionNet(code, task=conditions.task, num_classes=conditions.classes)
    groups: list[list[nn.Module]] = [[net.downsamples], *_modules(net)]
    counts = [sum(p.numel() for module in group for p in module.parameters()) for group in groups]
    return [*counts, sum(p.numel() for p in net.parameters()) - sum(counts)]


def _modules(net: InferenceNet | MultiResolutionNet) -> list[list[nn.Module]]:
    """The fusions and parallel parts of every stage."""
    features = iter(net.features)
    return [list(islice(features, 2 * stage.modules)) for stage in net.code.stages]


@torch.no_grad()
def _through(modules: list[nn.Module], maps: list[Tensor]) -> list[Tensor]:
    for module in modules:
        maps = module(maps)
    return maps


@contextmanager
def _threads(conditions: Conditions) -> Iterator[None]:
    """Compute with as many threads as the conditions say."""
    before = torch.get_num_threads()
    torch.set_num_threads(conditions.threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _peak_bytes(net: InferenceNet, images: Tensor, conditions: Conditions) -> int:
    """Most bytes of weights and maps at once: on a GPU as torch's allocator counts, else of the tensors alive."""
    if conditions.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        net(images)
        return int(torch.cuda.max_memory_allocated())
    winograd.release()
    return _bytes_alive(net, images)


@torch.no_grad()
def _bytes_alive(net: nn.Module, images: Tensor) -> int:
    """Most bytes of the tensors that are alive at once in a pass: weights, images and maps."""
    with _Alive() as alive:
        net(images)
    return sum(int(x.nbytes) for x in (*net.parameters(), *net.buffers(), images)) + int(alive.peak)


def _memory(device: Device) -> int:
    """The bytes that a process can have."""
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[1])
    if not hasattr(os, "sysconf"):  # where the system does not tell
        return sys.maxsize
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    with suppress(OSError, ValueError):  # a container's limit, where there is one
        sizes.append(int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    return min(sizes)


class _Alive(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of the tensors that are alive at once."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now, self.peak, self.known = 0, 0, set[int]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and look at what it returns."""
        results = func(*args, **(kwargs or {}))
        mine = {x.untyped_storage()._cdata for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)}
        for result in tree_leaves(results):
            if isinstance(result, Tensor):
                storage = result.untyped_storage()
                place, size = storage._cdata, storage.nbytes()  # tensors without numbers have no address
                if place not in mine and place not in self.known:
                    self.known.add(place)
                    self.now += size
                    self.peak = max(self.peak, self.now)
                    weakref.finalize(storage, self._gone, place, size)
        return results

    def _gone(self, place: int, size: int) -> None:
        self.known.discard(place)
        self.now -= size
