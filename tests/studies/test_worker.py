"""How a worker says that a training ended."""

import signal
from pathlib import Path

import pytest

import ncp.studies.worker
from ncp.processes import exit_on_termination
from ncp.studies.worker import Settings, Work, carry_out


@pytest.mark.parametrize(("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_a_training_that_a_signal_ends_has_not_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, raised: type[BaseException]
) -> None:
    """Compiled code may replace the exception of a signal's handler by an error of its own."""

    def trained(*_: object) -> None:
        try:
            signal.raise_signal(number)
        except (KeyboardInterrupt, SystemExit):
            raise ValueError from None

    monkeypatch.setattr(ncp.studies.worker, "_trained", trained)
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    exit_on_termination()
    try:
        with pytest.raises(raised):
            carry_out(Work("run", "code", (), 0, {}, Settings(tmp_path, 1, False)), None)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    assert not (tmp_path / "run").exists()
