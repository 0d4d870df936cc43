"""Features of cells: counted by hand, equal for cells that compute the same, smooth in between."""

import itertools
from collections import Counter

import numpy as np
import pytest
import torch

from ncp import CELL201
from ncp.predictors.features import Features
from ncp.predictors.graph_features import GraphFeatures
from ncp.predictors.meaning import GRAPH
from ncp.spaces.cell_graph import CellGraph
from ncp.spaces.cells import EDGES, OPERATIONS, parse_cell

NAMES = ("avg_pool_3x3", "skip_connect", "nor_conv_1x1", "nor_conv_3x3")
CONVOLUTIONS = NAMES[2:]


def features(codes: np.ndarray) -> np.ndarray:
    return GraphFeatures(CELL201)(torch.as_tensor(CELL201.relax(codes), dtype=torch.float64)).numpy()


def counted(code: np.ndarray) -> list[float]:
    """The same features, by walking through the cell."""
    operation = {edge: OPERATIONS[k] for edge, k in zip(EDGES, code, strict=True)}
    walks = [(0, 3), (0, 1, 3), (0, 2, 3), (0, 1, 2, 3)]
    paths = [[operation[edge] for edge in itertools.pairwise(walk)] for walk in walks]
    live = [path if "none" not in path else None for path in paths]
    edges = {edge for walk, path in zip(walks, live, strict=True) if path for edge in itertools.pairwise(walk)}
    values: list[float] = [sum(operation[edge] == name for edge in edges) for name in NAMES]
    values.append(sum(path is not None for path in live))
    values.append(sum(path is not None and not set(path) & set(CONVOLUTIONS) for path in live))
    for group in (*((name,) for name in NAMES), CONVOLUTIONS):
        counts = [0 if path is None else sum(name in group for name in path) for path in live]
        values += [*counts, max(counts), sum(counts)]
    words = Counter(tuple(name for name in path if name != "skip_connect") for path in live if path is not None)
    order: dict[tuple[str, ...], None] = {}
    for walk in walks:
        for word in itertools.product(NAMES, repeat=len(walk) - 1):
            order[tuple(name for name in word if name != "skip_connect")] = None
    return [*values, *(words[word] for word in order)]


def test_features_are_counts() -> None:
    codes = CELL201.sample(300, np.random.default_rng(0))
    assert features(codes) == pytest.approx(np.array([counted(code) for code in codes]), abs=1e-12)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("344000", "300000"),  # edges that lead nowhere
        ("034102", "030102"),  # an edge that nothing reaches
        ("304100", "000100"),
    ],
)
def test_operations_on_dead_edges_do_not_matter(first: str, second: str) -> None:
    a, b = features(np.array([parse_cell(first), parse_cell(second)]))
    assert a == pytest.approx(b)


def test_the_order_of_operations_on_a_path_matters() -> None:
    a, b = (
        parse_cell(f"|{one}~0|+|none~0|none~1|+|none~0|{two}~1|none~2|")
        for one, two in (("nor_conv_3x3", "avg_pool_3x3"), ("avg_pool_3x3", "nor_conv_3x3"))
    )
    first, second = features(np.array([a, b]))
    assert (first != second).any()


def test_gradients_are_those_of_finite_differences() -> None:
    x = torch.rand(1, 30, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(GraphFeatures(CELL201), x.requires_grad_())


def test_predictors_of_cells_see_the_graph_beside_the_code() -> None:
    inputs, code = Features(CELL201), Features(CELL201, graph=False)
    assert len(inputs) == len(inputs.meanings) == len(code) + 76
    assert {meaning.block for meaning in inputs.meanings} - {meaning.block for meaning in code.meanings} == set(GRAPH)


@pytest.mark.parametrize(
    ("edges", "problem"), [(((1, 0),), "lower to higher"), (((0, 1), (2, 3)), "do not connect"), ((), "do not connect")]
)
def test_graphs_that_are_none(edges: tuple[tuple[int, int], ...], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        CellGraph(edges, none="none", skip="skip", convolutions=("conv",))


def test_paths_of_a_larger_graph() -> None:
    edges = tuple(itertools.combinations(range(6), 2))
    assert len(CellGraph(edges, none="none", skip="skip", convolutions=("conv",)).paths) == 2**4
