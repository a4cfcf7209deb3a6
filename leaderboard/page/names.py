"""Names of the page's files."""

import hashlib
import re

from bench.runs.record import Record


def slug(title: str) -> str:
    """A file name for a title: readable, and different for different titles."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", title).strip("-")[:60]
    return f"{readable}-{hashlib.sha256(title.encode()).hexdigest()[:6]}"


def run_name(record: Record | str) -> str:
    """File name of a run's page and picture: its fingerprint, or a slug of it if that is no plain name."""
    name = record if isinstance(record, str) else record.fingerprint
    return name if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) else slug(name)
