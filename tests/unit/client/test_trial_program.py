"""The program of a trial, run as trials run it: values in as words, metrics out as lines."""

import subprocess
import sys

import pytest

from katib.client.objective_source import read_objective
from katib.client.trial_program import TrialProgram
from katib.errors import InvalidInput


def program_of(function, kinds=None, **fields):
    kinds = {"x": "double"} if kinds is None else kinds
    constants = fields.get("constants", {})
    return TrialProgram(objective=read_objective(function, [*kinds, *constants]), kinds=kinds, metric="loss", **fields)


def run(program, *words, folder=None, **environment):
    return subprocess.run(
        [sys.executable, "-u", "-c", program.text(), *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=folder,
        env={"PATH": "", **environment},
    )


def lines(done):
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if line]


def test_values_arrive_with_their_types_and_a_number_is_printed():
    def objective(x, layers, optimizer, units):
        print(type(x).__name__, type(layers).__name__, type(optimizer).__name__, type(units).__name__, end="")
        return x * layers + units

    kinds = {"x": "double", "layers": "int", "optimizer": "categorical", "units": "discrete"}
    listed = {"units": {"16": 16, "32": 32}}
    done = run(program_of(objective, kinds, listed=listed), "x=1", "layers=3", "optimizer=sgd", "units=16")
    assert lines(done) == ["float int str int", "loss=19.0"]


def test_words_of_a_list_are_what_was_listed():
    def objective(x):
        print(repr(x))

    program = program_of(objective, {"x": "categorical"}, listed={"x": {"None": None, "True": True, "a=b": "a=b"}})
    assert lines(run(program, "x=None")) == ["None"]
    assert lines(run(program, "x=True")) == ["True"]
    assert lines(run(program, "x=a=b")) == ["'a=b'"]


def test_names_of_parameters_may_be_anything():
    def objective(**values):
        print(sorted(values))

    names = ["a b", "lé", "it's", 'say "x"', "back\\slash", "--flag", "class"]
    program = program_of(objective, dict.fromkeys(names, "double"))
    assert lines(run(program, *(f"{name}=1" for name in names))) == [repr(sorted(names))]


def test_katibs_convention_is_one_dict():
    def objective(parameters):
        print(f"loss={parameters['x'] + parameters['epochs']}")

    assert lines(run(program_of(objective, constants={"epochs": 3}), "x=0.5")) == ["loss=3.5"]


def test_an_inactive_parameter_is_no_argument():
    def objective(x, momentum=None):
        return x if momentum is None else 0

    assert lines(run(program_of(objective, {"x": "double", "momentum": "double"}), "x=1")) == ["loss=1.0"]


@pytest.mark.parametrize(
    ("returned", "printed"),
    [
        ("1", ["loss=1"]),
        ("1e-7", ["loss=1e-07"]),
        ("float('nan')", ["loss=nan"]),
        ("-float('inf')", ["loss=-inf"]),
        ("{'loss': 1, 'accuracy': 0.5}", ["loss=1", "accuracy=0.5"]),
        ("None", []),
    ],
)
def test_what_is_returned_is_printed(returned, printed):
    names = {}
    text = f"def objective(x):\n    return {returned}\n"
    program = program_of(lambda_free(text, names))
    assert lines(run(program, "x=1")) == printed


def lambda_free(text, names):
    import linecache

    linecache.cache["<cell>"] = (len(text), None, text.splitlines(keepends=True), "<cell>")
    exec(compile(text, "<cell>", "exec"), names)  # noqa: S102 - as a notebook does
    return names["objective"]


@pytest.mark.parametrize(
    "deed",
    [
        "sys.stdout.close()",
        "os.close(1)",
        "sys.stdout = io.StringIO()",
        "os.dup2(os.open(os.devnull, os.O_WRONLY), 1)",
    ],
)
def test_what_the_function_does_to_its_output_loses_no_result(deed):
    program = program_of(lambda_free(f"def objective(x):\n    import io, os, sys\n    {deed}\n    return x\n", {}))
    assert lines(run(program, "x=2")) == ["loss=2.0"]


def test_an_exception_after_the_output_was_closed_is_still_the_last_thing_said():
    def objective(x):
        import sys

        sys.stdout.close()
        raise KeyError(x)

    done = run(program_of(objective), "x=7")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "KeyError: 7.0"


@pytest.mark.parametrize(("returned", "said"), [("'good'", "a str"), ("True", "a bool"), ("[1]", "a list")])
def test_what_is_no_number_is_said_and_is_no_failure(returned, said):
    done = run(program_of(lambda_free(f"def objective(x):\n    return {returned}\n", {})), "x=1")
    assert lines(done) == []
    assert said in done.stderr


