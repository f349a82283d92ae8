"""What is remembered is bounded in number and in age."""

from katib.access.recent import Recent


def test_answers_hold_for_a_while():
    now = [0.0]
    recent = Recent(10, 5, clock=lambda: now[0])
    recent.put("a", 1)
    now[0] = 9.9
    assert recent.get("a") == 1
    now[0] = 10
    assert recent.get("a") is None
    assert len(recent) == 0


def test_to_be_asked_for_makes_nothing_hold_longer():
    now = [0.0]
    recent = Recent(10, 5, clock=lambda: now[0])
    recent.put("a", 1)
    for second in range(10):
        now[0] = second
        assert recent.get("a") == 1
    now[0] = 10
    assert recent.get("a") is None


def test_those_not_asked_for_longest_are_forgotten():
    recent = Recent(10, 3, clock=lambda: 0)
    for key in "abc":
        recent.put(key, key)
    recent.get("a")
    recent.put("d", "d")
    assert [recent.get(key) for key in "abcd"] == ["a", None, "c", "d"]
    for number in range(1_000):
        recent.put(number, "x")
    assert len(recent) == 3


def test_a_new_answer_takes_the_place_of_the_old():
    recent = Recent(10, 3, clock=lambda: 0)
    recent.put("a", 1)
    recent.put("a", 2)
    assert recent.get("a") == 2
    assert len(recent) == 1
