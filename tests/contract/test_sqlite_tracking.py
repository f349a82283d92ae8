from collections import Counter

from katib.store import open_store
from katib.testing.tracking_contract import TrackingContract


class TestSqliteTracking(TrackingContract):
    opener = staticmethod(open_store)


def test_no_promise_hides_another():
    names = Counter(name for part in TrackingContract.__bases__ for name in vars(part) if name.startswith("test_"))
    assert [name for name, times in names.items() if times > 1] == []