def test_a_dict_without_the_objective_is_said():
    def objective(x):
        return {"accuracy": x}

    done = run(program_of(objective), "x=1")
    assert lines(done) == ["accuracy=1.0"]
    assert "no loss, which is the objective" in done.stderr


def test_an_exception_is_a_failed_trial_with_the_lines_of_the_function():
    def objective(x):
        values = [1]
        return values[int(x)]

    done = run(program_of(objective), "x=7")
    assert done.returncode == 1
    assert "return values[int(x)]" in done.stderr
    assert "IndexError" in done.stderr
    assert "_katib_trial" not in done.stderr


def test_the_program_is_readable_and_has_no_shell():
    def objective(x):
        return x

    program = program_of(objective)
    assert program.text().startswith("def objective(x):\n    return x\n")
    assert program.arguments == ["x=${trialParameters.x}"]


@pytest.mark.parametrize("text", ["${trialParameters.x}", "$(HOME)", "a$$b", "${other}"])
def test_what_katib_or_kubernetes_would_replace_arrives_as_it_was_written(text):
    program = program_of(lambda_free(f"def objective(x):\n    print({text!r})\n", {}))
    assert "$" not in program.text()
    assert lines(run(program, "x=1")) == [text]


def test_an_exception_of_an_encoded_program_shows_its_lines_too():
    def objective(x):
        text = "${x}" * int(x)
        raise ValueError(text)

    done = run(program_of(objective), "x=1")
    assert done.returncode == 1
    assert "raise ValueError(text)" in done.stderr


def test_a_program_that_is_too_long_for_a_command_line_is_refused():
    text = f"def objective(x):\n    return {'1+' * 70_000}1\n"
    program = program_of(lambda_free("def objective(x):\n    return 1\n", {}))
    object.__setattr__(program, "objective", type(program.objective)("objective", text, by_name=True))
    with pytest.raises(InvalidInput, match="too long"):
        program.text()


def test_a_constant_that_cannot_be_written_down_is_refused():
    def objective(x, device):
        return x, device

    with pytest.raises(InvalidInput, match="device"):
        program_of(objective, constants={"device": object()}).text()


def test_packages_are_installed_before_the_function_is_called(tmp_path):
    def objective(x):
        return x

    pip = tmp_path / "pip" / "__main__.py"
    pip.parent.mkdir()
    (pip.parent / "__init__.py").write_text("")
    pip.write_text("import sys; print('pip', *sys.argv[1:]); sys.exit('broken' in sys.argv)")
    program = program_of(objective, packages=["numpy>=2", "x[y]"], index_urls=["first", "second"])
    done = run(program, "x=1", PYTHONPATH=str(tmp_path), TMPDIR=str(tmp_path))
    options = "--quiet --prefer-binary --no-warn-script-location --disable-pip-version-check"
    where = "--index-url first --extra-index-url second"
    assert lines(done) == [f"pip install {options} {where} numpy>=2 x[y]", "loss=1.0"]
    done = run(program_of(objective, packages=["broken"]), "x=1", PYTHONPATH=str(tmp_path), TMPDIR=str(tmp_path))
    assert done.returncode == 1
    assert "pip could not install the packages of this trial: broken" in done.stderr


def test_a_launched_program_is_started_by_torchrun_and_only_the_first_process_reports(tmp_path):
    def objective(x):
        return x

    program = program_of(objective, launched=True)
    done = run(program, "x=1")
    assert done.returncode == 1
    assert "torchrun was not found" in done.stderr
    torchrun = tmp_path / "torchrun"
    torchrun.write_text(
        f"#!{sys.executable}\nimport sys\nprint(sys.argv[1:5] == ['--no-python', sys.executable, '-u', '-c'], sys.argv[6:])\n"
    )
    torchrun.chmod(0o700)
    assert lines(run(program, "x=1", PATH=str(tmp_path))) == ["True ['x=1']"]
    assert lines(run(program, "x=1", LOCAL_RANK="0", RANK="0")) == ["loss=1.0"]
    assert lines(run(program, "x=1", LOCAL_RANK="0", RANK="1")) == []


def test_with_push_the_result_is_reported_and_not_printed(tmp_path):
    def objective(x):
        return {"loss": x, "accuracy": 1}

    (tmp_path / "katib.py").write_text("def report_metrics(metrics): print('reported', metrics)")
    done = run(program_of(objective, push=True), "x=1", folder=tmp_path)
    assert lines(done) == ["reported {'loss': '1.0', 'accuracy': '1'}"]
