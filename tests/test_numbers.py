import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from ncp.errors import ConfigError, Name
from ncp.numbers import as_count, as_number, as_seed


@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1, np.int64(7), np.uint8(7), np.array(7)])
def test_integers_of_every_type_are_seeds(seed):
    assert as_seed(seed) == int(seed)
    assert type(as_seed(seed)) is int


@pytest.mark.parametrize("seed", [None, -1, 2**32, 1.0, True, np.True_, np.float64(1), "1", [1], np.array([1])])
def test_other_values_are_not_seeds(seed):
    with pytest.raises(ConfigError, match=r"seed must be an integer, from 0 to 4294967295\. Got") as caught:
        as_seed(seed)
    assert caught.value.field == "seed"
    assert caught.value.given is seed


def test_a_refused_count_is_worded_by_the_caller():
    with pytest.raises(ConfigError) as caught:
        as_count(0, "starts")
    assert str(caught.value) == "starts must be an integer, 1 or more. Got 0."
    assert caught.value.worded(lambda field: Name(f"--{field}")) == "--starts must be an integer, 1 or more. Got 0."
    with pytest.raises(ConfigError, match="from 2 to 4"):
        as_count(5, "threads", least=2, most=4)
    assert as_count(np.int32(4), "threads", least=2, most=4) == 4


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), np.array(0.5), torch.tensor(0.5), Fraction(1, 2)])
def test_numbers_of_every_type_become_floats(value):
    assert as_number(value, "share", above=0, below=1) == 0.5
    assert type(as_number(value, "share")) is float


@pytest.mark.parametrize(
    "value", [0, 1, -1, math.nan, math.inf, None, "0.5", True, np.True_, [[1], [1, 2]], np.ones(1)]
)
def test_other_numbers_are_refused_with_their_bounds(value):
    with pytest.raises(ConfigError, match=r"share must be a finite number above 0 and below 1\. Got") as caught:
        as_number(value, "share", above=0, below=1)
    assert caught.value.field == "share"
    assert as_number(1, "share", least=1, most=1) == 1
