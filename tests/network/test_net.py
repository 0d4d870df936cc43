"""Networks are those that were published: to the number, to the key, and in every form that their codes are written."""

import re
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from ncp import MULTIRES, Code, CodeError, ConfigError
from ncp.cost import HEADS, MOST_CLASSES, Head
from ncp.network.net import FeatureInfo, MultiResolutionNet

SMALLEST = Code([min(dim.values) for dim in MULTIRES.dimensions])
MIDDLE = Code.parse("24_40-2_1_1_48-1_2_2_1_32_56-2_3_1_1_2_16_40_72-1_4_1_2_1_1_24_32_48_64-96")
STRIDES = ((2, 2), (2, 1))
TASKS = pytest.mark.parametrize("task", HEADS)


@cache
def smallest(task: Head, strides: tuple[int, int] = (2, 2)) -> MultiResolutionNet:
    """The smallest network, on a pseudo-image of 64 channels."""
    return MultiResolutionNet(SMALLEST, task=task, num_classes=7, in_channels=64, stem_strides=strides).eval()


def maps_of(output: Tensor | list[Tensor]) -> list[Tensor]:
    """The maps that a network of any task gives."""
    return output if isinstance(output, list) else [output]


def error(got: Tensor | list[Tensor], expected: Tensor | list[Tensor]) -> float:
    """The largest error, relative to the largest number of its map."""
    pairs = list(zip(maps_of(got), maps_of(expected), strict=True))
    assert all(a.shape == b.shape and a.isfinite().all() for a, b in pairs)
    return max(((a - b).abs().max() / b.abs().max()).item() for a, b in pairs)


def refused(kind: type[Exception], message: str) -> Any:
    """What raises just this message."""
    return pytest.raises(kind, match=f"^{re.escape(message)}$")


@pytest.mark.parametrize("number", range(3))
def test_a_published_network_has_the_same_keys_and_outputs(shared: Path, number: int) -> None:
    with np.load(shared / "parity" / f"net{number}.npz") as file:
        held = {name: torch.from_numpy(file[name]) for name in file.files if name != "task"}
        task = cast("Head", str(file["task"]))
    net = MultiResolutionNet(held["vector"].tolist(), task=task, num_classes=int(held["num_classes"])).eval()
    weights = {name.removeprefix("weight/"): weight for name, weight in held.items() if name.startswith("weight/")}
    own = net.state_dict()
    counts = {key for key in own if key.endswith(".num_batches_tracked")}
    assert set(own) - counts == set(weights) - counts
    assert {key: tuple(own[key].shape) for key in weights} == {key: tuple(w.shape) for key, w in weights.items()}
    absent, strange = net.load_state_dict(weights, strict=False)
    assert set(absent) <= counts
    assert not strange
    with torch.no_grad():
        assert error(net(held["input"]), held["output"]) < 1e-4
    assert error(net.for_inference()(held["input"]), held["output"]) < 1e-3


@pytest.mark.parametrize("code", [SMALLEST, MIDDLE], ids=["smallest", "middle"])
def test_every_written_form_builds_the_same_network(code: Code) -> None:
    flat = [int(number) for number in re.findall(r"\d+", str(code))]
    forms: list[Any] = [str(code), list(code.vector), code.vector, np.array(code.vector), torch.tensor(code.vector)]
    torch.manual_seed(0)
    expected = MultiResolutionNet(code).state_dict()
    for given_form in ({"code": code}, *({"code": form} for form in (*forms, flat)), code.setting):
        torch.manual_seed(0)
        net = MultiResolutionNet(**given_form)
        state = net.state_dict()
        assert net.code == code
        assert list(state) == list(expected)
        assert all(torch.equal(state[key], tensor) for key, tensor in expected.items())


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("8_8", "Expected 31 integers in 6 groups joined by '-'. Got 2 in 1 group in '8_8'. "),
        (str(SMALLEST).replace("8", "9"), "Expected a multiple of 8 from 8 to 128 for i1. Got 9."),
        (SMALLEST.vector[:-1], "Expected 27 integers, or the 31 of a text. Got 26 in [8, "),
        ([*SMALLEST.vector[:-1], 8.0], "Expected an integer at position 26 of the vector. Got 8.0."),
        (27, "Expected a sequence of integers as the vector. Got 27."),
        ([SMALLEST.vector], "Expected an integer at position 0 of the vector. Got (8, "),
    ],
)
def test_broken_codes_are_refused(bad: Any, message: str) -> None:
    with pytest.raises(CodeError, match=f"^{re.escape(message)}"):
        MultiResolutionNet(bad)


def test_a_broken_setting_is_refused() -> None:
    setting = {**SMALLEST.setting, "last_channel": 12}
    with refused(CodeError, "Expected a multiple of 8 from 8 to 128 for o. Got 12."):
        MultiResolutionNet(**setting)
    with pytest.raises(CodeError, match=r"^network_setting needs modules of 1, 2, 3 and 4 branches\."):
        MultiResolutionNet(**{**SMALLEST.setting, "network_setting": SMALLEST.setting["network_setting"][:3]})


