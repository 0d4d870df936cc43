"""Make the workers of a study: on this machine, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Sequence

from ncp.errors import ConfigError
from ncp.numbers import as_count
from ncp.processes import cores
from ncp.studies.local_pool import LocalPool, Pool
from ncp.studies.study_tasks import AnyTask
from ncp.tasks.command import CommandTask


def make_pool(
    ray: str | None, device: str | None, workers: int | None, threads: int | None, tasks: Sequence[AnyTask]
) -> Pool:
    """The workers. None is started before it gets something to do."""
    count = None if workers is None else as_count(workers, "workers")
    if ray is not None:
        from ncp.studies.ray_pool import RayPool

        return RayPool(ray, device, threads, count)
    devices = _devices(device, all(isinstance(task, CommandTask) for task in tasks))
    if count is None:
        count = len(devices) if devices[0] not in (None, "cpu") else max(cores() // 2, 1)
    threads = max(cores() // count, 1) if threads is None else as_count(threads, "threads")
    return LocalPool([devices[place % len(devices)] for place in range(count)], threads)


def _devices(device: str | None, commands: bool) -> list[str | None]:
    """The devices that workers share out. A command sees all of them unless the caller names some."""
    if device not in (None, "cuda"):
        return [name.strip() for name in str(device).split(",")]
    if device is None and commands:
        return [None]
    import torch

    found: list[str | None] = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    if not found and device == "cuda":
        raise ConfigError("{field} cuda needs a GPU, and PyTorch finds none on this machine.", field="device")
    return found or ["cpu"]
