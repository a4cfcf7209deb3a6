"""What is run, and its fingerprint."""

import hashlib
import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from bench.component import Component, chain_label, chain_text
from bench.errors import UsageError
from bench.parameters import UNKNOWN_REFUSED
from bench.recipe import LARGEST, Recipe
from bench.registry import is_path
from bench.sources import file_digest

#: Version of the numbers: raised by hand whenever training, data order, scoring or simulation change a
#: score, so that runs of before are run again. ``tests/runs/test_numbers.py`` fails when it was forgotten.
NUMBERS = 2
#: Seeds are what torch's generators take.
LARGEST_SEED = 2**63 - 1


def check_seed(name: str, seed: int) -> None:
    """Raise a UsageError if torch's generators do not take a seed."""
    if not 0 <= seed <= LARGEST_SEED:
        raise UsageError(f"a {name} is from 0 to {LARGEST_SEED}, not {seed}")


@dataclass(frozen=True)
class TrainedOn:
    """The run whose weights another one is scored with, and the problem that it learned.

    Attributes:
        run: its name.
        weights: SHA-256 of its file of weights.
        operator: its chain.
        dataset: its dataset.
        problem_seed: its problem's seed.
        train_size: how many of the training images it was shown; None: all.

    Raises:
        UsageError: what should be a name or a digest is none.
    """

    __pydantic_config__ = UNKNOWN_REFUSED

    run: str
    weights: str
    operator: tuple[Component, ...]
    dataset: Component
    problem_seed: int = 0
    train_size: int | None = None

    def __post_init__(self) -> None:
        # The name is that of a folder: it leads nowhere else.
        if not re.fullmatch(r"[\w-]{1,64}", self.run) or not re.fullmatch(r"[0-9a-f]{64}", self.weights):
            raise UsageError(f"{self.run[:80]!r} with weights {self.weights[:80]!r} names no run")

    def label(self, beside: "RunSpec | None" = None) -> str:
        """The problem for people; beside another one only what tells it apart."""
        parts = [chain_label(self.operator)] if beside is None or beside.operator != self.operator else []
        if beside is None or beside.dataset != self.dataset:
            parts.append(f"on {self.dataset.label}")
        if self.problem_seed != (beside.problem_seed if beside else 0):
            parts.append(f"with problem seed {self.problem_seed}")
        return " ".join(parts)

    def identity(self) -> dict[str, Any]:
        """What of it a fingerprint covers."""
        parts = {"operator": [part.identity() for part in self.operator], "dataset": self.dataset.identity()}
        return asdict(self) | parts


