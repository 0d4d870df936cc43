"""Compile a network for images of one shape on a processor, into few calls of fused kernels."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn

from ncp.network import winograd

WARM_UP = 3
"""Calls after which TorchScript has fused a graph: it watches the first one and compiles in the second one."""

_lock = threading.Lock()
"""Held while compiling: torch's switches apply to the whole process."""
_recording: ContextVar[bool] = ContextVar("recording", default=False)


class Compiled:
    """The forward pass of a network, compiled for images of one shape.

    TorchScript hands convolutions, sums and ReLUs to oneDNN as one graph, whose kernels are chosen once and not in
    every call. Where oneDNN does not know the processor, or TorchScript cannot compile the network, it is
    computed kernel by kernel.

    Args:
        net: the network, in its inference form and on a processor. Do not change its weights afterwards.
        image: images of the shape; they are computed a few times.

    Attributes:
        works: whether TorchScript could compile the network.
    """

    def __init__(self, net: nn.Module, image: Tensor) -> None:
        self._kind = image.shape, image.dtype, image.device
        flat: Any = _Flat(net).eval()
        self._forward, self.works = flat, False
        with _compiling(), torch.no_grad():
            try:
                token = _recording.set(True)
                try:
                    traced = torch.jit.trace(flat, image, check_trace=False)  # type: ignore[no-untyped-call]
                finally:
                    _recording.reset(token)
                graph = torch.jit.freeze(traced)
                for _ in range(WARM_UP):
                    graph(image)
            except RuntimeError:  # maps of one pixel have no definite strides, on which TorchScript may fail
                return
        self._forward, self.works = graph, True

    def fits(self, image: Tensor) -> bool:
        """Whether the network was compiled for such images."""
        return (image.shape, image.dtype, image.device) == self._kind

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Tensor | list[Tensor]:
        """As the network, for images that fit."""
        results = self._forward(image)
        return results if isinstance(results, Tensor) else list(results)


def recording() -> bool:
    """Whether a network is being compiled, so that a forward pass is only recorded."""
    return not torch.compiler.is_compiling() and _recording.get()


def _winograd(x: Tensor, filters: Tensor, bias: Tensor, added: Tensor | None) -> Tensor:
    return winograd.convolve(x, filters, bias, added, rectify=True)


# an operator, so that a graph calls it instead of repeating what it did with its buffers
torch.library.define("ncp::winograd", "(Tensor x, Tensor filters, Tensor bias, Tensor? added) -> Tensor")
torch.library.impl("ncp::winograd", "CPU", _winograd)


class _Flat(nn.Module):
    """A network whose maps are a tuple instead of a list, as TorchScript wants them."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> Any:
        """As the network."""
        results = self.net(image)
        return results if isinstance(results, Tensor) else tuple(results)


@contextmanager
def _compiling() -> Iterator[None]:
    """Let TorchScript use oneDNN, and hide two expected warnings: it is deprecated, and a trace has fixed shapes.

    Graphs go into a compilation unit of their own, which is freed with them. Torch's own one keeps every graph and its
    weights until the process ends.
    """
    with _lock, warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="torch")
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)  # type: ignore[attr-defined]
        state: Any = torch.jit._state
        before, unit = torch.jit.onednn_fusion_enabled(), state._python_cu  # type: ignore[no-untyped-call]
        torch.jit.enable_onednn_fusion(True)
        state._python_cu = torch._C.CompilationUnit()
        try:
            yield
        finally:
            state._python_cu = unit
            torch.jit.enable_onednn_fusion(before)
