"""How costs are written: with the same digits in commands, reports and the app."""

from __future__ import annotations


def gmacs_text(macs: float) -> str:
    """Multiply-adds in billions.

    >>> gmacs_text(3_998_928_882)
    '3.999'
    """
    return f"{macs / 1e9:.3f}"


def mparams_text(params: float) -> str:
    """Parameters in millions.

    >>> mparams_text(7_123_456)
    '7.12'
    """
    return f"{params / 1e6:.2f}"