@dataclass(frozen=True)
class RunSpec:
    """One run: a chain of operators, a model, a dataset, two seeds and, if the model is trained, a recipe.

    Attributes:
        operator: the chain, left to right; empty: the dataset's own.
        model: the model.
        dataset: the dataset.
        seed: the training seed: initialisation, batch order, training noise.
        problem_seed: the problem's seed: key, masks, test noise.
        device: ``cpu`` or ``cuda``: scores can differ between the two in the last digits.
        recipe: how the model is trained; None for models without training.
        protocol: name of the way of scoring, or the path of its ``.toml`` file.
        metrics: metrics besides those of the protocol.
        trials: settings tried before on the validation split, by which this one was chosen; 0 if it was not.
        train_size: how many of the training images there are to learn from; None: all.
        trained_on: the run whose weights are scored; None: it is trained itself.

    Raises:
        UsageError: a seed below 0 or above 2^63 - 1, or a number that makes no sense.
    """

    __pydantic_config__ = UNKNOWN_REFUSED

    operator: tuple[Component, ...]
    model: Component
    dataset: Component
    seed: int = 0
    problem_seed: int = 0
    device: str = "cpu"
    recipe: Recipe | None = None
    protocol: str = "unit"
    metrics: tuple[Component, ...] = ()
    trials: int = 0
    train_size: int | None = None
    trained_on: TrainedOn | None = None

    def __post_init__(self) -> None:
        check_seed("seed", self.seed)
        check_seed("problem seed", self.problem_seed)
        if not 0 <= self.trials <= LARGEST:
            raise UsageError(f"trials are from 0 to {LARGEST}, not {self.trials}")
        if self.train_size is not None and not 1 <= self.train_size <= LARGEST:
            raise UsageError(f"a train size is from 1 to {LARGEST} images, not {self.train_size}")

    @property
    def operator_label(self) -> str:
        """The chain as tables show it."""
        return chain_label(self.operator)

    @property
    def size_label(self) -> str:
        """How many training images were asked for; empty where it is all of them."""
        size = self.learned.train_size
        return f"{size:,} training images" if size else ""

    @property
    def learned(self) -> "RunSpec | TrainedOn":
        """Where dataset, problem seed and train size of the training stand."""
        return self.trained_on or self

    @property
    def method_label(self) -> str:
        """The model, and what it was trained on where that is another problem."""
        other = f", trained on {self.trained_on.label(self)}" if self.trained_on else ""
        return f"{self.model.label}{other}"

    def command(self) -> str:
        """The command line that makes this run again."""
        if self.trained_on:
            return self._transfer()
        texts = {"operator": chain_text(self.operator), "model": str(self.model)}
        texts |= {"dataset": str(self.dataset), "protocol": self.protocol}
        words = ["bench run", *(f"--{name} {shlex.quote(text)}" for name, text in texts.items() if text)]
        words += [f"--metric {shlex.quote(str(metric))}" for metric in self.metrics]
        words += [f"--trials {self.trials}"] if self.trials else []
        words += [f"--train-size {self.train_size}"] if self.train_size else []
        words += [f"--seed {self.seed}", f"--problem-seed {self.problem_seed}", f"--device {self.device}"]
        if self.recipe:
            for f in fields(self.recipe):
                value = getattr(self.recipe, f.name)
                name = f.name.replace("_", "-")
                if isinstance(value, bool):
                    words.append(f"--{name}" if value else f"--no-{name}")
                else:
                    words.append(f"--{name} {shlex.quote(str(value))}")
        return " ".join(words)

    def _transfer(self) -> str:
        assert self.trained_on is not None
        texts = {"operator": chain_text(self.operator), "dataset": str(self.dataset)}
        texts |= {"problem-seed": str(self.problem_seed), "protocol": self.protocol, "device": self.device}
        words = [f"--{name} {shlex.quote(text)}" for name, text in texts.items() if text]
        return " ".join([f"bench transfer {self.trained_on.run}", *words])

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary, as records hold it."""
        return asdict(self)

    def _recipe_identity(self) -> dict[str, Any] | None:
        """The recipe, a loss or an optimiser given by path by its content."""
        if self.recipe is None:
            return None
        identity = asdict(self.recipe) | {"loss": Component.parse(self.recipe.loss).identity()}
        optimizer = Component.parse(self.recipe.optimizer)
        return identity | ({"optimizer": optimizer.identity()} if is_path(optimizer.name) else {})

    def fingerprint(self, dataset_digest: str, sources: Sequence[str]) -> str:
        """16 hexadecimal digits over all that can change the scores.

        Covered as well: :data:`NUMBERS`, and the content of files that parameters or the protocol name.

        Args:
            dataset_digest: SHA-256 of the images.
            sources: SHA-256 of the source of each operator, of the model and of each metric.
        """
        content = {
            "numbers": NUMBERS,
            "operator": [part.identity() for part in self.operator],
            "model": self.model.identity(),
            "seed": self.seed,
            "problem_seed": self.problem_seed,
            "device": self.device,
            "recipe": self._recipe_identity(),
            "protocol": file_digest(self.protocol) or self.protocol,
            "metrics": [metric.identity() for metric in self.metrics],
            "dataset": dataset_digest,
            "sources": list(sources),
            # A row that has cost a search is another row, though the scores are the same.
            **({"trials": self.trials} if self.trials else {}),
            **({"train_size": self.train_size} if self.train_size else {}),
            **({"trained_on": self.trained_on.identity()} if self.trained_on else {}),
        }
        text = json.dumps(content, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
