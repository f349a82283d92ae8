"""A function goes to a trial as its source alone: what would not be there is found before anything is submitted."""

import builtins
import functools
import linecache

import pytest

from katib.client.objective_source import read_objective
from katib.errors import InvalidInput

OUTSIDE = 3


def by_dict(parameters):
    return parameters["x"] ** 2


def by_name(x, scale=2.0):
    return x * scale


def with_any(**values):
    return sum(values.values())


def with_modules_inside(x):
    import math

    def inner(value):
        return math.sqrt(value) + x

    class Model:
        width = 3
        twice = width * 2

    return [inner(one) for one in range(3) if one < Model.twice]


def with_globals_of_its_own(x):
    global counted  # noqa: PLW0603
    counted = x
    return counted


def uses_outside(x):
    return json.dumps(x) + OUTSIDE  # noqa: F821


def with_default_from_outside(x, scale=OUTSIDE):
    return x * scale


def decorated(function):
    @functools.wraps(function)
    def wrapper(*arguments, **named):
        return function(*arguments, **named)

    return wrapper


def shows(x):
    display(x)  # noqa: F821 - of notebooks
    return x


class Holder:
    def method(self, x):
        return x


def test_a_function_with_one_argument_of_another_name_gets_a_dict():
    read = read_objective(by_dict, ["x", "y"])
    assert (read.name, read.by_name) == ("by_dict", False)
    assert read.text.startswith("def by_dict(parameters):")


@pytest.mark.parametrize(("function", "names"), [(by_name, ["x"]), (by_name, ["x", "scale"]), (with_any, ["a", "b"])])
def test_a_function_that_names_its_arguments_gets_them(function, names):
    assert read_objective(function, names).by_name


def test_the_source_of_an_inner_function_is_not_indented():
    def inner(x):
        return x

    assert read_objective(inner, ["x"]).text == "def inner(x):\n    return x\n"


def test_a_text_that_stands_further_left_than_the_function_is_no_hindrance():
    def inner(x):
        return f"""
left {x}
"""

    assert read_objective(inner, ["x"]).text == 'def inner(x):\n    return f"""\nleft {x}\n"""\n'


def test_a_cell_of_a_notebook_is_read():
    cell, name = "def of_cell(x):\n    return x + 1\n", "<ipython-input-3-abcdef>"
    linecache.cache[name] = (len(cell), None, cell.splitlines(keepends=True), name)
    namespace = {}
    exec(compile(cell, name, "exec"), namespace)  # noqa: S102 - as IPython does
    try:
        assert read_objective(namespace["of_cell"], ["x"]).text == cell
    finally:
        del linecache.cache[name]


@pytest.mark.parametrize("function", [with_modules_inside, with_globals_of_its_own])
def test_what_a_function_defines_itself_is_no_fault(function):
    assert read_objective(function, ["x"]).name == function.__name__


def test_names_of_the_module_around_are_listed():
    with pytest.raises(InvalidInput, match="json, OUTSIDE; import modules inside the function"):
        read_objective(uses_outside, ["x"])


def test_what_only_a_notebook_has_among_its_built_in_names_is_listed(monkeypatch):
    for name in ("display", "get_ipython"):
        monkeypatch.setattr(builtins, name, print, raising=False)  # as IPython does
    with pytest.raises(InvalidInput, match="display; import modules inside the function"):
        read_objective(shows, ["x"])


def test_a_default_value_is_needed_where_the_function_is_defined():
    with pytest.raises(InvalidInput, match="OUTSIDE"):
        read_objective(with_default_from_outside, ["x"])


def test_what_a_function_closes_over_is_listed():
    table = [1, 2]

    def closing(x):
        return table[x]

    with pytest.raises(InvalidInput, match="table"):
        read_objective(closing, ["x"])


def test_a_decorator_is_something_from_outside():
    @decorated
    def measured(x):
        return x

    with pytest.raises(InvalidInput, match="decorated"):
        read_objective(measured, ["x"])


async def asynchronous(x):
    return x


def generator(x):
    yield x


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: x, "lambda"),
        (print, "built in"),
        (Holder, "class"),
        (Holder().method, "method"),
        (functools.partial(by_name, scale=2), "partial"),
        (asynchronous, "asynchronous"),
        (generator, "generator"),
        (3, "must be a function"),
    ],
)
def test_what_is_no_plain_function_is_refused(function, said):
    with pytest.raises(InvalidInput, match=said):
        read_objective(function, ["x"])


def test_a_function_without_a_source_is_refused():
    namespace = {}
    exec("def prompted(x): return x", namespace)  # noqa: S102 - as a prompt does
    with pytest.raises(InvalidInput, match="cell of a notebook"):
        read_objective(namespace["prompted"], ["x"])


def test_arguments_that_nothing_gives_and_parameters_that_nothing_takes_are_named():
    def picky(x, other):
        return x + other

    with pytest.raises(InvalidInput, match=r"no argument for y; nothing gives it other"):
        read_objective(picky, ["x", "y"])
