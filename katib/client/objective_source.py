"""A Python function as text that runs alone: where it comes from, what it takes, and what it uses that would not be there.

A trial is another process, often on another machine: of the function, only its source goes there. Whatever it needs from around it would
be missing only after everything was submitted and started, so that is found here.
"""

from __future__ import annotations

import builtins
import dis
import functools
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from katib.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import CodeType

__all__ = ["ObjectiveSource", "read_objective"]

_OF_MODULES: Final = frozenset(
    {"__name__", "__doc__", "__builtins__", "__file__", "__spec__", "__loader__", "__package__"}
)
_OF_NOTEBOOKS: Final = frozenset({"display", "get_ipython"})
"""What IPython has among the built-in names, and a trial has not."""
_LOADS: Final = frozenset({"LOAD_GLOBAL", "LOAD_NAME"})
_STORES: Final = frozenset({"STORE_GLOBAL", "STORE_NAME"})


@dataclass(frozen=True, slots=True)
class ObjectiveSource:
    """A function that can be sent to a trial.

    Attributes:
        name: The function's.
        text: Its definition, not indented.
        by_name: It takes each parameter as an argument of its own; else all of them in one dict, as Katib's functions do.
    """

    name: str
    text: str
    by_name: bool


def read_objective(function: Callable[..., Any], parameters: Iterable[str]) -> ObjectiveSource:
    """Return the source of an objective.

    Args:
        function: Defined by ``def``, in a file or in a notebook.
        parameters: The names of what it is called with.

    Raises:
        InvalidInput: It cannot be sent to a trial, or does not take these parameters; the message says what to change.
    """
    if not callable(function):
        raise _refused(f"must be a function, not {function!r} ({type(function).__name__})")
    inner = inspect.unwrap(function)
    _refuse_other_callables(inner)
    name = inner.__name__
    text = _source(inner)
    if inner.__code__.co_flags & _future_annotations():
        text = f"from __future__ import annotations\n\n{text}"
    _refuse_missing_names(name, text)
    return ObjectiveSource(name, text, by_name=_takes_names(inner, [*parameters]))


def _refused(message: str) -> InvalidInput:
    return InvalidInput([Problem("objective", message)])


def _refuse_other_callables(function: Any) -> None:
    """Raise InvalidInput for what is no plain function."""
    advice = "write it as a function of its own: def objective(...): ..."
    what = ""
    if inspect.isbuiltin(function) or inspect.isclass(function):
        what = "a class" if inspect.isclass(function) else "built in, and has no source"
    elif isinstance(function, functools.partial):
        what = "a partial: what it has bound is known only here"
    elif inspect.ismethod(function):
        what = "a method: the object it belongs to is known only here"
    elif not inspect.isfunction(function):
        what = f"an object of {type(function).__name__}, known only here"
    elif function.__name__ == "<lambda>":
        what = "a lambda, which has no statement of its own to send"
    elif inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        what = "asynchronous: let it call asyncio.run inside"
    elif inspect.isgeneratorfunction(function):
        what = "a generator, which does nothing when it is called"
    if what:
        raise _refused(f"is {what}; {advice}")


def _source(function: Any) -> str:
    try:
        text = _not_indented(inspect.getsource(function))
    except (OSError, TypeError, IndentationError) as error:
        raise _refused(
            f"{function.__name__!r} has no source that can be read: "
            "define it in a file or in a cell of a notebook, not in an interactive prompt or by exec"
        ) from error
    try:
        compile(text, "<objective>", "exec", dont_inherit=True)
    except SyntaxError as error:
        raise _refused(
            f"{function.__name__!r} does not stand alone ({error.msg}): "
            "define it by a def statement on lines of its own"
        ) from error
    return text


def _not_indented(text: str) -> str:
    """Return a definition without the indentation of its first line; what stands further left is inside a longer text."""
    indentation = text[: len(text) - len(text.lstrip())]
    return "".join(line.removeprefix(indentation) for line in text.splitlines(keepends=True))


def _future_annotations() -> int:
    import __future__

    return __future__.annotations.compiler_flag


def _refuse_missing_names(name: str, text: str) -> None:
    """Raise InvalidInput when the source uses names that only the program around it has."""
    code = compile(text, "<objective>", "exec", dont_inherit=True)
    loaded, stored = dict[str, None](), set[str]()
    for instruction, of_module in _instructions(code):
        if instruction.opname in _LOADS:
            loaded.setdefault(instruction.argval)
        elif instruction.opname == "STORE_GLOBAL" or (of_module and instruction.opname in _STORES):
            stored.add(instruction.argval)
    known = ({*dir(builtins)} - _OF_NOTEBOOKS) | _OF_MODULES | stored
    missing = [used for used in loaded if used not in known]
    missing = [used for used in missing if not _is_of_a_class(code, used)]
    if missing:
        listed = ", ".join(missing)
        raise _refused(
            f"{name!r} uses what is defined outside of it, and a trial has only the function itself: {listed}; "
            "import modules inside the function, define what it needs there, or hand values over in `parameters`"
        )


def _instructions(code: CodeType, *, of_module: bool = True) -> Iterator[tuple[dis.Instruction, bool]]:
    for instruction in dis.get_instructions(code):
        yield instruction, of_module
    for constant in code.co_consts:
        if inspect.iscode(constant):
            yield from _instructions(constant, of_module=False)


def _is_of_a_class(code: CodeType, name: str) -> bool:
    """Whether a name is one that the body of a class inside the function gives itself and reads there."""
    for constant in code.co_consts:
        if inspect.iscode(constant):
            operations = list(dis.get_instructions(constant))
            reads = any(one.opname == "LOAD_NAME" and one.argval == name for one in operations)
            stores = any(one.opname == "STORE_NAME" and one.argval == name for one in operations)
            reads_elsewhere = any(one.opname == "LOAD_GLOBAL" and one.argval == name for one in operations)
            if (reads and stores and not reads_elsewhere) or _is_of_a_class(constant, name):
                return True
    return False


def _takes_names(function: Any, names: list[str]) -> bool:
    """Return whether a function wants parameters by name (else in one dict).

    Raises:
        InvalidInput: It can be called in neither way.
    """
    signature = inspect.signature(function)
    arguments = [*signature.parameters.values()]
    named = {one.name for one in arguments if one.kind in {one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY}}
    try:
        signature.bind(**dict.fromkeys(names))
    except TypeError:
        pass
    else:
        return True
    if not named & set(names):
        try:
            signature.bind({})
        except TypeError:
            pass
        else:
            return False
    takes_any = any(one.kind is one.VAR_KEYWORD for one in arguments)
    unknown = [] if takes_any else [name for name in names if name not in named]
    needed = [
        one.name
        for one in arguments
        if one.default is one.empty and one.kind not in {one.VAR_KEYWORD, one.VAR_POSITIONAL} and one.name not in names
    ]
    said = [f"it has no argument for {', '.join(unknown)}"] * bool(unknown)
    said += [f"nothing gives it {', '.join(needed)}"] * bool(needed)
    said += ["an argument cannot be given by its name"] * (not said)
    raise _refused(
        f"{function.__name__}{signature} cannot be called with the parameters {', '.join(names)}: "
        f"{'; '.join(said)}. Let it take one dict with all of them, or each by its name"
    )
