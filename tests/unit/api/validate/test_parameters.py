"""Ranges, lists, distributions, conditions and constraints (facts 2.8, items 8 and 9, and what Katib does not check)."""

import pytest


def whole(name="p", kind="int", condition=None, **space):
    parameter = {"name": name, "parameterType": kind, "feasibleSpace": space}
    return parameter | ({"condition": condition} if condition else {})


@pytest.fixture
def space(spec, messages):
    """Return what is said about the parameters, by the end of the path."""

    def check(*parameters, **more):
        spec["parameters"] = list(parameters)
        spec.update(more)
        return {path.removeprefix("spec."): message for path, message in messages().items()}

    return check


FINITE = "must be a finite number such as 0.1 or 1e-3"
HERE = "parameters[0].feasibleSpace"


@pytest.mark.parametrize(
    ("kind", "feasible", "wanted"),
    [
        ("double", {"min": "0", "max": "1"}, {}),
        ("double", {"min": "0.5", "max": "0.5"}, {}),
        ("double", {"min": "0.5", "max": "0.5", "step": "3"}, {}),
        ("double", {"min": "-1e300", "max": "1e300", "distribution": "normal"}, {}),
        ("double", {"min": "0", "max": "1", "step": "1"}, {}),
        ("double", {"min": "0", "max": "1", "step": ""}, {}),
        ("double", {"min": "0", "max": "1", "list": []}, {}),
        ("double", {"min": "0", "max": "1", "distribution": "unknown"}, {}),
        ("int", {"min": "1", "max": "1e3", "step": "2.0"}, {}),
        ("int", {"min": "-9223372036854775807", "max": "9223372036854775807"}, {}),
        ("double", {}, {".min": "is required", ".max": "is required"}),
        ("int", {"min": "", "max": " "}, {".min": "is required", ".max": "is required"}),
        ("double", {"min": "a", "max": "inf"}, {".min": FINITE, ".max": FINITE}),
        ("double", {"min": "1e-999", "max": "1e999"}, {".min": FINITE, ".max": FINITE}),
        ("double", {"min": "0", "max": "٣"}, {".max": FINITE}),
        ("double", {"min": "2", "max": "1"}, {".min": "must be at most max (1)"}),
        ("double", {"min": "-1.5e308", "max": "1.5e308"}, {"": "is wider than a number can hold"}),
        ("double", {"min": "0", "max": "1", "step": "0"}, {".step": "must be more than 0"}),
        ("double", {"min": "0", "max": "1", "step": "-0.1"}, {".step": "must be more than 0"}),
        ("double", {"min": "0", "max": "1", "step": "1.5"}, {".step": "must be at most the range, 1"}),
        ("double", {"min": "0", "max": "1", "step": "x"}, {".step": FINITE}),
        (
            "double",
            {"min": "0", "max": "1e300", "step": "1e-300"},
            {".step": "makes more values than can be counted with 63 bits"},
        ),
        ("double", {"min": "1e20", "max": "1.1e20", "step": "10"}, {".step": "is too small for numbers of this size"}),
        ("int", {"min": "0.5", "max": "3"}, {".min": "must be a whole number of at most 64 bits"}),
        ("int", {"min": "0", "max": "1e30"}, {".max": "must be a whole number of at most 64 bits"}),
        ("int", {"min": "0", "max": "9", "step": "0.5"}, {".step": "must be a whole number of at most 64 bits"}),
        (
            "int",
            {"min": "0", "max": "9", "list": ["1"]},
            {".list": "is for discrete and categorical parameters; int takes min and max"},
        ),
        (
            "double",
            {"min": "0", "max": "1", "distribution": "logUniform"},
            {".min": "must be more than 0 for the distribution logUniform"},
        ),
        (
            "int",
            {"min": "-1", "max": "1", "distribution": "logNormal"},
            {".min": "must be more than 0 for the distribution logNormal"},
        ),
        ("double", {"min": "1e-320", "max": "1", "distribution": "logUniform"}, {}),
        ("discrete", {"list": ["1", "2.5", "1e3"]}, {}),
        ("discrete", {"list": ["1"], "min": "", "max": ""}, {}),
        ("categorical", {"list": ["", "a", "A", " a"]}, {}),
        ("categorical", {"list": ["1", "1.0"]}, {}),
        ("categorical", {}, {".list": "is required: at least one value"}),
        ("discrete", {"list": []}, {".list": "is required: at least one value"}),
        ("discrete", {"list": ["1", "1.0"]}, {".list[1]": "is listed twice"}),
        ("categorical", {"list": ["a", "b", "a", "a"]}, {".list[2]": "is listed twice", ".list[3]": "is listed twice"}),
        ("discrete", {"list": ["a"]}, {".list[0]": "must be a finite number; words are for categorical parameters"}),
        (
            "categorical",
            {"list": ["a"], "min": "1", "max": "2", "step": "1"},
            {
                ".min": "is for double and int parameters; categorical takes a list",
                ".max": "is for double and int parameters; categorical takes a list",
                ".step": "is for double and int parameters; categorical takes a list",
            },
        ),
        (
            "discrete",
            {"list": ["1"], "distribution": "normal"},
            {".distribution": "must be left out for discrete parameters: every value is as likely"},
        ),
        ("discrete", {"list": ["1"], "distribution": "unknown"}, {}),
    ],
)
def test_feasible_space(space, kind, feasible, wanted):
    found = space(whole(kind=kind, **feasible))
    assert found.keys() == {HERE + path for path in wanted}
    assert all(found[HERE + path].startswith(message) for path, message in wanted.items())


