"""Names of the page's files, and links out of its texts."""

import hashlib
import re

from markupsafe import Markup, escape

from bench.runs.record import Record

#: Addresses, digital object identifiers and arXiv numbers in a text.
_END = r"[^\s<>\"']*[^\s<>\"'.,;:)]"
_SOURCES = re.compile(rf"https?://{_END}|doi:\s?10\.{_END}|arXiv[: ]\d{{4}}\.\d{{4,5}}")


def slug(title: str) -> str:
    """A file name for a title: readable, and different for different titles."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", title).strip("-")[:60]
    return f"{readable}-{hashlib.sha256(title.encode()).hexdigest()[:6]}"


def run_name(record: Record | str) -> str:
    """File name of a run's page and picture: its fingerprint, or a slug of it if that is no plain name."""
    name = record if isinstance(record, str) else record.fingerprint
    return name if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) else slug(name)


def soft(text: str) -> Markup:
    """A name, escaped, that breaks between its parts: ``known_<wbr>plaintext:<wbr>width=8,<wbr>depth=3``."""
    return Markup("<wbr>").join(escape(part) for part in re.split(r"(?<=[:,+/_])(?=\S)", text))


def linked(text: str) -> Markup:
    """A text, escaped, whose sources are links: addresses, ``doi:10...``, ``arXiv:2007.14745``."""
    found, last = Markup(), 0
    for match in _SOURCES.finditer(text):
        link = Markup('<a href="{}" rel="noreferrer">{}</a>').format(_address(match[0]), match[0])
        found += escape(text[last : match.start()]) + link
        last = match.end()
    return found + escape(text[last:])


def _address(source: str) -> str:
    if source.startswith("http"):
        return source
    kind, name = re.split(r"[: ]+", source, maxsplit=1)
    return f"https://doi.org/{name}" if kind == "doi" else f"https://arxiv.org/abs/{name}"
