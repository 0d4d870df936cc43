"""Search: from an objective and a budget to ranked codes with verdicts."""

from ncp.searchers.result import Result, Row, Value
from ncp.searchers.run import search

__all__ = ["Result", "Row", "Value", "search"]
