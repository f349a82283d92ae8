import random

import pytest

from katib.errors import InvalidInput
from katib.rest.modeldb.fields import Fields
from katib.rest.modeldb.paging import Page, Pages, page_in
from katib.store.tracking.records import Found


class Listed:
    """A list as a store has it: a cursor is the last thing of a page."""

    def __init__(self, items):
        self.items = items
        self.read = 0

    def __call__(self, tracking, *, limit, cursor, whole, count):
        del tracking, whole
        start = 0 if cursor is None else self.items.index(int(cursor)) + 1
        page = self.items[start : start + limit]
        self.read += len(page)
        more = start + limit < len(self.items)
        return Found(tuple(page), str(page[-1]) if more else None, len(self.items) if count else None)


@pytest.mark.parametrize("seed", range(5))
def test_a_page_is_what_stands_there_whoever_asked_before(seed):
    chance = random.Random(seed)
    listed = Listed(list(range(2_500)))
    warm = Pages()
    for _ in range(40):
        number, limit = chance.randint(-1, 30), chance.choice([-1, 0, 1, 7, 100, 1_500])
        wanted = listed.items if limit <= 0 else listed.items[(max(number, 1) - 1) * limit :][:limit]
        for pages in (warm, Pages()):
            assert Page(number, limit).read(None, listed, pages, "list") == (wanted, 2_500)


def test_pages_in_a_row_read_nothing_twice():
    listed, pages, found = Listed(list(range(1_000))), Pages(), []
    for number in range(1, 11):
        found += Page(number, 100).read(None, listed, pages, "list")[0]
    assert found == listed.items
    assert listed.read == 1_000 + 10  # and one for each count


def test_another_list_has_other_pages():
    pages = Pages()
    Page(1, 2).read(None, Listed([1, 2, 3, 4]), pages, "one")
    assert Page(2, 2).read(None, Listed([5, 6, 7]), pages, "other") == ([7], 3)


@pytest.mark.parametrize("fields", [{"page_number": -2}, {"page_limit": "x"}, {"page_limit": 2**31}])
def test_what_is_no_page_is_refused(fields):
    with pytest.raises(InvalidInput):
        page_in(Fields(fields))


def test_a_page_that_is_too_large_is_refused_and_not_cut():
    listed = Listed(list(range(1_000)))
    with pytest.raises(InvalidInput, match="page_limit"):
        Page(1, 1_000).read(None, listed, Pages(), "list", weigh=lambda _: 1 << 20)
    assert listed.read == 101
    assert len(Page(1, 40).read(None, listed, Pages(), "list", weigh=lambda _: 1 << 20)[0]) == 40
