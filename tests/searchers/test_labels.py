"""What a search was told: repeats, failures, and columns."""

import numpy as np

from ncp import Space
from ncp.searchers.labels import Told

SPACE = Space.from_dict({"a": [1, 2, 3, 4], "b": [1, 2]})
CODES = np.array([[1, 1], [2, 1], [3, 2]])


def test_repeats_are_averaged_and_the_same_score_counts_once() -> None:
    told = Told(SPACE)
    told.add(CODES[:2], np.array([3.0, 5.0]))
    told.add(CODES[:1], np.array([4.0]))
    told.add(CODES[1:2], np.array([5.0]))
    labels = told.labels()
    assert labels is not None
    assert labels.codes.tolist() == CODES[:2].tolist()
    np.testing.assert_allclose(labels.scores, [3.5, 5.0])
    np.testing.assert_allclose(labels.repeats, [2, 1])
    assert labels.columns is None


def test_a_failed_code_counts_as_the_worst_in_every_column() -> None:
    told = Told(SPACE)
    columns = np.array([[1.0, 2.0], [3.0, -1.0], [np.nan, np.nan]])
    told.add(CODES, columns.sum(axis=1), columns)
    labels = told.labels()
    assert labels is not None
    np.testing.assert_allclose(labels.scores, [3, 2, 2])
    assert labels.columns is not None
    np.testing.assert_allclose(labels.columns, [[1, 2], [3, -1], [1, -1]])


def test_a_failure_beside_a_success_is_forgotten() -> None:
    told = Told(SPACE)
    told.add(CODES[[0, 0]], np.array([np.nan, 7.0]))
    labels = told.labels()
    assert labels is not None
    np.testing.assert_allclose(labels.scores, [7])
    np.testing.assert_allclose(labels.repeats, [1])


def test_without_a_success_nothing_is_known() -> None:
    told = Told(SPACE)
    assert told.labels() is None
    told.add(CODES[:1], np.array([np.nan]))
    assert told.labels() is None
    assert len(told.codes) == 1


def test_columns_count_only_if_all_scores_have_them() -> None:
    told = Told(SPACE)
    told.add(CODES[:1], np.array([3.0]), np.array([[1.0, 2.0]]))
    told.add(CODES[1:2], np.array([5.0]))
    labels = told.labels()
    assert labels is not None
    assert labels.columns is None
