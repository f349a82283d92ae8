"""The program of a trial that runs a Python function: the function's source, and the few lines that call it.

It is given to ``python -c`` as text: no shell reads it, no file has to be there, and ``kubectl describe`` shows what runs. Values come as
arguments ``name=value``. It imports nothing but what the function does, until it has to, as a trial may take milliseconds.
"""

from __future__ import annotations

import ast
import base64
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from katib.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from katib.client.objective_source import ObjectiveSource

__all__ = ["TrialProgram"]

_LONGEST: Final = 120_000
"""Linux hands no longer argument to a program (128 KiB)."""
_REPLACED: Final = re.compile(r"\$\$|\$\{|\$\(")
"""What Katib or Kubernetes would replace in a text."""
_TYPES: Final = {"double": "float", "int": "int", "categorical": "str", "unknown": "str"}

_RUNNER: Final = '''
def _katib_trial():
    """Call the function with the values of this trial, and print what it returns."""
    import os
    import sys

{before}    types = {types}
    listed = {listed}
    values = {constants}
    for word in sys.argv[1:]:
        name, _, text = word.partition("=")
        values[name] = listed[name][text] if text in listed.get(name, ()) else types[name](text)
    stdout = os.dup(1)  # which the function may close or replace
    try:
        returned = {call}
    except Exception as error:
        import linecache
        import traceback

        program = globals().get("_katib_program") or sys.orig_argv[sys.orig_argv.index("-c") + 1]
        linecache.cache["<string>"] = (len(program), None, program.splitlines(True), "<string>")
        traceback.print_exception(error.with_traceback(error.__traceback__.tb_next))
        sys.exit(1)
    if returned is None or os.environ.get("RANK", "0") != "0":
        return
    metrics = {{}}
    for name, value in (returned if isinstance(returned, dict) else {{{metric!r}: returned}}).items():
        try:
            if isinstance(value, (bool, str)):
                raise TypeError
            metrics[name] = str(value) if isinstance(value, int) else repr(float(value))
        except (TypeError, ValueError):
            print(f"note: {{name}} was returned as a {{type(value).__name__}}, which is no number", file=sys.stderr)
    if metrics and {metric!r} not in metrics:
        print("note: the function returned " + ", ".join(map(str, metrics)) + {without!r}, file=sys.stderr)
{report}

_katib_trial()
'''
_PRINT: Final = """\
    for name, text in metrics.items():
        os.write(stdout, f"\\n{name}={text}\\n".encode())
"""
_PUSH: Final = """\
    if metrics:
        try:
            from katib import report_metrics
        except ImportError:
            from kubeflow.katib import report_metrics
        report_metrics(metrics)
"""
_INSTALL: Final = """\
    if "LOCAL_RANK" not in os.environ:
        import fcntl, importlib, importlib.util, site, subprocess, tempfile

        if importlib.util.find_spec("pip") is None:
            subprocess.run([sys.executable, "-m", "ensurepip"], check=True, stdout=subprocess.DEVNULL)
        with open(os.path.join(tempfile.gettempdir(), f"katib-pip-{{os.getuid()}}.lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # trials on one machine install one after another
            installed = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *{words}])
        if installed.returncode:
            sys.exit({failed})
        if site.ENABLE_USER_SITE and os.path.isdir(site.getusersitepackages()):
            site.addsitedir(site.getusersitepackages())
        importlib.invalidate_caches()
"""
_LAUNCH: Final = """\
    if "LOCAL_RANK" not in os.environ:
        program = globals().get("_katib_program") or sys.orig_argv[sys.orig_argv.index("-c") + 1]
        try:
            os.execvp("torchrun", ["torchrun", "--no-python", sys.executable, "-u", "-c", program, *sys.argv[1:]])
        except FileNotFoundError:
            sys.exit("torchrun was not found: an image with PyTorch is needed for several workers or processes")
"""
_ENCODED: Final = """\
import base64

# The function's source has characters that Kubernetes or Katib would replace.
_katib_program = base64.b64decode({text!r}).decode()
exec(compile(_katib_program, "<string>", "exec"))
"""


