"""The optimiser of a recipe, and the moving average of weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ncp.tasks.recipe import Optimiser


def optimiser(net: nn.Module, settings: Optimiser) -> torch.optim.Optimizer:
    """The optimiser of a network. Vectors, which are biases and parameters of batch norm, have no weight decay."""
    parameters = [each for each in net.parameters() if each.requires_grad]
    decayed = [each for each in parameters if settings.decay_all or each.ndim > 1]
    kept = [each for each in parameters if not settings.decay_all and each.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": kept, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if settings.name == "sgd":
        nesterov = settings.nesterov and settings.momentum > 0
        return torch.optim.SGD(groups, settings.lr, momentum=settings.momentum, nesterov=nesterov)
    betas = (settings.momentum, settings.beta2)
    return torch.optim.AdamW(groups, settings.lr, betas=betas)


@torch.no_grad()
def average(averaged: nn.Module, net: nn.Module, decay: float, step: int) -> None:
    """Move averaged weights and buffers towards a network's.

    Args:
        averaged: the network whose weights are moving averages; changed in place.
        net: the network that was just updated.
        decay: the final decay.
        step: the number of updates before this one. The decay rises as `1 - (1 + step)^(-2/3)`.
    """
    share = 1 - min(decay, 1 - (1 + step) ** (-2 / 3))
    for mean, new in zip(averaged.state_dict().values(), net.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(new, share)
        else:
            mean.copy_(new)


def finite(net: nn.Module) -> bool:
    """Whether all weights and buffers are finite."""
    states: list[Tensor] = [each for each in net.state_dict().values() if each.is_floating_point()]
    return all(bool(each.isfinite().all()) for each in states)
