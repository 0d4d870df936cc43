"""Search: from an objective and a budget to ranked codes with verdicts; and searchers that are compared on tables."""

from ncp.searchers.comparison import Comparison, Standing, compare
from ncp.searchers.registry import SEARCHERS
from ncp.searchers.replay import History, simulate
from ncp.searchers.result import Result, Row, Value
from ncp.searchers.run import search

__all__ = [
    "SEARCHERS",
    "Comparison",
    "History",
    "Result",
    "Row",
    "Standing",
    "Value",
    "compare",
    "search",
    "simulate",
]