def test_a_grid_far_beyond_the_budget_is_fine(space):
    assert space(*(whole(f"p{i}", min="0", max="1000000000") for i in range(20))) == {}


def test_names(space):
    assert space(whole("", min="1", max="2"), whole("b", min="1", max="2"), whole("b", min="1", max="2")) == {
        "parameters[0].name": "must not be empty",
        "parameters[2].name": "is used by another parameter already",
    }


def test_unknown_type_is_no_type_to_search(space):
    assert space(whole(kind="unknown", min="1", max="2")) == {
        "parameters[0].parameterType": "must be one of double, int, discrete, categorical"
    }


def test_exactly_one_of_parameters_and_network(space):
    nas = {"graphConfig": {"numLayers": 1}, "operations": []}
    assert "parameters" in space()
    assert space(nasConfig=nas) == {}
    assert list(space(whole(min="1", max="2"), nasConfig=nas)) == ["nasConfig"]


def test_parameters_of_operations_are_checked_too(space):
    operations = [{"operationType": "conv", "parameters": [whole("size", min="9", max="1")]}]
    assert list(space(nasConfig={"graphConfig": {}, "operations": operations})) == [
        "nasConfig.operations[0].parameters[0].feasibleSpace.min"
    ]


CHOICE = whole("kind", "categorical", list=["tree", "net"])


@pytest.mark.parametrize(
    ("parent", "values"),
    [
        (CHOICE, ["tree"]),
        (CHOICE, ["tree", "net"]),
        (whole("kind", "discrete", list=["1", "2.50"]), ["1.0", "2.5"]),
        (whole("kind", "int", min="1", max="9", step="4"), ["1", "5", "9", "5.0"]),
    ],
)
def test_condition_on_values_of_the_parent(space, parent, values):
    child = whole("child", min="1", max="2", condition={"parameter": "kind", "in": values})
    assert space(parent, child) == {}
    assert space(child, parent) == {}


@pytest.mark.parametrize(
    ("parent", "condition", "wanted"),
    [
        (CHOICE, {"parameter": "kin", "in": ["tree"]}, {".parameter": "is none of the parameters"}),
        (CHOICE, {"parameter": "kind", "in": []}, {".in": "is required: at least one value"}),
        (
            CHOICE,
            {"parameter": "kind", "in": ["net", "forest"]},
            {".in[1]": "is not a value of 'kind', which is one of tree, net"},
        ),
        (
            whole("kind", "int", min="1", max="9", step="4"),
            {"parameter": "kind", "in": ["3", "13", "x", "1.5"]},
            {f".in[{place}]": "is not a value of 'kind', which is from 1 to 9 by 4" for place in range(4)},
        ),
        (
            whole("kind", "double", min="1", max="9"),
            {"parameter": "kind", "in": ["1"]},
            {".parameter": "must be an int, discrete or categorical parameter"},
        ),
        (
            CHOICE,
            {"parameter": "child", "in": ["1"]},
            {".parameter": "makes a circle: a parameter cannot depend on itself"},
        ),
    ],
)
def test_condition_that_makes_no_sense(space, parent, condition, wanted):
    found = space(parent, whole("child", min="1", max="2", condition=condition))
    assert found == {f"parameters[1].condition{path}": message for path, message in wanted.items()}


def test_circle_of_conditions_is_told_for_each_of_its_parameters(space):
    def child(name, parent):
        return whole(name, min="1", max="2", condition={"parameter": parent, "in": ["1"]})

    found = space(child("a", "b"), child("b", "c"), child("c", "a"), child("outside", "a"))
    assert found.keys() >= {f"parameters[{index}].condition.parameter" for index in range(3)}
    assert "parameters[3].condition.parameter" not in found


def test_near_names_are_suggested(spec, problems):
    spec["parameters"].append(whole("x", min="1", max="2", condition={"parameter": "optimiser", "in": ["adamm"]}))
    assert problems()["spec.parameters[4].condition.parameter"].hint == "did you mean 'optimizer'?"
    spec["parameters"][4]["condition"]["parameter"] = "optimizer"
    assert problems()["spec.parameters[4].condition.in[0]"].hint == "did you mean 'adam'?"


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("lr * layers < 1", None),
        ("optimizer in ['sgd'] or batch > 16", None),
        ("1 < 2", "must name at least one parameter"),
        ("lr + depth < 1", "'depth' is none of the parameters"),
        ("lr <", "is not an expression"),
        ("lr", "is neither true nor false"),
        ("lr.real > 1", "is not allowed"),
    ],
)
def test_constraints(spec, messages, expression, said):
    spec["constraints"] = [{"expression": expression}]
    found = messages()
    if said is None:
        assert found == {}
    else:
        (message,) = found.values()
        assert said in message
        assert list(found) == ["spec.constraints[0].expression"]


def test_name_that_is_no_word_is_told_to_stand_in_backticks(spec, problems):
    spec["parameters"][1]["name"] = "num-layers"
    spec["constraints"] = [{"expression": "num-layers > 2"}, {"expression": "`num-layers` > 2"}]
    found = problems()
    assert list(found) == ["spec.constraints[0].expression"]
    assert "backticks" in found["spec.constraints[0].expression"].hint


def test_more_constraints_than_anyone_writes_are_not_evaluated(spec, messages):
    spec["constraints"] = [{"expression": "lr < 1"}] * 101
    assert messages() == {"spec.constraints": "has 101 constraints, at most 100 are checked"}
