"""Latencies that are computed instead of measured."""

import pytest

from ncp import Code
from ncp.network.profile import Conditions, Latency
from tests.latencies import computed, require_memory_once


@pytest.fixture(autouse=True)
def memory_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check once for each network and conditions whether the memory suffices."""
    monkeypatch.setattr(Conditions, "require_memory", require_memory_once)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Computes latencies instead of measuring them, and lists the codes that were asked for."""
    asked: list[str] = []

    def measure(code: Code, conditions: Conditions, seconds: float = 0.2) -> Latency:
        asked.append(str(code))
        return computed(code, conditions, seconds)

    monkeypatch.setattr("ncp.network.latency.measure", measure)
    return asked
