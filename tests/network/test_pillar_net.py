"""Networks of point clouds: against loops over points and pillars, and against the network of an image."""

import re
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ncp import ConfigError
from ncp.cost import Counting
from ncp.network.net import MultiResolutionNet
from ncp.network.pillar_net import Maps, PillarNet, Pillars
from tests.network.test_cost import counted
from tests.network.test_net import MIDDLE, SMALLEST

GRID = (36, 20)


def pillars(scenes: int = 2, each: int = 40, seed: int = 0) -> Pillars:
    """Random pillars of up to eight points, in random places."""
    rng = np.random.default_rng(seed)
    cells = [np.sort(rng.choice(GRID[0] * GRID[1], each, replace=False)) for _ in range(scenes)]
    places = [(scene, cell // GRID[1], cell % GRID[1]) for scene in range(scenes) for cell in cells[scene]]
    counts = rng.integers(1, 9, size=len(places))
    mask = torch.from_numpy(np.arange(8) < counts[:, None])
    features = torch.from_numpy(rng.normal(size=(len(places), 8, 10)).astype(np.float32)) * mask[..., None]
    return Pillars(features, mask, torch.tensor(places, dtype=torch.int64).reshape(-1, 3), scenes)


@cache
def trained() -> PillarNet:
    """A network whose batch norms have seen a batch."""
    torch.manual_seed(0)
    net = PillarNet(SMALLEST, grid=GRID)
    net(pillars(seed=1))
    return net.eval()


def image_by_hand(net: PillarNet, given: Pillars) -> Tensor:
    """The pseudo-image, pillar by pillar and point by point."""
    norm, weight = net.encoder.norm, net.encoder.linear.weight
    assert norm.running_mean is not None
    assert norm.running_var is not None
    image = torch.zeros(given.scenes, 64, *GRID)
    for features, mask, (scene, row, column) in zip(given.features, given.mask, given.places.tolist(), strict=True):
        encoded = []
        for point in features[mask]:
            y = (weight @ point - norm.running_mean) / (norm.running_var + 1e-3).sqrt() * norm.weight + norm.bias
            encoded.append(y.clamp(min=0))
        image[scene, :, row, column] = torch.stack(encoded).amax(0)
    return image


def test_it_is_the_network_of_a_pseudo_image() -> None:
    net, given = trained(), pillars()
    plain = MultiResolutionNet(
        SMALLEST, task="segmentation", num_classes=72, in_channels=64, stem_strides=(2, 1)
    ).eval()
    plain.load_state_dict(net.backbone.state_dict())
    with torch.no_grad():
        image = image_by_hand(net, given)
        np.testing.assert_allclose(net.pseudo_image(net.encoder(*given[:2]), *given[2:]), image, atol=1e-6)
        expected = plain.eval()(image)
        found = net(given)
        assert [tuple(x.shape) for x in found] == [(2, 18, 18, 10), (2, 42, 18, 10), (2, 12, 18, 10)]
        np.testing.assert_allclose(torch.cat(found, dim=1), expected, rtol=1e-4, atol=1e-4)
        fast = net.for_inference()(given)
        assert isinstance(fast, Maps)
        np.testing.assert_allclose(torch.cat(fast, dim=1), expected, rtol=1e-3, atol=1e-3)


def test_padding_and_the_order_of_points_and_pillars_change_nothing() -> None:
    net, given = trained(), pillars()
    order, points = torch.randperm(len(given.mask)), torch.randperm(8)
    shuffled = Pillars(given.features[order][:, points], given.mask[order][:, points], given.places[order], 2)
    padded = Pillars(torch.cat([given.features] * 2, 1), torch.cat([given.mask, given.mask & False], 1), *given[2:])
    with torch.no_grad():
        for other in (shuffled, padded):
            np.testing.assert_allclose(torch.cat(net(other), 1), torch.cat(net(given), 1), atol=1e-5)


def test_batch_norm_of_the_encoder_sees_the_points_alone() -> None:
    net, given = PillarNet(SMALLEST, grid=GRID), pillars()
    net.train()(given)
    with torch.no_grad():
        points = net.encoder.linear(given.features[given.mask])
    np.testing.assert_allclose(net.encoder.norm.running_mean, 0.01 * points.mean(0), atol=1e-6)
    np.testing.assert_allclose(net.encoder.norm.running_var, 0.99 + 0.01 * points.var(0), rtol=1e-5)


def test_scenes_without_points() -> None:
    net, empty = trained(), pillars(each=0)
    assert len(empty.mask) == 0
    with torch.no_grad():
        maps = net(empty)
    assert [x.shape[0] for x in maps] == [2, 2, 2]
    assert all(x.isfinite().all() and torch.equal(x[0], x[1]) for x in maps)
    training = PillarNet(SMALLEST, grid=GRID)
    for each in (0, 1):
        assert all(x.isfinite().all() for x in training(pillars(scenes=2, each=each)))


def test_initial_scores_are_small() -> None:
    torch.manual_seed(0)
    net = PillarNet(MIDDLE, grid=GRID)
    maps = net(pillars())
    weight, bias = (net.backbone.classifier.get_parameter(name).detach() for name in ("weight", "bias"))
    assert bias[:18].tolist() == pytest.approx([np.log(0.01 / 0.99)] * 18)
    assert float(weight[18:60].std()) == pytest.approx(0.001, rel=0.05)
    assert float(weight[:18].std()) > 0.01
    assert 0.003 < float(maps.classes.detach().sigmoid().mean()) < 0.03
    assert float(maps.boxes.detach().std()) < 0.2


def test_costs_of_all_but_the_encoder_are_counted() -> None:
    net, grid = PillarNet(SMALLEST, num_classes=2, anchors=4, grid=(48, 80)).eval(), (48, 80)
    counting = Counting(grid, 4 * (2 + 7 + 2), "segmentation", 64, (2, 1))
    learnt = sum(parameter.numel() for parameter in net.backbone.parameters())
    assert counting.params(SMALLEST.vector).tolist() == [learnt]
    assert counting.macs(SMALLEST.vector).tolist() == [counted(net.backbone, torch.zeros(1, 64, *grid))]


def test_every_parameter_gets_a_gradient() -> None:
    torch.manual_seed(0)
    net = PillarNet(MIDDLE, grid=GRID)
    torch.cat(net(pillars()), dim=1).square().mean().backward()  # type: ignore[no-untyped-call]
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


def test_mixed_precision_leaves_the_encoder_in_single_precision() -> None:
    net, given = trained(), pillars()
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        assert net.encoder(*given[:2]).dtype == torch.float32
        assert net(given).classes.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("given_pillars", "got"),
    [
        (pillars()._replace(features=torch.zeros(80, 8, 9)), "features (80, 8, 9) and a mask (80, 8) of 2 scenes"),
        (pillars()._replace(features=torch.zeros(80, 10)), "features (80, 10) and a mask (80, 8) of 2 scenes"),
        (pillars()._replace(mask=torch.ones(80, 7) > 0), "features (80, 8, 10) and a mask (80, 7) of 2 scenes"),
        (pillars()._replace(scenes=0), "features (80, 8, 10) and a mask (80, 8) of 0 scenes"),
    ],
)
def test_other_pillars_are_refused(given_pillars: Pillars, got: str) -> None:
    wanted = "the features (pillars, points, 10) of at least one scene, and a mask of their points"
    message = f"Expected {wanted}. Got {got}."
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        trained()(given_pillars)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("grid", grid) for grid in (5, None, "ab", (5,), (5, 0), (5, 6, 7), (5.0, 6), (1 << 20, 6))),
        *((field, value) for field in ("num_classes", "anchors", "point_features") for value in (0, 1.0, 1 << 30)),
    ],
)
def test_other_numbers_are_refused(field: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"^{field} must be "):
        PillarNet(SMALLEST, **{field: value})