@dataclass(frozen=True, slots=True)
class TrialProgram:
    """What a trial runs.

    Attributes:
        objective: The function.
        kinds: The parameters of the search by name, and their types as experiments say them.
        metric: The objective's metric, which a returned number is printed as.
        listed: For parameters with a list of values, the Python value of each text.
        constants: Further arguments of the function.
        push: Metrics are reported by ``report_metrics`` instead of being printed.
        packages: What pip installs first.
        index_urls: Where pip looks for it, the first one instead of its default.
        launched: ``torchrun`` starts it, in as many processes as the job says.
    """

    objective: ObjectiveSource
    kinds: Mapping[str, str]
    metric: str
    listed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)
    push: bool = False
    packages: Sequence[str] = ()
    index_urls: Sequence[str] = ()
    launched: bool = False

    @property
    def arguments(self) -> list[str]:
        """The arguments of the program, with the placeholders of the trial template."""
        return [f"{name}=${{trialParameters.{name}}}" for name in self.kinds]

    def text(self) -> str:
        """Return the program.

        Raises:
            InvalidInput: It is too long, or a constant cannot be written down.
        """
        program = self._readable()
        if _REPLACED.search(program):
            program = _ENCODED.format(text=base64.b64encode(program.encode()).decode())
        size = len(program.encode())
        if size > _LONGEST:
            message = (
                f"{self.objective.name!r} is too long to be sent to a trial ({size:,} bytes, {_LONGEST:,} may be): "
                "put most of it into a package and name that in packages_to_install, or into the image"
            )
            raise InvalidInput([Problem("objective", message)])
        return program

    def _readable(self) -> str:
        before = self._install() if self.packages else ""
        before += _LAUNCH if self.launched else ""
        call = "**values" if self.objective.by_name else "values"
        runner = _RUNNER.format(
            before=before,
            types=_dict({name: self._type(name, kind) for name, kind in self.kinds.items()}),
            listed=repr({name: dict(texts) for name, texts in self._listed().items()}),
            constants=repr({name: _literal(name, value) for name, value in self.constants.items()}),
            call=f"{self.objective.name}({call})",
            metric=self.metric,
            without=f", and no {self.metric}, which is the objective",
            report=_PUSH if self.push else _PRINT,
        )
        return f"{self.objective.text.rstrip()}\n\n{runner}"

    def _type(self, name: str, kind: str) -> str:
        if kind == "discrete":
            texts = self.listed.get(name) or ()
            return "int" if texts and all(re.fullmatch(r"[+-]?\d+", text) for text in texts) else "float"
        return _TYPES[kind]

    def _listed(self) -> dict[str, dict[str, Any]]:
        """Return the lists whose values are not what their types would make of the texts."""
        return {
            name: {text: value for text, value in texts.items() if _is_literal(value)}
            for name, texts in self.listed.items()
            if any(text != value for text, value in texts.items())
        }

    def _install(self) -> str:
        words = ["--prefer-binary", "--no-warn-script-location", "--disable-pip-version-check"]
        for option, url in zip(
            ["--index-url"] + ["--extra-index-url"] * len(self.index_urls), self.index_urls, strict=False
        ):
            words += [option, url]
        failed = f"pip could not install the packages of this trial: {', '.join(self.packages)}"
        return _INSTALL.format(words=repr([*words, *self.packages]), failed=repr(failed))


def _dict(texts: Mapping[str, str]) -> str:
    """Return a dict whose values are expressions."""
    return "{" + ", ".join(f"{name!r}: {text}" for name, text in texts.items()) + "}"


def _is_literal(value: object) -> bool:
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return False


def _literal(name: str, value: object) -> object:
    """Return a constant that can be written into a program."""
    if not _is_literal(value):
        message = "must be a search parameter (katib.search) or a plain value (number, text, list, dict, None) that can be written into a program"
        raise InvalidInput([Problem(f"parameters[{name!r}]", message, repr(value))])
    return value
