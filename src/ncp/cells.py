"""The cells of NAS-Bench-201: six edges between four nodes, each with one of five operations."""

from ncp.space import Categorical, Space

OPERATIONS = ("avg_pool_3x3", "none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3")
"""In the order of the published one-hot codes."""

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))

CELL201 = Space(Categorical(f"edge{a}-{b}", OPERATIONS) for a, b in EDGES)
"""The 6-dimensional space of cells; its relaxation `(n, 30)` is the published one-hot code."""
