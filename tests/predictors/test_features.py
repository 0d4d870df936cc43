"""Features are finite on the whole space, smooth, and independent of the order of choices."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ncp import MULTIRES, Categorical, Ordinal, Space
from ncp.predictors.features import Features
from tests.predictors.fitted import MIXED, SPACES
from tests.strategies import codes_of, generators, spaces


@given(spaces(), st.data())
def test_features_of_any_space_are_finite(space: Space, data: st.DataObject) -> None:
    x = torch.as_tensor(space.relax(data.draw(codes_of(space))), dtype=torch.float32)
    features = Features(space).fit(x)
    low, high = torch.as_tensor(space.bounds, dtype=torch.float32)
    for points in (x, low[None], high[None], (low + high)[None] / 2):
        values = features(points)
        assert values.shape == (len(points), len(features))
        assert torch.isfinite(values).all()


@settings(max_examples=30)
@given(generators, st.sampled_from([0.0, 0.5, 1.0]))
def test_features_and_gradients_of_networks_are_finite_to_the_edges(rng: np.random.Generator, edge: float) -> None:
    low, high = MULTIRES.bounds
    features = Features(MULTIRES).fit(torch.as_tensor(MULTIRES.relax(MULTIRES.sample(50, rng)), dtype=torch.float32))
    share = np.where(rng.random((8, 27)) < edge, rng.integers(2, size=(8, 27)), rng.random((8, 27)))
    x = torch.as_tensor(low + share * (high - low), dtype=torch.float32).requires_grad_()
    values = features(x)
    (gradient,) = torch.autograd.grad(values.square().sum(), x)
    assert torch.isfinite(values).all()
    assert torch.isfinite(gradient).all()


def test_gradients_by_differences() -> None:
    rng = np.random.default_rng(0)
    for space in SPACES.values():
        features = Features(space).double().fit(torch.as_tensor(space.relax(space.sample(100, rng))))
        low, high = space.bounds
        x = torch.as_tensor(low + (high - low) * rng.uniform(0.2, 0.8, size=(2, space.width)), dtype=torch.float64)
        assert torch.autograd.gradcheck(features, (x.requires_grad_(),), fast_mode=True)


def test_training_codes_have_mean_zero_and_deviation_one() -> None:
    codes = MULTIRES.sample(400, np.random.default_rng(1))
    x = torch.as_tensor(MULTIRES.relax(codes), dtype=torch.float32)
    values = Features(MULTIRES).fit(x)(x)
    assert values.mean(dim=0).abs().max() < 1e-3
    deviation = values.std(dim=0, correction=0)
    assert (((deviation - 1).abs() < 1e-3) | (deviation < 1e-3)).all()


def test_a_dimension_that_is_equal_in_all_rows_has_a_constant_feature() -> None:
    codes = MIXED.sample(50, np.random.default_rng(2))
    codes[:, 0], codes[:, 1] = 5, 2
    x = torch.as_tensor(MIXED.relax(codes), dtype=torch.float32)
    values = Features(MIXED).fit(x)(x)
    assert torch.isfinite(values).all()
    assert values[:, 0].abs().max() < 1e-5


def test_choices_that_several_dimensions_share_are_counted() -> None:
    space = Space(
        [Categorical("a", ["x", "y"]), Ordinal("n", [1, 2]), Categorical("b", ["x", "y"]), Categorical("c", ["x", "z"])]
    )
    features = Features(space)
    counts = [k for k, meaning in enumerate(features.meanings) if meaning.block == "count"]
    assert [features.meanings[k].choice for k in counts] == ["x", "y"]
    x = torch.as_tensor(space.relax([[0, 1, 0, 1], [0, 2, 1, 0], [1, 2, 1, 0]]))
    np.testing.assert_allclose(features(x)[:, counts], [[2, 0], [1, 1], [0, 2]])
    assert len(features.meanings) == len(features)
