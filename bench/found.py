"""A recipe that was found by tuning: the TOML that ``bench tune`` writes and ``bench run --recipe`` takes."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, field
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from bench.component import Component
from bench.errors import UsageError
from bench.spec import RunSpec


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Found:
    """What a tuning found for one model.

    Attributes:
        model: text form, with the parameters that were found.
        trials: settings that were tried.
        recipe: values of :class:`bench.recipe.Recipe`.
        operator: that it was found on.
        dataset: likewise.
        validation_psnr: in dB.
    """

    model: str
    trials: int = Field(ge=0)
    recipe: dict[str, Any] = field(default_factory=dict)
    operator: str = ""
    dataset: str = ""
    validation_psnr: float | None = None

    def applied(
        self, model: str, changes: Mapping[str, Any], trials: int
    ) -> tuple[str, Mapping[str, Any], int]:
        """Model, recipe values and trials with what was found, if it is this model's; what is given stays."""
        ours, asked = Component.parse(self.model), Component.parse(model)
        if ours.name != asked.name:
            return model, changes, trials
        given = {k: v for k, v in changes.items() if v is not None}
        merged = Component(asked.name, {**ours.params, **asked.params})
        return str(merged), {**self.recipe, **given}, trials or self.trials


def read(path: Path) -> Found:
    """Read a recipe file.

    Raises:
        UsageError: there is none, or it is no such TOML.
    """
    try:
        return TypeAdapter(Found).validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg'].lower()}" for e in error.errors()]
        raise UsageError(f"{path} is no recipe: {'; '.join(lines)}") from error
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not a TOML file: {error}") from error


def text(spec: RunSpec, validation_psnr: float) -> str:
    """The file for a spec that tuning found."""
    facts = {
        "model": str(spec.model),
        "trials": spec.trials,
        "operator": "+".join(map(str, spec.operator)),
        "dataset": str(spec.dataset),
        "validation_psnr": validation_psnr,
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in facts.items()]
    if spec.recipe:
        lines += ["", "[recipe]", *(f"{k} = {json.dumps(v)}" for k, v in asdict(spec.recipe).items())]
    return "\n".join(lines) + "\n"
