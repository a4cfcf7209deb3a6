"""Parameters of components: held, and checked against the signatures and annotations of what takes them."""

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NoReturn, get_args, get_origin

from bench.errors import UsageError

if TYPE_CHECKING:  # pydantic is imported when a value is checked: names are looked up without it
    from pydantic import ConfigDict, TypeAdapter

#: How records are read: a field of another version is an error, not lost.
UNKNOWN_REFUSED: "ConfigDict" = {"extra": "forbid"}
#: Parameters that the harness fills in; they cannot be set by a user.
HARNESS_PARAMETERS = frozenset(
    {"image_shape", "previous", "in_channels", "out_channels", "image_size", "image", "truth"}
)
#: Parameters that the harness fills in unless they are given: a default that is given is kept.
FILLED_UNLESS_GIVEN = frozenset({"seed"})


class Parameters(dict[str, Any]):
    """Values by name: a mapping that cannot be changed, and can be hashed (whatever the order)."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(_hashable(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return Parameters, (dict(self),)

    def _refused(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("the parameters of a component cannot be changed; make another component")

    __setitem__ = __delitem__ = __ior__ = _refused
    clear = pop = popitem = setdefault = update = _refused


def _hashable(value: Any) -> Any:
    if isinstance(value, dict):
        return frozenset((k, _hashable(v)) for k, v in value.items())
    if isinstance(value, list | tuple):
        return tuple(map(_hashable, value))
    return value


def check_parameters(thing: Callable[..., Any], name: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as ``thing`` takes them: text turned into the annotated types, unknown names refused.

    They come in the order of the signature, so that one setting has one text.

    Raises:
        UsageError: an unknown parameter, or a value of the wrong type; all problems in one message.
    """
    parameters = inspect.signature(thing).parameters.values()
    known, values = settable(parameters), {}
    problems = _misnamed(parameters, params)
    for key, value in params.items():
        try:
            values[key] = _convert(value, known[key]) if key in known else value
        except ValueError as error:
            problems.append(f"{key}={value}: {error}")
    if problems:
        raise _refusal(name, problems, known)
    return {key: values[key] for key in (*known, *values) if key in values}


def check_names(parameters: Iterable[inspect.Parameter], name: str, params: Mapping[str, Any]) -> None:
    """Refuse names that are not among ``parameters``, and what must be given and is not.

    Raises:
        UsageError: all problems in one message.
    """
    parameters = list(parameters)
    if problems := _misnamed(parameters, params):
        raise _refusal(name, problems, settable(parameters))


def settable(parameters: Iterable[inspect.Parameter]) -> dict[str, inspect.Parameter]:
    """Those that a person can set, by name."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {p.name: p for p in parameters if p.kind in kinds and p.name not in HARNESS_PARAMETERS}


def _misnamed(parameters: Iterable[inspect.Parameter], params: Mapping[str, Any]) -> list[str]:
    known, problems = settable(parameters), []
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    for key in params:
        if key not in known and (not takes_any or key in HARNESS_PARAMETERS):
            near = difflib.get_close_matches(key, known, n=1)
            problems.append(f"no parameter {key!r}" + (f" (did you mean {near[0]}?)" if near else ""))
    missing = [k for k, p in known.items() if p.default is p.empty and k not in params]
    return problems + [
        f"{k} has no default and must be given" for k in missing if k not in FILLED_UNLESS_GIVEN
    ]


def _refusal(name: str, problems: list[str], known: Mapping[str, inspect.Parameter]) -> UsageError:
    taken = ", ".join(_signature_text(p) for p in known.values()) or "no parameters"
    return UsageError(f"{name}: {'; '.join(problems)}. {name} takes {taken}.")


def without_defaults(thing: Callable[..., Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that differ from the defaults of ``thing``: the shortest way to say them.

    A seed that is given is kept: without it the harness would fill in the problem's or the training's.
    """
    known = inspect.signature(thing).parameters
    return {
        k: v for k, v in params.items() if k not in known or k in FILLED_UNLESS_GIVEN or v != known[k].default
    }


def parameter_names(thing: Callable[..., Any]) -> set[str]:
    """Names of all that ``thing`` takes, those that the harness fills in too."""
    return set(inspect.signature(thing).parameters)


def _convert(value: Any, parameter: inspect.Parameter) -> Any:
    """``value`` as the type that the parameter is annotated with (or that its default has)."""
    hint = parameter.annotation
    if hint is parameter.empty:
        hint = type(parameter.default) if parameter.default not in (None, parameter.empty) else Any
    if isinstance(value, str):
        # Of a choice among numbers, which pydantic does not take from text.
        chosen = {str(choice): choice for choice in get_args(hint)} if get_origin(hint) is Literal else {}
        value = None if value.lower() == "none" else chosen.get(value, value)
    from pydantic import ValidationError

    try:
        return _adapter(hint).validate_python(value)
    except ValidationError as error:
        reasons = dict.fromkeys(e["msg"][:1].lower() + e["msg"][1:] for e in error.errors())
        raise ValueError(" or ".join(reasons)) from None


def _adapter(hint: Any) -> "TypeAdapter[Any]":
    """What checks values of a type, any class among them."""
    from pydantic import PydanticUserError, TypeAdapter

    try:
        return TypeAdapter(hint, config={"arbitrary_types_allowed": True})
    except PydanticUserError:  # it has a configuration of its own
        return TypeAdapter(hint)


def _signature_text(parameter: inspect.Parameter) -> str:
    default = "" if parameter.default is parameter.empty else f"={parameter.default}"
    return f"{parameter.name}{default}"
