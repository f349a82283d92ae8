"""The process in the collector's container. Its settings are environment variables.

KATIB_COLLECTOR         the settings, one JSON document (``settings.SidecarSettings``)
KATIB_REPORT_TOKEN      the token for reports about this trial
KATIB_POD_UID           the pod, within which samples are numbered
KATIB_TERMINATION_LOG   where the last words go; by default /dev/termination-log
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from katib.errors import InvalidInput
from katib.metrics.sidecar.collecting import Collecting
from katib.metrics.sidecar.delivery import Delivery, StoreClient
from katib.metrics.sidecar.ending import ENDING
from katib.metrics.sidecar.exchange import Exchange
from katib.metrics.sidecar.settings import SidecarSettings
from katib.metrics.sidecar.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

__all__ = ["main"]

_LOGGER: Final = logging.getLogger(__name__)


def main(environment: Mapping[str, str] = os.environ) -> int:
    """Collect one trial's metrics, and return the exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    last_words = Path(environment.get("KATIB_TERMINATION_LOG", "/dev/termination-log"))

    def tell(text: str) -> None:
        try:
            last_words.write_text(text, encoding="utf-8")
        except OSError as error:
            _LOGGER.warning("%s cannot be written: %s; it would say: %s", last_words, error.strerror, text)

    try:
        settings = SidecarSettings.from_json(environment.get("KATIB_COLLECTOR", ""))
        exchange = Exchange(Path(settings.folder))
        spool = Spool(exchange.spool)
    except (InvalidInput, OSError) as error:
        _LOGGER.error("%s", error)  # noqa: TRY400 - a sentence for who runs the cluster
        tell(str(error))
        return InvalidInput.exit_code
    client = StoreClient(
        settings, source=environment.get("KATIB_POD_UID", ""), token=environment.get("KATIB_REPORT_TOKEN", "")
    )
    delivery = Delivery(spool, client)
    collecting = Collecting(settings, exchange, spool, delivery, tell=tell)

    def told_to_end(_number: int, _frame: FrameType | None) -> None:
        collecting.terminate()

    for number in ENDING:
        signal.signal(number, told_to_end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    try:
        return collecting.run()
    finally:
        delivery.end()
