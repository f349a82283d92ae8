"""Settings are texts in the experiment and typed values in the algorithm; every fault is told with its place."""

from typing import Annotated, Literal

import pytest
from pydantic import Field, NonNegativeInt, field_validator, model_validator

from katib.algorithm.settings import AlgorithmSettings, parse_settings
from katib.api.base import KeyValue
from katib.errors import InvalidSettings

PATH = "spec.algorithm.algorithmSettings"


class Settings(AlgorithmSettings):
    random_state: NonNegativeInt | None = None
    gamma: Annotated[float, Field(gt=0, lt=1)] = 0.25
    restart: Literal["none", "ipop", "bipop"] = "none"
    sigma: float | None = None
    flag: bool = False
    n_startup: int = 10

    @model_validator(mode="after")
    def _together(self):
        if self.flag and self.n_startup == 13:
            message = "flag and n_startup 13 do not go together"
            raise ValueError(message)
        return self


class Required(AlgorithmSettings):
    rung: int


class Nothing(AlgorithmSettings):
    pass


def parsed(*pairs, model=Settings):
    return parse_settings(
        model, [KeyValue(name=name, value=value) for name, value in pairs], algorithm="tpe", path=PATH
    )


def problems(*pairs, model=Settings):
    with pytest.raises(InvalidSettings) as caught:
        parsed(*pairs, model=model)
    return [(problem.path.removeprefix(PATH), problem.message) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("random_state", "10", 10),
        ("random_state", "0", 0),
        ("random_state", "None", None),
        ("random_state", "", None),
        ("random_state", 7, 7),
        ("gamma", "0.5", 0.5),
        ("gamma", "5e-1", 0.5),
        ("restart", "bipop", "bipop"),
        ("flag", "true", True),
        ("flag", "False", False),
        ("flag", "1", True),
        ("sigma", "None", None),
        ("sigma", "3", 3.0),
        ("n_startup", "-5", -5),
    ],
)
def test_texts_become_values(name, text, value):
    found = getattr(parsed((name, text)), name)
    assert (found, type(found)) == (value, type(value))


def test_nothing_set_is_the_defaults():
    assert parsed() == Settings()
    assert parse_settings(Settings, None, algorithm="tpe", path=PATH) == Settings()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("random_state", "-1", "the setting 'random_state' must be greater than or equal to 0"),
        ("random_state", "1.5", "the setting 'random_state' must be a valid integer"),
        ("random_state", "x", "the setting 'random_state' must be a valid integer"),
        ("random_state", "9" * 5_000, "the setting 'random_state'"),
        ("gamma", "1", "the setting 'gamma' must be less than 1"),
        ("gamma", "0", "the setting 'gamma' must be greater than 0"),
        ("gamma", "nan", "the setting 'gamma' must be a finite number"),
        ("sigma", "inf", "the setting 'sigma' must be a finite number"),
        ("gamma", "None", "the setting 'gamma' must be a valid number"),
        ("restart", "ipo", "the setting 'restart' must be 'none', 'ipop' or 'bipop'"),
        ("flag", "perhaps", "the setting 'flag' must be a valid boolean"),
        ("n_startup", "0x10", "the setting 'n_startup' must be a valid integer"),
    ],
)
def test_value_that_is_not_allowed(name, text, said):
    ((path, message),) = (
        problems(("n_startup", "1"), (name, text)) if name != "n_startup" else problems(("flag", "1"), (name, text))
    )
    assert path == "[1].value"
    assert message.startswith(said)


def test_unknown_setting_is_answered_with_those_there_are_and_the_nearest():
    with pytest.raises(InvalidSettings) as caught:
        parsed(("gama", "1"))
    (problem,) = caught.value.problems
    assert problem.path == f"{PATH}[0].name"
    assert "'tpe'; it has random_state, gamma, restart" in problem.message
    assert (problem.value, problem.hint) == ("gama", "did you mean 'gamma'?")
    assert problems(("x", "1"), model=Nothing) == [("[0].name", "is not a setting of algorithm 'tpe'; it has none")]


def test_all_faults_come_at_once():
    assert [path for path, _ in problems(("gamma", "2"), ("gamma", "3"), ("x", "1"), ("flag", "?"))] == [
        "[1].name",
        "[1].value",
        "[3].value",
        "[2].name",
    ]


def test_required_setting_is_named():
    assert problems(model=Required) == [("", "the setting 'rung' of algorithm 'tpe' is required")]


def test_settings_that_do_not_go_together():
    assert problems(("flag", "yes"), ("n_startup", "13")) == [("", "flag and n_startup 13 do not go together")]


def test_settings_do_not_change():
    with pytest.raises(ValueError, match="frozen"):
        Settings().gamma = 0.3


class OwnWords(AlgorithmSettings):
    most: int = 1
    share: float = 0.5
    name: str = ""

    @field_validator("most", "share")
    @classmethod
    def _katib_says(cls, value, info):
        if info.field_name == "most" and value < 0:
            raise ValueError("most should be small")
        if info.field_name == "share" and value < 0:
            raise ValueError("should be in the range of (0, 1)")
        if value > 100:
            raise ValueError("must be at most 100")
        return value

    @model_validator(mode="after")
    def _together(self):
        if self.name == "katib":
            raise ValueError("most and share must be set.")
        if self.name == "ours":
            raise ValueError("these do not go together")
        return self


@pytest.mark.parametrize(
    ("model", "name", "value", "text"),
    [
        (Settings, "gama", "1", "unknown setting gama for algorithm tpe"),
        (Settings, "random_state", "-1", "random_state should be great or equal than zero"),
        (Settings, "gamma", "0", "gamma should be great than zero"),
        (Settings, "n_startup", "ten", "failed to validate n_startup(ten): invalid literal for int() with base 10: 'ten'"),
        (Settings, "n_startup", "1.5", "failed to validate n_startup(1.5): invalid literal for int() with base 10: '1.5'"),
        (Settings, "sigma", "{x}", "failed to validate sigma({x}): could not convert string to float: '{x}'"),
        (Settings, "gamma", "None", "failed to validate gamma(None): could not convert string to float: 'None'"),
        (Settings, "gamma", "nan", ""),
        (Settings, "restart", "ipo", ""),
        (OwnWords, "most", "-1", "most should be small"),
        (OwnWords, "share", "-1", "share should be in the range of (0, 1)"),
        (OwnWords, "share", "101", ""),
        (OwnWords, "name", "katib", "most and share must be set."),
        (OwnWords, "name", "ours", ""),
    ],
)  # fmt: skip
def test_katib_says_the_same_in_its_own_words(model, name, value, text):
    with pytest.raises(InvalidSettings) as caught:
        parsed((name, value), model=model)
    (problem,) = caught.value.problems
    assert problem.katib_text == text
    assert problem.message != text or name == "most" or value == "katib"


def test_katib_text_of_a_huge_value_is_short():
    with pytest.raises(InvalidSettings) as caught:
        parsed(("n_startup", "x" * 100_000))
    assert len(caught.value.problems[0].katib_text) < 600


def test_kind_is_named():
    with pytest.raises(InvalidSettings, match="is not a setting of early stopper 'stop'"):
        parse_settings(Nothing, [KeyValue(name="x", value="1")], algorithm="stop", path=PATH, kind="early stopper")
