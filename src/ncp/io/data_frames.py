"""Columns as a pandas data frame; pandas is needed only here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ncp.extras import require_package

if TYPE_CHECKING:
    from pandas import DataFrame


def data_frame(columns: Mapping[str, Any]) -> DataFrame:
    """A data frame of named columns of one length.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    require_package("pandas", "a data frame")
    from pandas import DataFrame

    return DataFrame(dict(columns))
