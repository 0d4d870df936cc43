"""Local search ends when no move and no pair of moves gains, and tries few pairs if there are many."""

import numpy as np
import pytest

from ncp import Categorical, Ordinal, Space
from ncp.optim.feasible import Feasible
from ncp.optim.local_search import BEAM, TRIED, search_locally
from ncp.spaces.arrays import Codes, Reals


class Score:
    """A score that is computed: of every dimension alone, and of every pair of neighbouring dimensions."""

    def __init__(self) -> None:
        self.evaluated: list[int] = []

    def __call__(self, codes: Codes) -> Reals:
        self.evaluated.append(len(codes))
        alone = np.sin(codes * (1 + np.arange(codes.shape[1]))).sum(axis=1)
        together = np.sin(3 * codes[:, 1:] * codes[:, :-1] + np.arange(codes.shape[1] - 1)).sum(axis=1)
        total: Reals = alone + together
        return total


@pytest.mark.parametrize("seed", range(3))
def test_no_move_and_no_pair_of_moves_gains(seed: int) -> None:
    space = Space([Ordinal(f"o{k}", range(6)) for k in range(4)] + [Categorical(f"c{k}", "abcd") for k in range(4)])
    score, feasible = Score(), Feasible.of(space)
    found = search_locally(score, feasible, space.sample(5, np.random.default_rng(seed)))
    scores = score(found)
    assert (np.diff(scores) <= 0).all()
    near, _ = feasible.moved(found[:1])
    around = np.concatenate([near, feasible.moved(near)[0]])
    assert score(around).max() <= scores[0] + 1e-6


def test_with_many_pairs_the_most_promising_are_tried_and_the_best_is_no_worse() -> None:
    space = Space([Categorical(f"c{k}", "abcde") for k in range(60)])
    start, score, feasible = space.sample(20, np.random.default_rng(0)), Score(), Feasible.of(space)
    found = search_locally(score, feasible, start)
    rounds = len(score.evaluated) // 2
    assert sum(score.evaluated) <= rounds * (BEAM * 240 + TRIED) + len(start)
    greedy = score(start).max()
    code = start[[score(start).argmax()]]
    for _ in range(rounds):  # the best single move, as often
        near, _ = feasible.moved(code)
        code = near[[score(near).argmax()]]
        greedy = max(greedy, score(code)[0])
    assert score(found[:1])[0] > greedy + 5
