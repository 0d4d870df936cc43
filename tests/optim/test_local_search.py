"""The local search ends where no move and no pair of moves gains, and tries few pairs where there are many."""

from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pytest

from ncp import Budget, Categorical, Objective, Ordinal, Space
from ncp.optim.local_search import BEAM, HOPED, polish
from ncp.optim.problem import Problem, moves
from ncp.spaces.arrays import Codes, Reals


@dataclass(frozen=True, eq=False)
class Known(Problem):
    """A problem whose scores are computed: of every dimension alone, and of every pair of neighbouring dimensions."""

    evaluated: list[int] = field(default_factory=list)

    def values_and_scores(self, codes: Codes) -> tuple[Reals, Reals]:
        self.evaluated.append(len(codes))
        alone = np.sin(codes * (1 + np.arange(codes.shape[1]))).sum(axis=1)
        together = np.sin(3 * codes[:, 1:] * codes[:, :-1] + np.arange(codes.shape[1] - 1)).sum(axis=1)
        return np.empty((len(codes), 0)), alone + together


def known(space: Space) -> Known:
    predictor: Any = type("Of", (), {"space": space})
    return Known(cast("Any", predictor), Objective({"a": 1.0}), Budget(), np.zeros(len(space), dtype=bool))


@pytest.mark.parametrize("seed", range(3))
def test_no_move_and_no_pair_of_moves_gains(seed: int) -> None:
    space = Space([Ordinal(f"o{k}", range(6)) for k in range(4)] + [Categorical(f"c{k}", "abcd") for k in range(4)])
    problem = known(space)
    found = polish(problem, space.sample(5, np.random.default_rng(seed)))
    _, scores = problem.values_and_scores(found)
    assert (np.diff(scores) <= 0).all()
    near, _ = moves(problem, found[:1])
    around = np.concatenate([near, moves(problem, near)[0]])
    assert problem.values_and_scores(around)[1].max() <= scores[0] + 1e-6


def test_of_many_pairs_the_hopeful_ones_are_tried_and_no_less_is_found() -> None:
    space = Space([Categorical(f"c{k}", "abcde") for k in range(60)])
    start, problem = space.sample(20, np.random.default_rng(0)), known(space)
    found = polish(problem, start)
    rounds = len(problem.evaluated) // 2
    assert sum(problem.evaluated) <= rounds * (BEAM * 240 + HOPED) + len(start)
    greedy = problem.values_and_scores(start)[1].max()
    code = start[[problem.values_and_scores(start)[1].argmax()]]
    for _ in range(rounds):  # the best single move, as often
        near, _ = moves(problem, code)
        code = near[[problem.values_and_scores(near)[1].argmax()]]
        greedy = max(greedy, problem.values_and_scores(code)[1][0])
    assert problem.values_and_scores(found[:1])[1][0] > greedy + 5
