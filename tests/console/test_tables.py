"""Tables after a run."""

from io import StringIO
from types import SimpleNamespace

from rich.console import Console

from bench.console.tables import results_table


def _record(model: str, **scores: float) -> SimpleNamespace:
    spec = SimpleNamespace(method_label=model)
    timings = {"total_seconds": 1.0}
    return SimpleNamespace(spec=spec, role="model", status="ok", scores=scores, timings=timings, parameters=0)


def test_a_metric_that_was_asked_for_is_in_the_table():
    """--metric shows its value beside PSNR and SSIM; a run that was not scored by it has a gap there."""
    console = Console(width=100, record=True, file=StringIO())
    records = [_record("unet", psnr=20.0, ssim=0.5, my_bias=0.0123), _record("mean", psnr=10.0, ssim=0.1)]
    console.print(results_table("denoising on photos", records))
    text = console.export_text()
    assert "my_bias" in text
    assert "0.012" in text
