"""Types and names that several makers share."""

from typing import Literal

Shape = tuple[int, ...]
Resampling = Literal["gaussian", "bilinear", "bicubic", "sinc"]
Filter = Literal["gaussian", "motion", "diffraction", "bilinear", "bicubic", "sinc"]
Padding = Literal["valid", "circular", "replicate", "reflect"]
Mask = Literal["gaussian", "random", "equispaced", "polynomial"]
