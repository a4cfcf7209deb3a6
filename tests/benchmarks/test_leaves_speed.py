"""Time to draw dead leaves, beside a peer of the same run: Pillow drawing as many ellipses."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from bench.datasets._leaves_shapes import scatter
from bench.datasets.leaves import draw

COUNT = {32: 25, 96: 4}


def with_pillow(size: int, count: int) -> list[Image.Image]:
    """Ellipses at the places of the leaves, from back to front, on 3x3 samples a pixel, then reduced."""
    side, images = size + 2, []
    leaves = scatter(np.arange(count, dtype=np.uint64), size, side)
    for image in range(count):
        canvas = Image.new("RGB", (3 * side, 3 * side))
        pen = ImageDraw.Draw(canvas)
        chosen = np.flatnonzero(leaves.image == image)
        for leaf in chosen[np.argsort(leaves.id[chosen])]:
            x, y, r = 3 * leaves.x[leaf], 3 * leaves.y[leaf], 3 * leaves.radius[leaf]
            level = int(leaves.id[leaf]) % 256
            pen.ellipse((x - r, y - 0.7 * r, x + r, y + 0.7 * r), fill=(level, level, level))
        images.append(canvas.resize((side, side), Image.Resampling.BOX))
    return images


@pytest.mark.parametrize("size", COUNT)
@pytest.mark.parametrize("who", ["invbench", "pillow"])
def test_draw(benchmark, who, size):
    """Images of one size; the time of one is that of all over their number."""
    benchmark.group = f"leaves {size}x{size}"
    benchmark.extra_info["images"] = COUNT[size]
    seeds = np.arange(COUNT[size], dtype=np.uint64)
    draw(seeds, size)  # tables and textures are made once
    benchmark((lambda: draw(seeds, size)) if who == "invbench" else lambda: with_pillow(size, COUNT[size]))
