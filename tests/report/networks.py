"""Networks and pairs of networks to draw."""

import numpy as np

import ncp
from ncp.report.network_facts import Network, NetworkPair, comparison_facts, network_facts

SMALLEST = ncp.Code([dimension.values[0] for dimension in ncp.MULTIRES.dimensions])
LARGEST = ncp.Code([dimension.values[-1] for dimension in ncp.MULTIRES.dimensions])
MIDDLE = ncp.Code.parse("96_128-1_1_1_48-1_2_1_1_128_8-1_3_1_1_1_128_128_120-4_4_4_4_4_4_128_128_128_128-64")
RANDOM = [ncp.Code(row) for row in ncp.MULTIRES.sample(6, np.random.default_rng(0)).tolist()]
CODES = [SMALLEST, MIDDLE, LARGEST, *RANDOM]


def altered(code: ncp.Code, **changes: int) -> ncp.Code:
    """`code` with other values in some dimensions."""
    return ncp.Code([changes.get(name, value) for name, value in zip(ncp.MULTIRES.names, code.vector, strict=True)])


WIDE = altered(SMALLEST, **{name: 128 for name in ncp.MULTIRES.names if name[0] in "ico"})
FEW = comparison_facts(MIDDLE, altered(MIDDLE, c3_2=64, b2=3, n4_1=2, o=128))
DRAWN: dict[str, Network | NetworkPair] = {
    **{str(code): network_facts(code) for code in CODES},
    "few": FEW,
    "none": comparison_facts(MIDDLE, MIDDLE),
    "none, narrow": comparison_facts(SMALLEST, SMALLEST),
    "narrow": comparison_facts(SMALLEST, WIDE),
    "all": comparison_facts(SMALLEST, LARGEST),
    "many": comparison_facts(*RANDOM[:2]),
}
