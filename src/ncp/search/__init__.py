"""Search: from an objective and a budget to ranked codes with verdicts."""

from ncp.search.result import Result, Row, Value
from ncp.search.run import search

__all__ = ["Result", "Row", "Value", "search"]
