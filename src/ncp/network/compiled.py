"""Compile a network for images of one shape on a processor, into few calls of fused kernels."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn

from ncp.network import winograd

Step = Callable[..., Tensor | list[Tensor]]
"""Maps one or several tensors to one or several."""
WARM_UP = 3
"""Calls after which TorchScript has fused a graph: it watches the first one and compiles in the second one."""

_lock = threading.Lock()
"""Held while compiling: torch's switches apply to the whole process."""
_recording: ContextVar[bool] = ContextVar("recording", default=False)


class Compiled:
    """A step of a network, compiled for tensors of some shapes.

    TorchScript hands convolutions, sums and ReLUs to oneDNN as one graph, whose kernels are chosen once and not in
    every call. Where oneDNN does not know the processor, or TorchScript cannot compile the step, it is computed kernel
    by kernel.

    Args:
        net: the network, in its inference form and on a processor. Do not change its weights afterwards.
        step: the network, or a function that computes with its parts.
        tensors: what the step may be called with; it is called a few times.

    Attributes:
        works: whether TorchScript could compile the step.
    """

    def __init__(self, net: nn.Module, step: Step, *tensors: Tensor) -> None:
        self._kinds = [(x.shape, x.dtype, x.device) for x in tensors]
        flat: Any = _Flat(net, step).eval()
        self._forward, self.works = flat, False
        with _compiling(), torch.no_grad():
            try:
                token = _recording.set(True)
                try:
                    traced = torch.jit.trace(flat, tensors, check_trace=False)  # type: ignore[no-untyped-call]
                finally:
                    _recording.reset(token)
                graph = torch.jit.freeze(traced)
                for _ in range(WARM_UP):
                    graph(*tensors)
            except RuntimeError:  # maps of one pixel have no definite strides, on which TorchScript may fail
                return
        self._forward, self.works = graph, True

    def fits(self, *tensors: Tensor) -> bool:
        """Whether the step was compiled for such tensors."""
        return [(x.shape, x.dtype, x.device) for x in tensors] == self._kinds

    @torch.no_grad()
    def __call__(self, *tensors: Tensor) -> Tensor | list[Tensor]:
        """As the step, for tensors that fit."""
        results = self._forward(*tensors)
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
    """A step whose results are a tuple instead of a list, as TorchScript wants them."""

    def __init__(self, net: nn.Module, step: Step) -> None:
        super().__init__()
        self.net, self.step = net, step

    def forward(self, *tensors: Tensor) -> Any:
        """As the step."""
        results = self.step(*tensors)
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
