"""What is run: components with parameters, their text form, presets, and the fingerprint."""

import ast
import hashlib
import inspect
import json
import math
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict

import bench
from bench.errors import BenchError, UsageError
from bench.registry import Registry, check_parameters, is_path, without_defaults

#: How records are read: a field of another version is an error, not lost.
UNKNOWN_REFUSED = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Component:
    """An operator, model or dataset by name, with the parameters that differ from its defaults.

    Text form: ``name`` or ``name:key=value,key=value``; the name may be a path to a ``.py`` file.
    """

    __pydantic_config__: ClassVar[ConfigDict] = UNKNOWN_REFUSED

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "Component":
        """Read ``name:key=value,key=value``.

        Raises:
            UsageError: the text is empty, or a parameter has no ``=`` or is given twice.
        """
        name, _, rest = text.strip().partition(":")
        if not name:
            raise UsageError(f"{text!r} names nothing; write name or name:key=value,key=value")
        params = {}
        for item in re.split(r",(?=\w+=)", rest) if rest else []:
            key, equals, value = item.partition("=")
            if not equals or not key:
                raise UsageError(f"{text!r}: {item!r} is not key=value")
            if key.strip() in params:
                raise UsageError(f"{text!r}: {key.strip()} is given twice")
            params[key.strip()] = value.strip()
        return cls(name, params)

    def __str__(self) -> str:
        return self.name + self._parameter_text()

    @property
    def label(self) -> str:
        """The text form with a path shortened to its file's stem: what tables show."""
        return (Path(self.name).stem if is_path(self.name) else self.name) + self._parameter_text()

    def _parameter_text(self) -> str:
        text = ",".join(f"{k}={v}" for k, v in self.params.items())
        return f":{text}" if text else ""

    def checked(self, registry: Registry, defaults: Mapping[str, Any] | None = None) -> "Component":
        """The same with parameters of the right types, and ``defaults`` where it takes them.

        Raises:
            UsageError: unknown name, unknown parameter, or a value of the wrong type.
        """
        thing = registry.load(self.name)
        params = dict(self.params)
        for key, value in (defaults or {}).items():
            if key in _parameter_names(thing):
                params.setdefault(key, value)
        params = check_parameters(thing, self.label.partition(":")[0], params)
        return Component(self.name, without_defaults(thing, params))

    def build(self, registry: Registry, **context: Any) -> Any:
        """The thing itself; of ``context`` (image_shape, seed, ...) it gets what it takes.

        Raises:
            UsageError: its constructor refuses the parameters (``ValueError`` or ``TypeError``).
            BenchError: its constructor fails in another way.
        """
        thing = registry.load(self.name)
        names = _parameter_names(thing)
        given = {k: v for k, v in context.items() if k in names} | dict(self.params)
        try:
            return thing(**given)
        except (ValueError, TypeError) as error:
            raise UsageError(f"{self.label}: {error}") from error
        except BenchError:
            raise
        except Exception as error:
            kind = type(error).__name__
            raise BenchError(f"{self.label}: its constructor raised {kind}: {error}") from error

    def source(self, registry: Registry) -> str:
        """SHA-256 of the code behind it: its file and the room's private files it imports."""
        entry = registry.find(self.name)
        if entry.path is None:
            thing = registry.load(self.name)
            path = Path(sys.modules[thing.__module__].__file__ or "")
        else:
            path = entry.path
        return source_digest(path)


def _parameter_names(thing: Any) -> set[str]:
    return set(inspect.signature(thing).parameters)