@pytest.mark.parametrize(
    ("given_parts", "got"),
    [
        ([], "neither"),
        (["last_channel"], "last_channel"),
        (["input_channel", "network_setting"], "input_channel, network_setting"),
        (["input_channel", "last_channel"], "input_channel, last_channel"),
        (["code", "last_channel"], "code, last_channel"),
        (["code", "input_channel", "network_setting"], "code, input_channel, network_setting"),
        (
            ["code", "input_channel", "network_setting", "last_channel"],
            "code, input_channel, network_setting, last_channel",
        ),
    ],
)
def test_both_a_code_and_a_setting_are_refused(given_parts: list[str], got: str) -> None:
    forms = {"code": SMALLEST, **SMALLEST.setting}
    message = (
        f"Expected a code, or the three parts of a setting (input_channel, network_setting, last_channel). Got {got}."
    )
    with refused(CodeError, message):
        MultiResolutionNet(**{name: forms[name] for name in given_parts})


@pytest.mark.parametrize("task", ["Classification", "seg", "", None, 0])
def test_another_task_is_refused(task: Any) -> None:
    with refused(ConfigError, f"task must be one of classification, segmentation, features. Got {task!r}."):
        MultiResolutionNet(SMALLEST, task=task)


def test_feature_info_has_the_dicts_of_timm() -> None:
    info = FeatureInfo((96, 128), (4, 8))
    assert len(info) == 2
    assert info[0] == {"num_chs": 96, "reduction": 4, "module": "features", "index": 0}
    assert info.get_dicts() == [info[0], info[1]]
    assert info.get_dicts(keys=["num_chs"], out_indices=[1]) == [{"num_chs": 128}]
    assert (info.get("num_chs", [1, 0]), info.module_name(0)) == ([128, 96], "features")
    with pytest.raises(IndexError):
        info[2]


@pytest.mark.parametrize("strides", [(1, 1), (4, 1), (2,), (2, 2, 2), (1, 2), "22", 2, None, (2, None)])
def test_other_strides_are_refused(strides: Any) -> None:
    with refused(ConfigError, f"stem_strides must be (2, 2) or (2, 1). Got {strides!r}."):
        MultiResolutionNet(SMALLEST, stem_strides=strides)


@pytest.mark.parametrize("channels", [0, -3, 3.0, True, None, "3", 4097])
def test_other_channels_are_refused(channels: Any) -> None:
    with pytest.raises(ConfigError, match=r"^in_channels must be an integer, from 1 to 4096\. Got "):
        MultiResolutionNet(SMALLEST, in_channels=channels)


@pytest.mark.parametrize("classes", [0, -1, 50.0, True, None, "50", MOST_CLASSES + 1])
def test_other_numbers_of_classes_are_refused(classes: Any) -> None:
    with refused(ConfigError, f"num_classes must be an integer, from 1 to 1048576. Got {classes!r}."):
        MultiResolutionNet(SMALLEST, num_classes=classes)


sides = st.integers(1, 130)


