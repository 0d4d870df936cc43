"""Codes are drawn within a budget, each once, and do not gather at the budget."""

import numpy as np
import pytest

import ncp
from ncp import Budget, ConfigError, InfeasibleError, Space
from ncp.optim.sampling import sample_codes


def test_codes_are_within_the_budget_and_different() -> None:
    codes = sample_codes(ncp.MULTIRES, 200, Budget(max_macs=2e8), seed=1)
    costs = ncp.macs(codes)
    assert len(np.unique(codes, axis=0)) == 200
    assert costs.max() <= 2e8
    assert np.quantile(costs, 0.25) < 5e7 < 1e8 < np.quantile(costs, 0.9)
    assert np.array_equal(codes, sample_codes(ncp.MULTIRES, 200, Budget(max_macs=2e8), seed=1))
    assert not np.array_equal(codes, sample_codes(ncp.MULTIRES, 200, Budget(max_macs=2e8), seed=2))


def test_more_codes_begin_with_the_same_codes() -> None:
    budget = Budget(max_macs=2e8)
    assert np.array_equal(sample_codes(ncp.MULTIRES, 300, budget)[:20], sample_codes(ncp.MULTIRES, 20, budget))


def test_without_a_budget_codes_are_uniform() -> None:
    codes = sample_codes(ncp.MULTIRES, 3000, seed=0)
    first = ncp.MULTIRES.dimensions[0]
    counts = np.array([(codes[:, 0] == value).sum() for value in first.values])
    assert abs(counts / 3000 - 1 / len(first.values)).max() < 0.02


def test_a_space_that_is_too_small_is_named() -> None:
    space = Space.from_dict({"width": [8, 16], "edge": ["none", "skip"]})
    assert len(sample_codes(space, 4)) == 4
    with pytest.raises(ConfigError, match="sample asks for 5 different codes, but only 4 were found"):
        sample_codes(space, 5)


def test_a_budget_that_no_code_meets_is_refused() -> None:
    with pytest.raises(InfeasibleError):
        sample_codes(ncp.MULTIRES, 1, Budget(max_macs=10))
