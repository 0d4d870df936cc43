"""Learning rates equal those of torch's schedulers, and averages follow their definition."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, PolynomialLR, SequentialLR

from ncp.tasks.recipe import Optimiser, Schedule
from ncp.training.optimisers import average, finite, optimiser
from ncp.training.schedules import rate, warmup_steps

TOTAL, WARM = 40, 10


def torch_rates(scheduler: Any, **arguments: Any) -> list[float]:
    """The rates of a scheduler of torch after a linear warm-up."""
    steps = SGD([nn.Parameter(torch.zeros(1))], 1.0)
    warm = LinearLR(steps, 0.01, total_iters=WARM)
    both = SequentialLR(steps, [warm, scheduler(steps, TOTAL - WARM, **arguments)], [WARM])
    rates = []
    for _ in range(TOTAL):
        rates.append(float(both.get_last_lr()[0]))
        steps.step()
        both.step()
    return rates


@pytest.mark.filterwarnings("ignore:The epoch parameter")
@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Schedule(name="cosine", final=0.05), lambda: torch_rates(CosineAnnealingLR, eta_min=0.05)),
        (Schedule(name="poly", power=0.9), lambda: torch_rates(PolynomialLR, power=0.9)),
    ],
)
def test_rates_equal_those_of_torch(schedule: Schedule, expected: Any) -> None:
    ours = [rate(schedule, step, TOTAL, WARM) for step in range(TOTAL)]
    assert ours == pytest.approx(expected(), abs=1e-9)


def test_one_cycle_rises_and_falls() -> None:
    rates = [rate(Schedule(name="one-cycle", rise=0.4), step, 100, 7) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[20] == pytest.approx(0.55)  # half of the rise
    assert rates[40] == 1
    assert rates[70] == pytest.approx(0.5)  # half of the fall
    assert (np.diff(rates[:41]) > 0).all()
    assert (np.diff(rates[40:]) < 0).all()


def test_a_constant_rate_is_warmed_up() -> None:
    assert [rate(Schedule(name="constant"), step, 10, 2) for step in (0, 1, 2, 9)] == [0.01, 0.505, 1, 1]


@pytest.mark.parametrize("name", ["cosine", "poly", "constant"])
@pytest.mark.parametrize("total", [2, 9, 10, 11, 19, 20, 21, 100])
def test_every_training_reaches_the_peak(name: Any, total: int) -> None:
    """Also one whose warm-up of 20 steps is not shorter; a longer one is warmed up by 20 steps."""
    schedule = Schedule(name=name, warmup=2.0)
    warm = warmup_steps(schedule, 10, total)
    rates = [rate(schedule, step, total, warm) for step in range(total)]
    assert max(rates) == 1
    assert rates.index(1) == (20 if total > 20 else total // 2)


def test_averages_of_weights_and_buffers_follow_the_warm_up() -> None:
    """The share of a new value is (1 + t)^(-2/3), until it is 1 - decay."""
    torch.manual_seed(0)
    net, averaged = nn.BatchNorm2d(2), nn.BatchNorm2d(2)
    expected: dict[str, torch.Tensor] = {}
    for step in range(30):
        net(torch.randn(4, 2, 3, 3) + step)
        with torch.no_grad():
            net.weight.add_(torch.randn(2))
        average(averaged, net, 0.8, step)
        share = max((1 + step) ** (-2 / 3), 0.2)
        for name, value in net.state_dict().items():
            before = expected.get(name, value)
            expected[name] = before + share * (value - before) if value.is_floating_point() else value.clone()
    for name, value in averaged.state_dict().items():
        assert torch.allclose(value, expected[name], atol=1e-5), name
    assert expected["running_mean"].abs().min() > 1  # the buffers have moved


@pytest.mark.parametrize(("decay_all", "decayed"), [(False, [3]), (True, [1, 1, 1, 3])])
def test_vectors_are_not_decayed_unless_asked(decay_all: bool, decayed: list[int]) -> None:
    net = nn.Sequential(nn.Conv1d(2, 2, 1), nn.BatchNorm1d(2))
    groups = optimiser(net, Optimiser(weight_decay=0.1, decay_all=decay_all)).param_groups
    assert sorted(p.ndim for group in groups if group["weight_decay"] for p in group["params"]) == decayed


def test_statistics_that_are_not_finite_are_found() -> None:
    net = nn.BatchNorm2d(2)
    assert finite(net)
    assert net.running_var is not None
    net.running_var[1] = torch.nan
    assert not finite(net)
