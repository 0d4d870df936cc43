"""Drawings of networks: every block, fusion and difference is drawn, in light and dark, quickly and in few bytes."""

import re
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given

import ncp
from ncp.errors import ConfigError, DataError, MissingExtraError
from ncp.report.formats import save
from ncp.report.network_drawing import explained_picture, network_element, network_picture
from ncp.report.network_facts import Network, NetworkPair, comparison_facts, network_facts
from ncp.report.style import DARK, LIGHT
from ncp.report.svg import Picture, Text
from tests.report.networks import CODES, FEW, LARGEST, MIDDLE, SMALLEST
from tests.strategies import codes

TALL = 46


def heights(picture: Picture, fill: str) -> list[float]:
    """The heights of the drawing's boxes of one colour, without the legend's."""
    shapes = [item for item in picture.items if not isinstance(item, Text) and item.fill == fill]
    found = re.findall(r"M[-\d.]+ ([-\d.]+)H[-\d.]+V([-\d.]+)H", "".join(shape.d for shape in shapes[:-1]))
    return sorted(float(low) - float(high) for high, low in found)


def texts(picture: Picture) -> list[str]:
    return [item.text for item in picture.items if isinstance(item, Text)]


@pytest.mark.parametrize("code", CODES, ids=str)
def test_every_block_is_a_box_as_high_as_its_channels(code: ncp.Code) -> None:
    picture = network_picture(network_facts(code))
    expected = [c for s in code.stages for n, c in zip(s.blocks, s.channels, strict=True) for _ in range(n * s.modules)]
    np.testing.assert_allclose(heights(picture, "box"), np.sort(expected) * TALL / 128, atol=0.06)
    np.testing.assert_allclose(heights(picture, "paper"), np.sort([*code.stem, code.head]) * TALL / 128, atol=0.06)
    assert not heights(picture, "mark")


def marks(data: NetworkPair) -> int:
    picture = network_picture(data)
    return sum(item.d.count("M") for item in picture.items if not isinstance(item, Text) and item.fill == "mark")


def test_as_many_boxes_are_marked_as_differ() -> None:
    legend = 1
    assert marks(FEW) == (1 + 4 * 2 + 1) + (1 + 2 * 2 + 1) + legend
    assert marks(comparison_facts(MIDDLE, MIDDLE)) == legend


def test_the_text_says_what_it_is() -> None:
    said = texts(network_picture(FEW))
    a, b = FEW.first, FEW.second
    assert f"A:  {a.macs / 1e9:#.4g} GMACs, {a.params / 1e6:#.4g} M params at 128 x 128 pixels, 50 classes" in said
    assert {str(a.code), str(b.code), "B differs from A in 4 of 27 dimensions"} < set(said)
    assert {"b2     1 → 3", "c3_2 128 → 64", "n4_1   4 → 2", "o     64 → 128"} < set(said)
    assert {"stage 1 × 1", "stage 2 × 3", "stage 4 × 4", "stride 4", "stride 32"} < set(said)  # noqa: RUF001


@pytest.mark.parametrize(
    "ending", ["svg", *(pytest.param(ending, marks=pytest.mark.slow) for ending in ("PNG", "pdf"))]
)
@pytest.mark.parametrize("data", [network_facts(MIDDLE), FEW], ids=["one", "two"])
def test_it_is_drawn_twice_the_same(data: Network | NetworkPair, tmp_path: Path, ending: str) -> None:
    if ending != "svg":
        pytest.importorskip("matplotlib")
    first, second = tmp_path / f"a.{ending}", tmp_path / f"b.{ending}"
    save(network_picture(data), first)
    save(network_picture(data), second)
    assert first.read_bytes().startswith({"svg": b"<?xml", "PNG": b"\x89PNG", "pdf": b"%PDF"}[ending])
    assert first.read_bytes() == second.read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_the_largest_picture_is_a_small_file(tmp_path: Path) -> None:
    save(network_picture(comparison_facts(SMALLEST, LARGEST)), tmp_path / "net.svg")
    assert (tmp_path / "net.svg").stat().st_size < 50_000