@given(st.sampled_from(HEADS), st.sampled_from(STRIDES), st.integers(1, 3), sides, sides)
def test_shapes_of_any_size(task: Head, strides: tuple[int, int], n: int, height: int, width: int) -> None:
    net = smallest(task, strides)
    first = 2 * strides[1]
    assert net.feature_info == FeatureInfo((8, 8, 8, 8), (first, 2 * first, 4 * first, 8 * first))
    with torch.no_grad():
        output = maps_of(net(torch.rand(n, 64, height, width)))
    at = [(-(-height // stride), -(-width // stride)) for stride in net.feature_info.strides]
    expected = {
        "classification": [(n, 7, 1, 1)],
        "segmentation": [(n, 7, *at[0])],
        "features": [(n, 8, *size) for size in at],
    }
    assert [tuple(x.shape) for x in output] == expected[task]
    assert all(x.isfinite().all() for x in output)


@pytest.mark.parametrize("strides", [*STRIDES, [2, 1]])
def test_the_maps_match_feature_info(strides: Any) -> None:
    net = MultiResolutionNet(MIDDLE, task="features", in_channels=1, stem_strides=strides).eval()
    info = net.feature_info
    assert info.channels() == list(MIDDLE.stages[-1].channels) == [24, 32, 48, 64]
    assert info.reduction() == ([4, 8, 16, 32] if strides[1] == 2 else [2, 4, 8, 16])
    assert (info.channels(1), info.channels([0, 3]), info.reduction(0)) == (32, [24, 64], info.strides[0])
    assert info.out_indices == (0, 1, 2, 3)
    for each in (net, net.for_inference()):
        maps = maps_of(each(torch.rand(1, 1, 64, 96)))
        assert each.feature_info == info
        assert [x.shape[1] for x in maps] == info.channels()
        assert [64 // x.shape[2] for x in maps] == [96 // x.shape[3] for x in maps] == info.reduction()


@given(sides, sides)
@settings(max_examples=12)
def test_all_tasks_end_one_backbone(height: int, width: int) -> None:
    image = torch.rand(2, 64, height, width)
    classify, segment = smallest("classification"), smallest("segmentation")
    with torch.no_grad():
        for net in (classify, segment):
            own, backbone = net.state_dict(), smallest("features").state_dict()
            assert {key.split(".")[0] for key in set(own) - set(backbone)} == {"transform", "classifier"}
            net.load_state_dict({**own, **backbone})
        maps = smallest("features")(image)
        for net, like in ((classify, maps[-1]), (segment, maps[0])):
            size = tuple(like.shape[2:])
            same = [interpolate(x, size, mode="bilinear", align_corners=False) for x in maps]
            merged = net.transform(torch.cat(same, dim=1))
            merged = adaptive_avg_pool2d(merged, 1) if net is classify else merged
            assert error(net(image), net.classifier(merged)) < 1e-5


@pytest.mark.parametrize(
    "shape", [(1, 64, 0, 9), (1, 64, 9, 0), (0, 64, 9, 9), (1, 3, 9, 9), (64, 9, 9), (1, 1, 64, 9, 9), ()]
)
@TASKS
def test_images_of_other_shapes_are_refused(task: Head, shape: tuple[int, ...]) -> None:
    message = f"Expected images (n, 64, height, width), of at least 1 x 1 pixel. Got {shape}."
    net = smallest(task)
    for each in (net, net.for_inference()):
        with refused(ConfigError, message):
            each(torch.zeros(shape))


@pytest.mark.parametrize(("strides", "coarsest"), [((2, 2), 32), ((2, 1), 16)])
@TASKS
def test_training_on_one_pixel_is_refused(task: Head, strides: tuple[int, int], coarsest: int) -> None:
    net = MultiResolutionNet(SMALLEST, task=task, stem_strides=strides)
    for height, width in ((coarsest, coarsest), (1, coarsest), (1, 1)):
        message = (
            f"To train on one image it needs at least {coarsest + 1} x {coarsest + 1} pixels, since batch norm takes "
            f"variances. This one has {height} x {width}. Use a larger one, or several."
        )
        with refused(ConfigError, message):
            net(torch.rand(1, 3, height, width))
        net(torch.rand(2, 3, height, width))
        net.eval()(torch.rand(1, 3, height, width))
        net.train()
    for height, width in ((coarsest + 1, coarsest + 1), (coarsest + 1, 1), (1, coarsest + 1)):
        net(torch.rand(1, 3, height, width))


def test_weights_are_drawn_as_published() -> None:
    torch.manual_seed(0)
    net = MultiResolutionNet(MIDDLE)
    convolutions = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(convolutions) == len(norms) + 1
    for convolution in convolutions:
        weight, bias = convolution.weight.detach(), convolution.bias
        outputs, _, height, width = weight.shape
        ratio = float(weight.std()) / (2 / (outputs * height * width)) ** 0.5
        assert ratio == pytest.approx(1, abs=5 / (2 * weight.numel()) ** 0.5)
        assert float(weight.mean() / weight.std()) == pytest.approx(0, abs=5 / weight.numel() ** 0.5)
        assert (bias is not None) == (convolution is net.classifier)
    for norm in norms:
        assert (norm.eps, norm.momentum) == (1e-5, 0.1)
        for tensor, value in ((norm.weight, 1), (norm.bias, 0), (norm.running_mean, 0), (norm.running_var, 1)):
            assert tensor is not None
            assert (tensor == value).all()


@TASKS
def test_every_parameter_gets_a_gradient(task: Head) -> None:
    torch.manual_seed(0)
    net = MultiResolutionNet(MIDDLE, task=task, num_classes=5)
    loss = torch.stack([x.square().mean() for x in maps_of(net(torch.randn(2, 3, 70, 90)))]).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


@TASKS
def test_it_learns(task: Head) -> None:
    torch.manual_seed(0)
    net = MultiResolutionNet(SMALLEST, task=task, num_classes=3)
    image = torch.randn(4, 3, 64, 64)
    goals = [torch.randn_like(x) for x in maps_of(net(image))]
    optimizer, losses = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9), []
    for _ in range(8):
        pairs = zip(maps_of(net(image)), goals, strict=True)
        loss = torch.stack([(x - goal).square().mean() for x, goal in pairs]).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.slow
@TASKS
def test_it_compiles_to_one_graph(task: Head, training: bool) -> None:
    net, same = (MultiResolutionNet(SMALLEST, task=task).train(training) for _ in range(2))
    same.load_state_dict(net.state_dict())
    torch.compiler.reset()
    compiled = torch.compile(net, backend="eager", fullgraph=True)
    image = torch.randn(2, 3, 50, 70)
    assert error(compiled(image), same(image)) < 1e-5
    for key, tensor in net.state_dict().items():
        torch.testing.assert_close(tensor, same.state_dict()[key])
