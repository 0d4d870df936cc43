"""Compile a network for images of one shape on a processor, into few calls of fused kernels."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.jit._trace import TracerWarning

from ncp.network import winograd

Step = Callable[..., Tensor | list[Tensor]]
"""Maps one or several tensors to one or several."""
WARM_UP = 3
"""Calls after which TorchScript has fused a graph: it watches the first one and compiles in the second one."""


class Compiled:
    """A step of a network, compiled for tensors of some shapes.

    TorchScript hands convolutions, sums and ReLUs to oneDNN as one graph, whose kernels are chosen once and not in
    every call. Where oneDNN does not know the processor, or TorchScript cannot compile the step, it is computed kernel
    by kernel.

    Args:
        net: the network, in its inference form and on a processor. The compiled step has a copy of its weights.
        step: the network, or a function that computes with its parts.
        tensors: what the step may be called with; it is called a few times.

    Attributes:
        fused: whether TorchScript could compile the step.
    """

    def __init__(self, net: nn.Module, step: Step, *tensors: Tensor) -> None:
        self._kinds = [(x.shape, x.dtype, x.device) for x in tensors]
        flat: Any = _Flat(net, step).eval()
        with _fusing(), torch.no_grad():
            graph = torch.jit.freeze(torch.jit.trace(flat, tensors, check_trace=False))  # type: ignore[no-untyped-call]
            try:
                for _ in range(WARM_UP):
                    graph(*tensors)
                self._forward, self.fused = graph, True
            except RuntimeError:  # maps of one pixel have no definite strides, over which TorchScript may stumble
                self._forward, self.fused = flat, False

    def fits(self, *tensors: Tensor) -> bool:
        """Whether the step was compiled for such tensors."""
        return [(x.shape, x.dtype, x.device) for x in tensors] == self._kinds

    @torch.no_grad()
    def __call__(self, *tensors: Tensor) -> Tensor | list[Tensor]:
        """As the step, for tensors that fit."""
        results = self._forward(*tensors)
        return results if isinstance(results, Tensor) else list(results)


def _winograd(x: Tensor, filters: Tensor, bias: Tensor, added: Tensor | None) -> Tensor:
    return winograd.convolve(x, filters, bias, added, rectify=True)


# an operator, so that a graph calls it instead of repeating what it did with its buffers
torch.library.define("ncp::winograd", "(Tensor x, Tensor filters, Tensor bias, Tensor? added) -> Tensor")
torch.library.impl("ncp::winograd", "CPU", _winograd)


def tracing() -> bool:
    """Whether a network is being compiled, so that a forward pass is only recorded."""
    return bool(torch.jit.is_tracing())  # type: ignore[attr-defined, no-untyped-call]


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
def _fusing() -> Iterator[None]:
    """Let TorchScript use oneDNN, and be silent about what is known: it is deprecated, and it keeps shapes."""
    before = torch.jit.onednn_fusion_enabled()  # type: ignore[no-untyped-call]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="torch")
        warnings.filterwarnings("ignore", category=TracerWarning)
        torch.jit.enable_onednn_fusion(True)
        try:
            yield
        finally:
            torch.jit.enable_onednn_fusion(before)
