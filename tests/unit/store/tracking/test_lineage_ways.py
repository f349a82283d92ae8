import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from katib.store.sql.tracking.lineage_ways import distances, node_in_circle

EDGES = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20)


def nodes(pairs):
    return [(("run", one), ("run", other)) for one, other in pairs]


def reachable(edges, start):
    """Every node that a way of at least one edge leads to; slow and plain."""
    found, before = set(), None
    while found != before:
        before = set(found)
        found |= {made for given, made in edges if given == start or given in found}
    return found


@given(EDGES)
def test_a_node_of_a_circle_is_found_where_there_is_one(pairs):
    edges = nodes(pairs)
    circular = {end for edge in edges for end in edge if end in reachable(edges, end)}
    found = node_in_circle(edges)
    assert found in circular if circular else found is None


@given(EDGES, st.booleans())
def test_distances_are_those_of_the_shortest_ways(pairs, up):
    edges = nodes(pairs)
    start = ("run", 0)
    found = distances(edges, start, up=up)
    walked = [(made, given) if up else (given, made) for given, made in edges]
    assert found.keys() == {start} | reachable(walked, start)
    assert found[start] == 0
    for node in found.keys() - {start}:
        assert found[node] == 1 + min(found[near] for near, far in walked if far == node and near in found)


@pytest.mark.parametrize("closed", [False, True])
def test_a_large_graph_needs_no_deep_recursion(closed):
    pairs = [(number, number + 1) for number in range(100_000)]
    if closed:
        pairs.append((100_000, 0))
    random.Random(7).shuffle(pairs)
    edges = nodes(pairs)
    assert (node_in_circle(edges) is not None) is closed
    assert distances(edges, ("run", 0), up=False)["run", 100_000] == 100_000
