"""The memory that a forward pass takes, and the memory that there is."""

from __future__ import annotations

import os
import sys
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


@torch.no_grad()
def bytes_alive(net: nn.Module, images: Tensor) -> int:
    """Count the most bytes of weights, images and maps that are alive at once in a pass."""
    with _Alive() as alive:
        net(images)
    return sum(int(x.nbytes) for x in (*net.parameters(), *net.buffers(), images)) + int(alive.peak)


def memory_of(device: str) -> int:
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
