"""What every store promises, as tests.

A store's whole test module can be::

    class TestMyStore(StoreContract):
        opener = staticmethod(open_my_store)
"""

from __future__ import annotations

from katib.testing.store_promises.events import EventPromises
from katib.testing.store_promises.experiments import ExperimentPromises
from katib.testing.store_promises.logs import LogPromises
from katib.testing.store_promises.observations import ObservationPromises
from katib.testing.store_promises.sharing import SharingPromises
from katib.testing.store_promises.transactions import TransactionPromises
from katib.testing.store_promises.trials import TrialPromises

__all__ = ["StoreContract"]


class StoreContract(
    ExperimentPromises,
    TrialPromises,
    ObservationPromises,
    LogPromises,
    EventPromises,
    TransactionPromises,
    SharingPromises,
):
    """Inherit it and set ``opener`` (``katib.testing.store_promises.base``)."""
