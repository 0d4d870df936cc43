"""The facts behind the picture of a network, and that what is drawn of them can be read."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.transforms import Bbox

import ncp
from ncp.errors import ConfigError, DataError
from ncp.network.parts import Fusion
from ncp.report.network import (
    BLOCK,
    MARK,
    TALL,
    Comparison,
    Edge,
    Network,
    comparison_data,
    draw_network,
    marked,
    network_data,
    network_figure,
)

SMALLEST = ncp.Code([dimension.values[0] for dimension in ncp.MULTIRES.dimensions])
LARGEST = ncp.Code([dimension.values[-1] for dimension in ncp.MULTIRES.dimensions])
MIDDLE = ncp.Code.parse("96_128-1_1_1_48-1_2_1_1_128_8-1_3_1_1_1_128_128_120-4_4_4_4_4_4_128_128_128_128-64")
RANDOM = [ncp.Code(row) for row in ncp.MULTIRES.sample(6, np.random.default_rng(0)).tolist()]
CODES = [SMALLEST, MIDDLE, LARGEST, *RANDOM]


def altered(code: ncp.Code, **changes: int) -> ncp.Code:
    """`code` with other values in some dimensions."""
    return ncp.Code([changes.get(name, value) for name, value in zip(ncp.MULTIRES.names, code.vector, strict=True)])


WIDE = altered(SMALLEST, **{name: 128 for name in ncp.MULTIRES.names if name[0] in "ico"})
FEW = comparison_data(MIDDLE, altered(MIDDLE, c3_2=64, b2=3, n4_1=2, o=128))
PICTURES = [
    *(pytest.param(network_data(code), id=str(code)) for code in CODES),
    pytest.param(FEW, id="few"),
    pytest.param(comparison_data(MIDDLE, MIDDLE), id="none"),
    pytest.param(comparison_data(SMALLEST, SMALLEST), id="none, narrow"),
    pytest.param(comparison_data(SMALLEST, WIDE), id="narrow"),
    pytest.param(comparison_data(SMALLEST, LARGEST), id="all"),
    pytest.param(comparison_data(*RANDOM[:2]), id="many"),
]


@pytest.mark.parametrize("code", CODES, ids=str)
def test_the_parts_sum_up_to_the_cost(code: ncp.Code) -> None:
    network = network_data(code)
    assert (network.macs, network.params) == (ncp.macs(code).item(), ncp.params(code).item())
    assert sum(network.parts.values()) == network.macs
    assert len(network.parts) == 17
    assert network.parts["classifier"] == 50 * (code.head + 1)
    blocks = code.stages[2].modules * code.stages[2].blocks[1]
    channels = code.stages[2].channels[1]
    assert network.parts["stage 3 branch 2"] == blocks * 2 * 16 * 16 * channels * (9 * channels + 2)


@pytest.mark.parametrize("code", CODES, ids=str)
def test_the_modules_are_the_network_s(code: ncp.Code) -> None:
    network = network_data(code)
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
    first, second, third = network_data(SMALLEST).modules[:3]
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
    assert (FEW.first, FEW.second.code.head) == (network_data(MIDDLE), 128)
    assert comparison_data(MIDDLE, MIDDLE).changed == {}
    assert list(comparison_data(SMALLEST, LARGEST).changed) == list(ncp.MULTIRES.names)


def test_what_is_marked() -> None:
    a, b = (network.code.stages for network in (FEW.first, FEW.second))
    assert marked(b[1], a[1], 0) == [[False], [False]]
    assert marked(b[1], a[1], 1) == [[True], [True]]
    assert marked(a[1], b[1], 0) == [[False], [False]]
    assert marked(a[2], b[2], 0) == marked(b[2], a[2], 0) == [[False], [True], [False]]
    assert marked(a[3], b[3], 3) == [[False, False, True, True], *[[False] * 4] * 3]
    assert marked(b[3], a[3], 3) == [[False, False], *[[False] * 4] * 3]


def drawn(figure: Figure, colour: str) -> list[Rectangle]:
    """The boxes of one colour, without the legend's."""
    return [p for p in figure.axes[0].patches if isinstance(p, Rectangle) and to_hex(p.get_facecolor()) == colour]


