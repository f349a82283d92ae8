"""What the collector makes of files in the folder that it shares with a trainer, who may write anything there."""

import pytest

from katib.metrics.sidecar.exchange import Ended, Exchange

GOOD = '{"run": "7", "exit_code": 3, "missing_bytes": 5}'


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '{"run": "7", "exit_code": "x"}', "[" * 100_000, "\0" * 100])
def test_an_end_that_cannot_be_read_is_none(tmp_path, text):
    exchange = Exchange(tmp_path)
    (tmp_path / "ended").write_text(text)
    assert exchange.ended() is None
    (tmp_path / "ended").unlink()
    (tmp_path / "ended").write_text(GOOD)
    assert exchange.ended() == Ended(run="7", exit_code=3, stopped=False, missing_bytes=5, cannot_run="")
