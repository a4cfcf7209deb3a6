"""Datasets: one file each; the file's name is the dataset's registry name."""

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.errors import UsageError
from bench.seeding import stream


@dataclass(frozen=True)
class Splits:
    """Images for training, for choosing during training, and for testing.

    Each is ``(N, C, H, W)`` uint8; a grey level ``v`` stands for the intensity ``v / 255``.
    ``validation`` may be left out: the harness then cuts it from the training images.
    """

    train: Tensor
    test: Tensor
    validation: Tensor | None = None

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape of one image, ``(C, H, W)``."""
        channels, height, width = self.train.shape[1:]
        return channels, height, width

    def digest(self) -> str:
        """SHA-256 of all pixels of all splits: what the record says of the data's content."""
        sha = hashlib.sha256()
        for split in (self.train, self.validation, self.test):
            if split is not None:
                sha.update(str(tuple(split.shape)).encode())
                sha.update(split.contiguous().numpy().data)
        return sha.hexdigest()

    def with_validation(self, share: float = 0.05) -> "Splits":
        """The same images with a validation split: ``share`` of the training images, 1 to 1000."""
        if self.validation is not None:
            return self
        if len(self.train) < 2:
            raise UsageError(
                f"{len(self.train)} training image is too few: at least 2 are needed, one to choose by"
            )
        count = min(max(round(share * len(self.train)), 1), 1000)
        order = torch.randperm(len(self.train), generator=stream("cpu", "validation"))
        return Splits(self.train[order[count:]], self.test, self.train[order[:count]])


class Dataset(ABC):
    """A source of images. Its constructor's parameters can be set on the command line."""

    @abstractmethod
    def load(self) -> Splits:
        """The images, the same at every call.

        Raises:
            UsageError: the images are not there or cannot be used; the message says what to do.
        """