@pytest.mark.parametrize("code", CODES, ids=str)
def test_every_block_is_a_box_as_high_as_its_channels(code: ncp.Code) -> None:
    figure = network_figure(network_data(code))
    expected = [c for s in code.stages for n, c in zip(s.blocks, s.channels, strict=True) for _ in range(n * s.modules)]
    heights = sorted(box.get_height() for box in drawn(figure, BLOCK))
    np.testing.assert_allclose(heights, np.sort(expected) * TALL / 128)
    assert not drawn(figure, MARK)
    stem_and_head = sorted(box.get_height() for box in drawn(figure, "#ffffff"))
    np.testing.assert_allclose(stem_and_head, np.sort([*code.stem, code.head]) * TALL / 128)


def test_as_many_boxes_are_marked_as_differ() -> None:
    assert len(drawn(network_figure(FEW), MARK)) == (1 + 4 * 2 + 1) + (1 + 2 * 2 + 1)
    assert not drawn(network_figure(comparison_data(MIDDLE, MIDDLE)), MARK)


def texts(figure: Figure) -> list[tuple[str, Bbox]]:
    """Every text that is drawn, and where it stands [pixels]."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    (ax,) = figure.axes
    legend = ax.get_legend()
    assert legend is not None
    return [(text.get_text(), text.get_window_extent(renderer)) for text in [*ax.texts, *legend.get_texts()]]


@pytest.mark.slow
@pytest.mark.parametrize("data", PICTURES)
def test_nothing_overlaps_and_nothing_runs_out(data: Network | Comparison) -> None:
    figure = network_figure(data)
    boxes = texts(figure)
    for (name, one), (other, two) in combinations(boxes, 2):
        assert not one.overlaps(two), (name, other)
    for name, one in boxes:
        assert figure.bbox.x0 < one.x0 < one.x1 < figure.bbox.x1, name
        assert figure.bbox.y0 < one.y0 < one.y1 < figure.bbox.y1, name
    legend = figure.axes[0].get_legend()
    assert legend is not None
    for colour in (BLOCK, MARK, "#ffffff"):
        for box in drawn(figure, colour):
            extent = box.get_window_extent()
            assert not extent.overlaps(legend.get_window_extent())
            for name, one in boxes:
                assert not extent.overlaps(one), name


def test_the_text_says_what_it_is() -> None:
    said = [text for text, _ in texts(network_figure(FEW))]
    a, b = FEW.first, FEW.second
    assert f"A:  {a.macs / 1e9:#.4g} GMACs, {a.params / 1e6:#.4g} M params at 128 x 128 pixels, 50 classes" in said
    assert {str(a.code), str(b.code), "B differs from A in 4 of 27 dimensions"} < set(said)
    assert {"b2     1 → 3", "c3_2 128 → 64", "n4_1   4 → 2", "o     64 → 128"} < set(said)
    assert {"stage 1", "x1 module", "x3 modules", "x4 modules", "stride 4", "stride 32"} < set(said)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ending", "magic"),
    [
        ("svg", b"<?xml"),
        pytest.param("PNG", b"\x89PNG", marks=pytest.mark.slow),
        pytest.param("pdf", b"%PDF", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("data", [network_data(MIDDLE), FEW], ids=["one", "two"])
def test_it_is_drawn_twice_the_same(data: Network | Comparison, tmp_path: Path, ending: str, magic: bytes) -> None:
    first, second = tmp_path / f"a.{ending}", tmp_path / f"b.{ending}"
    draw_network(data, first)
    draw_network(data, second)
    assert first.read_bytes().startswith(magic)
    assert first.read_bytes() == second.read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_the_largest_picture_is_a_small_file(tmp_path: Path) -> None:
    draw_network(comparison_data(SMALLEST, LARGEST), tmp_path / "net.svg")
    assert (tmp_path / "net.svg").stat().st_size < 300_000
    assert b"<dc:date>" not in (tmp_path / "net.svg").read_bytes()


@pytest.mark.parametrize("name", ["net.gif", "net", "svg"])
def test_another_ending(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"ends in \.svg, \.png or \.pdf\. Got .*{name}'\.$"):
        draw_network(network_data(SMALLEST), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_path_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="Cannot write "):
        draw_network(network_data(SMALLEST), tmp_path / "file" / "net.svg")
