"""Latencies that are computed instead of measured."""

import pytest

from ncp import Code
from ncp.network.profile import Conditions, Latency
from tests.latencies import computed


@pytest.fixture(autouse=True)
def memory_suffices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out a pass on tensors without data, which takes half a second; tests of `ncp profile` check it."""
    monkeypatch.setattr(Conditions, "require_memory", lambda *_: None)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Computes latencies instead of measuring them, and lists the codes that were asked for."""
    asked: list[str] = []

    def measure(code: Code, conditions: Conditions, seconds: float = 0.2) -> Latency:
        asked.append(str(code))
        return computed(code, conditions, seconds)

    monkeypatch.setattr("ncp.network.latency.measure", measure)
    return asked
