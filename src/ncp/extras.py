"""Optional packages: which extra installs them, and whether they are there before long work begins."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from ncp.errors import MissingExtraError

EXTRAS = {
    "app": ("nicegui",),
    "draw": ("matplotlib",),
    "export": ("onnx", "onnxruntime", "onnxscript"),
    "openvino": ("onnx", "openvino"),
    "ray": ("ray",),
    "report": ("jinja2", "plotly"),
    "search": ("optuna",),
    "tasks": ("PIL", "av"),
}
"""The packages that each extra installs, as they are imported."""
DISTRIBUTIONS = {"PIL": "pillow"}
"""The names of packages that are installed by another name."""


def has_extra(extra: str) -> bool:
    """Whether every package of an extra is installed."""
    return all(_installed(package) for package in EXTRAS[extra])


def require_extra(extra: str, purpose: str) -> None:
    """Refuse work whose optional packages are not installed.

    Args:
        extra: one of `EXTRAS`.
        purpose: what needs the packages, as the message says it: `a report`.

    Raises:
        MissingExtraError: with the missing packages and how to install them.
    """
    _require(EXTRAS[extra], purpose, install_advice(extra))


def require_package(package: str, purpose: str) -> None:
    """Refuse work whose package is not installed, if it is part of no extra.

    Args:
        package: its name, as it is imported and installed.
        purpose: what needs the package, as the message says it.

    Raises:
        MissingExtraError: with the package and how to install it.
    """
    _require((package,), purpose, f"Install it: pip install {package}.")


def install_advice(extra: str) -> str:
    """How to install an extra.

    >>> install_advice("search")
    "Install the extra: pip install 'ncp-nas[search]'."
    """
    return f"Install the extra: pip install 'ncp-nas[{extra}]'."


def _require(packages: Sequence[str], purpose: str, advice: str) -> None:
    missing = [DISTRIBUTIONS.get(package, package) for package in packages if not _installed(package)]
    if missing:
        raise MissingExtraError(f"{purpose[:1].upper()}{purpose[1:]} needs {' and '.join(missing)}. {advice}")


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):  # a broken or blocked package
        return False
