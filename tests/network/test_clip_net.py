"""Networks of clips: against a convolution in three dimensions, and against the network of an image."""

import re
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ncp import ConfigError
from ncp.cost import Counting
from ncp.network.clip_net import ClipNet
from ncp.network.net import MultiResolutionNet
from tests.network.test_cost import counted
from tests.network.test_net import MIDDLE, SMALLEST


@cache
def trained() -> ClipNet:
    """A network whose batch norms have seen a clip."""
    torch.manual_seed(0)
    net = ClipNet(SMALLEST, num_classes=5)
    net(torch.randn(2, 3, 3, 64, 96) + 1)
    return net.eval()


def in_three_dimensions(net: ClipNet, clips: Tensor) -> Tensor:
    """The scores of clips, computed frame by frame, with a head in three dimensions."""
    backbone = MultiResolutionNet(net.code, task="features").eval()
    own = backbone.state_dict()
    backbone.load_state_dict({name: net.state_dict()[name] for name in own})
    convolution, norm = nn.Conv3d(32, 8, (3, 1, 1), padding=(1, 0, 0), bias=False), nn.BatchNorm3d(8)
    weights = {name.removeprefix("transform."): w for name, w in net.state_dict().items() if name.startswith("trans")}
    convolution.load_state_dict({"weight": weights["0.weight"][..., None]})
    norm.load_state_dict({name[2:]: weight for name, weight in weights.items() if name.startswith("1.")})
    frames = []
    for frame in clips.unbind(1):
        maps = backbone(frame)
        size = maps[-1].shape[2:]
        same = [interpolate(x, size, mode="bilinear", align_corners=False) for x in maps]
        frames.append(torch.cat(same, dim=1))
    transformed = norm.eval()(convolution(torch.stack(frames, dim=2))).relu()
    scores: Tensor = net.classifier(transformed.mean((2, 3, 4))[..., None, None])[..., 0, 0]
    return scores


@pytest.mark.parametrize(("frames", "height", "width"), [(1, 64, 32), (4, 50, 33)])
def test_the_head_is_a_convolution_over_time(frames: int, height: int, width: int) -> None:
    net, clips = trained(), torch.randn(2, frames, 3, height, width)
    with torch.no_grad():
        expected = in_three_dimensions(net, clips)
        assert net(clips).shape == (2, 5)
        np.testing.assert_allclose(net(clips), expected, rtol=1e-5, atol=1e-5)
        scale = float(expected.abs().max())
        np.testing.assert_allclose(net.for_inference()(clips), expected, rtol=1e-3, atol=1e-3 * scale)


def test_the_order_of_frames_matters() -> None:
    net, clips = trained(), torch.randn(1, 6, 3, 64, 64)
    with torch.no_grad():
        assert (net(clips) - net(clips[:, [3, 0, 4, 1, 5, 2]])).abs().max() > 1e-4


def test_all_weights_but_the_transform_are_those_of_images() -> None:
    clip, image = ClipNet(MIDDLE, num_classes=5).state_dict(), MultiResolutionNet(MIDDLE, num_classes=5).state_dict()
    assert list(clip) == list(image)
    assert [name for name in clip if clip[name].shape != image[name].shape] == ["transform.0.weight"]


def test_weights_are_drawn_as_those_of_images() -> None:
    torch.manual_seed(0)
    weight = ClipNet(MIDDLE).transform[0].weight.detach()  # type: ignore[index]
    assert float(weight.std()) == pytest.approx((2 / (96 * 3)) ** 0.5, rel=0.02)


@pytest.mark.parametrize(("strides", "frames"), [((2, 2), 3), ((2, 1), 2)])
def test_costs_are_counted(strides: tuple[int, int], frames: int) -> None:
    net = ClipNet(SMALLEST, num_classes=19, in_channels=2, stem_strides=strides).eval()
    counting = Counting((64, 96), 19, in_channels=2, stem_strides=strides, frames=frames)
    assert counting.params(SMALLEST.vector).tolist() == [sum(parameter.numel() for parameter in net.parameters())]
    assert counting.macs(SMALLEST.vector).tolist() == [counted(net, torch.zeros(1, frames, 2, 64, 96))]


def test_every_parameter_gets_a_gradient() -> None:
    torch.manual_seed(0)
    net = ClipNet(MIDDLE, num_classes=5)
    net(torch.randn(2, 3, 3, 70, 90)).square().mean().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


@pytest.mark.parametrize("shape", [(1, 3, 64, 64), (1, 0, 3, 64, 64), (1, 3, 4, 64, 64), (0, 2, 3, 9, 9), (3, 64, 64)])
def test_clips_of_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    net = ClipNet(SMALLEST)
    message = f"Expected clips (n, frames, 3, height, width), of at least one frame of 1 x 1 pixel. Got {shape}."
    for each in (net, net.for_inference()):
        with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
            each(torch.zeros(shape))


def test_to_train_on_one_small_frame_is_refused() -> None:
    net = ClipNet(SMALLEST)
    with pytest.raises(ConfigError, match=r"^To train on one image it needs at least 33 x 33 pixels"):
        net(torch.zeros(1, 1, 3, 32, 32))
    assert net(torch.zeros(1, 2, 3, 32, 32)).shape == (1, 50)
