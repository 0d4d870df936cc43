"""The facts behind the drawing of a network: its modules are the real network's, and its parts sum up to its cost."""

import pytest

import ncp
from ncp.cost import HEADS, Counting, Head
from ncp.network.layers import Fusion
from ncp.report.network_facts import Edge, comparison_facts, differing_blocks, network_facts
from tests.report.networks import CODES, FEW, LARGEST, MIDDLE, SMALLEST


@pytest.mark.parametrize("code", CODES, ids=str)
def test_the_parts_sum_up_to_the_cost(code: ncp.Code) -> None:
    network = network_facts(code)
    assert (network.macs, network.params) == (ncp.macs(code).item(), ncp.params(code).item())
    assert sum(network.parts.values()) == network.macs
    assert len(network.parts) == 17
    assert network.parts["classifier"] == 50 * (code.head + 1)
    blocks = code.stages[2].modules * code.stages[2].blocks[1]
    channels = code.stages[2].channels[1]
    assert network.parts["stage 3 branch 2"] == blocks * 2 * 16 * 16 * channels * (9 * channels + 2)


@pytest.mark.parametrize("head", HEADS)
def test_the_parts_are_those_of_the_image_size_and_the_head(head: Head) -> None:
    network = network_facts(MIDDLE, Counting((64, 96), 19, head))
    assert sum(network.parts.values()) == network.macs == ncp.macs(MIDDLE, (64, 96), 19, head).item()
    assert network.params == ncp.params(MIDDLE, 19, head).item()
    last, joined = MIDDLE.head, sum(MIDDLE.stages[3].channels)
    outputs, maps = {"classification": (1, 2 * 3), "segmentation": (16 * 24, 16 * 24), "features": (0, 0)}[head]
    assert network.parts["classifier"] == outputs * 19 * (last + 1)
    assert network.parts["head"] == maps * last * (joined + 2)


@pytest.mark.parametrize("code", CODES, ids=str)
def test_the_modules_are_the_network_s(code: ncp.Code) -> None:
    network = network_facts(code)
    setting = code.setting["network_setting"]
    assert [[m.stage, list(m.blocks), list(m.channels)] for m in network.modules] == setting
    before = 1
    for module in network.modules:
        fusion = Fusion([8] * before, [8] * module.stage)
        expected = {(i + 1, max(int(j) + 1, i if i >= before else 1)) for i, j in _terms(fusion)}
        assert {(edge.target, edge.source) for edge in module.edges} == expected
        assert len(module.edges) == len(expected) == max(3 * before - 2, 1) + module.stage - before
        before = module.stage


def _terms(fusion: Fusion) -> list[tuple[int, str]]:
    return [(i, j) for i, layers in enumerate(fusion.fuse_layers) for j in layers._modules]


def test_the_kinds_of_edges() -> None:
    first, second, third = network_facts(SMALLEST).modules[:3]
    assert first.edges == (Edge("straight", 1, 1),)
    assert second.edges == (Edge("straight", 1, 1), Edge("new", 1, 2))
    assert third.edges == (
        Edge("straight", 1, 1),
        Edge("up", 2, 1),
        Edge("down", 1, 2),
        Edge("straight", 2, 2),
        Edge("new", 2, 3),
    )


def test_what_changed() -> None:
    assert FEW.changed == {"b2": (1, 3), "c3_2": (128, 64), "n4_1": (4, 2), "o": (64, 128)}
    assert (FEW.first, FEW.second.code.head) == (network_facts(MIDDLE), 128)
    assert comparison_facts(MIDDLE, MIDDLE).changed == {}
    assert list(comparison_facts(SMALLEST, LARGEST).changed) == list(ncp.MULTIRES.names)


def test_what_is_differing_blocks() -> None:
    a, b = (network.code.stages for network in (FEW.first, FEW.second))
    assert differing_blocks(b[1], a[1], 0) == [[False], [False]]
    assert differing_blocks(b[1], a[1], 1) == [[True], [True]]
    assert differing_blocks(a[1], b[1], 0) == [[False], [False]]
    assert differing_blocks(a[2], b[2], 0) == differing_blocks(b[2], a[2], 0) == [[False], [True], [False]]
    assert differing_blocks(a[3], b[3], 3) == [[False, False, True, True], *[[False] * 4] * 3]
    assert differing_blocks(b[3], a[3], 3) == [[False, False], *[[False] * 4] * 3]