def test_a_file_has_both_colour_schemes_and_is_well_formed(tmp_path: Path) -> None:
    save(network_picture(FEW), tmp_path / "net.svg")
    ElementTree.parse(tmp_path / "net.svg")  # noqa: S314
    text = (tmp_path / "net.svg").read_text("utf-8")
    light, dark = text.split("@media (prefers-color-scheme:dark)")
    assert all(f".f-{name}{{fill:{LIGHT[name]}}}" in light for name in LIGHT)
    assert all(f".f-{name}{{fill:{DARK[name]}}}" in dark for name in LIGHT)
    assert "var(" not in text


@pytest.mark.parametrize("name", ["net.gif", "net", "svg"])
def test_another_ending(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"must end in \.svg, \.png or \.pdf, got .*{name}'\.$"):
        save(network_picture(network_facts(SMALLEST)), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_png_without_matplotlib_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ncp.extras._installed", lambda _: False)
    with pytest.raises(MissingExtraError, match=r"needs matplotlib\..*ncp-nas\[draw\]"):
        save(network_picture(network_facts(SMALLEST)), tmp_path / "net.png")
    save(network_picture(network_facts(SMALLEST)), tmp_path / "net.svg")
    assert [path.name for path in tmp_path.iterdir()] == ["net.svg"]


@pytest.mark.slow
def test_svg_needs_no_matplotlib(tmp_path: Path) -> None:
    program = (
        "import sys; import ncp.report.html, ncp.report.pictures; from ncp.report.formats import save; "
        "from ncp.report.svg import Picture; save(Picture(9, 9, ''), sys.argv[1]); print('matplotlib' in sys.modules)"
    )
    ran = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program, str(tmp_path / "a.svg")], capture_output=True, text=True, timeout=60, check=True
    )
    assert (ran.stdout, (tmp_path / "a.svg").exists()) == ("False\n", True)


def test_a_path_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="Cannot write "):
        save(network_picture(network_facts(SMALLEST)), tmp_path / "file" / "net.svg")


def shapes(svg: str, classes: str) -> int:
    """How many separate shapes the paths of some classes have."""
    return sum(d.count("M") for d in re.findall(rf'<path class="{classes}"[^>]* d="([^"]*)"', svg))


@given(codes)
def test_the_compact_drawing_has_every_block_and_every_fusion(code: ncp.Code) -> None:
    svg, network = network_element(code), network_facts(code)
    assert shapes(svg, "f-box s-box-edge") == sum(sum(module.blocks) for module in network.modules)
    assert shapes(svg, "f-paper s-box-edge") == 3
    kinds = [edge.kind.replace("new", "down") for module in network.modules for edge in module.edges]
    for kind, colour in (("straight", "ink"), ("down", "blue"), ("up", "green")):
        stem = 2 if kind == "down" else 0
        assert shapes(svg, f"s-{colour}") == kinds.count(kind) + stem
    said = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    for k, stage in enumerate(code.stages, start=1):
        assert f"stage {k} × {stage.modules}" in said  # noqa: RUF001
        assert all(str(channels) in said for channels in stage.channels)


@pytest.mark.parametrize("code", CODES, ids=str)
def test_a_drawing_with_a_legend_has_every_block_and_explains_it(code: ncp.Code) -> None:
    picture, network = explained_picture(code), network_facts(code)
    swatch = 1
    svg = picture.element()
    assert shapes(svg, "f-box s-box-edge") == sum(sum(module.blocks) for module in network.modules) + swatch
    said = texts(picture)
    assert {"residual block; height = channels", "1 x 1 convolution, upsampled by 2"} < set(said)
    large = network_picture(network).width > 1344
    assert large or code != LARGEST
    assert not large or code not in (SMALLEST, MIDDLE)
    assert ("1/32" in said, "stride 32" in said, "sum of what arrives" in said) == (large, not large, not large)
    assert picture.width < (900 if large else 1350)
    assert picture.label.startswith(f"Network {code}: {network.macs / 1e9:#.4g} GMACs")


def test_a_compact_drawing_takes_no_time() -> None:
    network_element(LARGEST)
    began = time.perf_counter()
    for _ in range(10):
        svg = network_element(LARGEST)
    assert (time.perf_counter() - began) / 10 < 0.1
    assert len(svg) < 10_000
