"""The drawing that follows the sliders: as fast as they are, and of the same facts as the printed one."""

import re
import time

from hypothesis import given

from ncp.app.drawing import network_svg
from ncp.report.network import network_data
from ncp.spaces.multires import Code
from tests.strategies import codes


@given(codes)
def test_every_block_and_every_fusion_is_drawn(code: Code) -> None:
    svg = network_svg(code)
    network = network_data(code)
    boxes = re.search(r'class="net-box" d="([^"]*)"', svg)
    assert boxes is not None
    blocks = sum(sum(module.blocks) for module in network.modules)
    assert boxes.group(1).count("M") == blocks + 4  # and two of the stem, the concatenation, the head
    kinds = [edge.kind.replace("new", "down") for module in network.modules for edge in module.edges]
    for kind in ("straight", "down", "up"):
        lines = re.search(f'class="net-{kind}" d="([^"]*)"', svg)
        assert lines is not None
        assert lines.group(1).count("M") == kinds.count(kind) + 2 * (kind == "down")
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    for k, stage in enumerate(code.stages, start=1):
        assert f"stage {k} × {stage.modules}" in texts  # noqa: RUF001
        assert all(str(channels) in texts for channels in stage.channels)


def test_a_drawing_takes_no_time() -> None:
    largest = Code.parse("128_128-4_1_4_128-4_2_4_4_128_128-4_3_4_4_4_128_128_128-4_4_4_4_4_4_128_128_128_128-128")
    network_svg(largest)
    began = time.perf_counter()
    for _ in range(10):
        svg = network_svg(largest)
    assert (time.perf_counter() - began) / 10 < 0.1
    assert len(svg) < 10_000
