"""Protocols: how images are prepared before they are scored; one TOML each, named as the protocol is."""

import difflib
import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveFloat, ValidationError, model_validator

from bench.errors import UsageError

ROOM = Path(__file__).parent


class Protocol(BaseModel):
    """A way of scoring: a choice among what :mod:`bench.protocols.prepare` does.

    Attributes:
        description: what it is, in a sentence.
        source: whose convention it is.
        range: what PSNR and SSIM call the range of the values: the dataset's (``dataset``), a number, or
            of each unit the largest true value minus the smallest (``max-min``), or the largest (``max``).
        colour: ``all`` channels, or ``luma``: Y of BT.601 on the scale of 8-bit images, [16, 235] / 255.
        border: pixels cropped at each side; ``scale``: the factor of a super-resolution, else none.
        clip: whether reconstructions are cut to the dataset's range.
        rounded: whether images are rounded to 8 bits first, cut to the dataset's range.
        unit: what one score is of: an ``image``, or a ``volume``: the images of one group.
        metrics: parameters that a metric has under this protocol, by its name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: str
    source: str = ""
    range: Literal["dataset", "max-min", "max"] | PositiveFloat = "dataset"
    colour: Literal["all", "luma"] = "all"
    border: Literal["scale"] | NonNegativeInt = 0
    clip: bool = False
    rounded: bool = False
    unit: Literal["image", "volume"] = "image"
    metrics: dict[str, dict[str, Any]] = {}

    @model_validator(mode="after")
    def _consistent(self) -> "Protocol":
        if self.unit == "volume" and self.colour == "luma":
            raise ValueError("the slices of a volume have no luma; choose colour = 'all' or unit = 'image'")
        return self


def names() -> list[str]:
    """The protocols of the house."""
    return sorted(path.stem for path in ROOM.glob("*.toml"))


@cache
def find(name: str) -> Protocol:
    """A protocol by its name, or by the path of a ``.toml`` file.

    Raises:
        UsageError: there is none of that name (what is near, and what there is), or the file is none.
    """
    given = name.endswith(".toml") or "/" in name
    path = Path(name).expanduser() if given else ROOM / f"{name}.toml"
    if not path.is_file():
        if given:
            raise UsageError(f"no such protocol file: {name}")
        near = difflib.get_close_matches(name, names(), n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UsageError(
            f"unknown protocol {name!r}.{hint} There are: {', '.join(names())}; "
            "or give the path of a .toml file."
        )
    try:
        return Protocol.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, e['loc'])) or 'it'}: {e['msg']}" for e in error.errors())
        raise UsageError(f"protocol {name}: {'; '.join(problems)}") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"protocol {name} cannot be read: {error}") from error
