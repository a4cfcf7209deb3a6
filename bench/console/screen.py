"""Where what a person sees is printed."""

from rich.console import Console

console = Console()
errors = Console(stderr=True)
