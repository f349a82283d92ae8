from collections import Counter

from katib.store import open_store
from katib.testing.store_contract import StoreContract


class TestSqliteStore(StoreContract):
    opener = staticmethod(open_store)


def test_no_promise_hides_another():
    names = Counter(name for part in StoreContract.__bases__ for name in vars(part) if name.startswith("test_"))
    assert [name for name, times in names.items() if times > 1] == []
