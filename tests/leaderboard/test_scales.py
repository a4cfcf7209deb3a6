"""What tables know of metrics is what the metrics say."""

import pytest

from bench import registry
from bench.leaderboard.scales import scale


@pytest.mark.parametrize("name", registry.metrics.entries())
def test_tables_know_every_metric(name):
    """A table ranks without importing metrics: unit and direction are those of the metric's own class."""
    metric = registry.metrics.load(name)
    assert (scale(name).unit, scale(name).higher_is_better) == (metric.unit, metric.higher_is_better)
