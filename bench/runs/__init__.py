"""One run: from spec to record."""