def parse_chain(text: str) -> tuple[Component, ...]:
    """Read ``a+b:key=value``: operators applied from left to right."""
    return tuple(Component.parse(part) for part in re.split(r"\+(?=[A-Za-z_./~])", text))


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes:
        epochs: passes over the training images.
        batch_size: images per step.
        lr: learning rate (its peak, where the schedule moves it).
        optimizer: ``adam`` or ``adamw``.
        weight_decay: decoupled weight decay of ``adamw``.
        schedule: ``constant``; ``cosine`` from lr to 0; ``onecycle`` (Smith 2018), up and down again.
        loss: ``mse``, ``l1``, or ``ssim``: 0.84 (1 - SSIM) + 0.16 L1 (Zhao et al. 2017).
        precision: ``float32`` or ``bfloat16`` autocast.
        clip: largest norm of the gradient; 0 is off.
        ema: decay per step of an exponential moving average of the weights; 0 is off.
        patience: epochs without a better validation PSNR after which training stops; 0 is off.
        augment: whether images are mirrored at random.
    """

    __pydantic_config__: ClassVar[ConfigDict] = UNKNOWN_REFUSED

    epochs: int = 8
    batch_size: int = 32
    lr: float = 4e-3
    optimizer: Literal["adam", "adamw"] = "adam"
    weight_decay: float = 0.0
    schedule: Literal["constant", "cosine", "onecycle"] = "onecycle"
    loss: Literal["mse", "l1", "ssim"] = "mse"
    precision: Literal["float32", "bfloat16"] = "float32"
    clip: float = 0.0
    ema: float = 0.0
    patience: int = 0
    augment: bool = False

    def __post_init__(self) -> None:
        least = {"epochs": 1, "batch_size": 1, "patience": 0, "weight_decay": 0, "clip": 0, "ema": 0}
        for name, bound in least.items():
            if not bound <= getattr(self, name) < math.inf:
                raise UsageError(f"{name} must be at least {bound} (and finite), not {getattr(self, name)}")
        if self.ema >= 1:
            raise UsageError(f"ema must be below 1, not {self.ema}")
        if self.weight_decay and self.optimizer == "adam":
            raise UsageError("weight_decay has an effect with optimizer adamw only")
        if not 0 < self.lr < math.inf:
            raise UsageError(f"lr must be positive (and finite), not {self.lr}")


@dataclass(frozen=True)
class Preset:
    """A named setting.

    Attributes:
        recipe: of every model that trains.
        parameters: for the dataset and the model, where they take them.
        own_recipes: whether values that a model brings itself go before the recipe's.
    """

    recipe: Recipe
    parameters: Mapping[str, Any]
    own_recipes: bool = False


PRESETS = {
    # Minutes on two CPU cores: each component's own defaults.
    "quick": Preset(Recipe(), {}, own_recipes=True),
    # Hauptmann & Adler: 96x96, plain network of width 64, Adam 2e-3, batch 32, 35 epochs, MSE.
    "paper": Preset(
        Recipe(epochs=35, batch_size=32, lr=2e-3, schedule="constant"),
        {"size": 96, "width": 64, "residual": False, "train": 90_000, "test": 10_000},
    ),
}


@dataclass(frozen=True)
class RunSpec:
    """One run: a chain of operators, a model, a dataset, a seed and, if the model is trained, a recipe.

    Attributes:
        operator: the chain, left to right.
        model: the model.
        dataset: the dataset.
        seed: seed of everything random.
        device: ``cpu`` or ``cuda``: scores can differ between the two in the last digits.
        recipe: how the model is trained; None for models without training.
    """

    __pydantic_config__: ClassVar[ConfigDict] = UNKNOWN_REFUSED

    operator: tuple[Component, ...]
    model: Component
    dataset: Component
    seed: int = 0
    device: str = "cpu"
    recipe: Recipe | None = None

    @property
    def operator_label(self) -> str:
        """The chain as tables show it."""
        return "+".join(part.label for part in self.operator)

    def command(self) -> str:
        """The command line that makes this run again."""
        words = ["bench run", f"--operator {_quoted('+'.join(map(str, self.operator)))}"]
        words += [f"--model {_quoted(str(self.model))}", f"--dataset {_quoted(str(self.dataset))}"]
        words += [f"--seed {self.seed}", f"--device {self.device}"]
        if self.recipe:
            for f in fields(self.recipe):
                value = getattr(self.recipe, f.name)
                name = f.name.replace("_", "-")
                if isinstance(value, bool):
                    words.append(f"--{name}" if value else f"--no-{name}")
                else:
                    words.append(f"--{name} {value}")
        return " ".join(words)

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary, as records hold it."""
        return asdict(self)

    def fingerprint(self, dataset_digest: str, sources: Sequence[str]) -> str:
        """16 hexadecimal digits over all that can change the scores.

        Args:
            dataset_digest: SHA-256 of the images.
            sources: SHA-256 of the source of each operator and of the model.
        """
        content = {
            "operator": [[p.label, dict(p.params)] for p in self.operator],
            "model": [self.model.label, dict(self.model.params)],
            "seed": self.seed,
            "device": self.device,
            "recipe": asdict(self.recipe) if self.recipe else None,
            "dataset": dataset_digest,
            "sources": list(sources),
        }
        text = json.dumps(content, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _quoted(text: str) -> str:
    return shlex.quote(text)


def override(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """``recipe`` with the values of ``changes`` that are not None.

    Raises:
        UsageError: an unknown name, or a value that does not fit.
    """
    given = {k: v for k, v in changes.items() if v is not None}
    return replace(recipe, **check_parameters(Recipe, "the recipe", given))


def source_digest(path: Path) -> str:
    """SHA-256 of a Python file and of the files it imports: private ones, and other operators and models.

    Comments, docstrings and formatting do not count: the syntax tree is hashed.
    """
    sha, pending, seen = hashlib.sha256(), [path], set()
    while pending:
        current = pending.pop()
        if current in seen:
            continue
        seen.add(current)
        tree = ast.parse(current.read_text(encoding="utf-8"))
        sha.update(ast.dump(_without_docstrings(tree)).encode())
        pending += sorted(path for module in _imported(tree) for path in _files(module, current))
    return sha.hexdigest()


def _imported(tree: ast.Module) -> set[str]:
    """Modules that a file is made of: ``_name``, and all below ``bench.operators`` and ``bench.models``."""
    modules = [n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module]
    modules += [a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names]
    rooms = ("bench.operators.", "bench.models.")
    return {m for m in modules if m.rpartition(".")[2].startswith("_") or m.startswith(rooms)}


def _files(module: str, importer: Path) -> set[Path]:
    """Files that a module may be: beside the file that imports it, or in this package."""
    first, *rest = module.split(".")
    candidates = {importer.parent / f"{module.rpartition('.')[2]}.py"}
    if first == "bench":
        candidates |= {Path(folder, *rest).with_suffix(".py") for folder in bench.__path__}
    return {path for path in candidates if path.is_file()}


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
    return tree
