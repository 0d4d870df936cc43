"""A missing extra is named with the command that installs it."""

import sys

import pytest

from ncp import MissingExtraError
from ncp.extras import EXTRAS, has_extra, require_extra, require_package


@pytest.mark.parametrize("extra", EXTRAS)
def test_a_missing_extra_is_named_with_its_install_command(extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert has_extra(extra)
    require_extra(extra, "a report")
    package = EXTRAS[extra][-1]
    monkeypatch.setitem(sys.modules, package, None)
    assert not has_extra(extra)
    with pytest.raises(MissingExtraError, match=rf"A report needs {package}. Install the extra: pip install 'ncp-nas"):
        require_extra(extra, "a report")


def test_a_missing_package_of_no_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    require_package("pytest", "a data frame")
    monkeypatch.setitem(sys.modules, "pytest", None)
    with pytest.raises(MissingExtraError, match=r"^A data frame needs pytest\. Install it: pip install pytest\.$"):
        require_package("pytest", "a data frame")
