"""Columns as a pandas data frame; pandas is needed only here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ncp.errors import MissingExtraError

if TYPE_CHECKING:
    from pandas import DataFrame


def data_frame(columns: Mapping[str, Any]) -> DataFrame:
    """A data frame of named columns of one length.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    try:
        from pandas import DataFrame
    except ImportError as error:
        raise MissingExtraError("to_pandas needs pandas. Install it: pip install pandas.") from error
    return DataFrame(dict(columns))
