"""The requirements of the RFCs and profiles, and where muster holds and proves each of them.

Each document is a TOML file in this folder. A requirement has the wording and the section of its
document, and the party that it binds: `server` (muster), `client`, `both`, or `product` (the
application behind muster). `held` names modules below src/muster, `tests` the tests that prove it,
and `note` says why it is not held, or what a reader should know.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
PAGES = Path(__file__).parents[2] / "docs" / "reference" / "requirements"
DOCUMENTS = ("rfc7643", "rfc7644", "rfc9865", "interop", "ipsie")
"""The documents, in the order of the index."""
MUSTS = ("MUST", "MUST NOT", "SHALL", "SHALL NOT", "REQUIRED")
"""The levels that need a test."""
_PARTIES = {"client": "client", "both": "", "server": "", "product": "product"}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One sentence of a document that requires or recommends something.

    Attributes:
        id: The number of the document, the section and a counter.
        section: The section of the document.
        level: MUST, SHOULD and the like.
        party: `server`, `client`, `both` or `product`.
        text: The wording of the document.
        held: The modules that hold it, below src/muster.
        tests: The tests that prove it.
        note: Why it is not held, or what a reader should know.
    """

    id: str
    section: str
    level: str
    party: str
    text: str
    held: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    note: str = ""

    @property
    def is_ours(self) -> bool:
        """Whether it binds muster."""
        return self.party in ("server", "both")

    @property
    def is_open(self) -> bool:
        """Whether it binds muster and no test proves it."""
        return self.is_ours and not self.tests


@dataclass(frozen=True, slots=True)
class Document:
    """A document with its requirements.

    Attributes:
        id: The name of its file and of its page.
        title: Its title.
        version: Its version and date.
        source: Its URL.
        about: A paragraph on the document and on muster.
        requirements: Its requirements, in its order.
    """

    id: str
    title: str
    version: str
    source: str
    about: str
    requirements: tuple[Requirement, ...]


def load(name: str) -> Document:
    """Load a document."""
    raw: dict[str, Any] = tomllib.loads((FOLDER / f"{name}.toml").read_text())
    found = []
    for item in raw.pop("requirement"):
        lists = {key: tuple(item.pop(key, ())) for key in ("held", "tests")}
        found.append(Requirement(**(item | lists)))
    return Document(**raw, requirements=tuple(found))


def pages() -> dict[str, str]:
    """Return every page by its file name."""
    documents = [load(name) for name in DOCUMENTS]
    return {"index.md": _index(documents)} | {f"{one.id}.md": _page(one) for one in documents}


def write() -> None:
    """Write every page."""
    PAGES.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (PAGES / name).write_text(text)


def _index(documents: list[Document]) -> str:
    lines = [
        "# Requirements",
        "",
        "Each sentence of these documents that requires or recommends something, with the module",
        "of muster that holds it and a test that proves it. A sentence that binds the client, or",
        "the product behind muster, is marked so. Each page has the wording of its document.",
        "",
        "| Document | Version | Bind muster | Proved by a test | Bind others |",
        "|---|---|---|---|---|",
    ]
    for one in documents:
        ours = [found for found in one.requirements if found.is_ours]
        proved = sum(not found.is_open for found in ours)
        others = len(one.requirements) - len(ours)
        lines.append(
            f"| [{one.title}]({one.id}.md) | {one.version} | {len(ours)} | {proved} | {others} |"
        )
    return "\n".join([*lines, ""])


def _page(document: Document) -> str:
    lines = [f"# {document.title}", "", f"Version: {document.version}. <{document.source}>", ""]
    lines += [document.about.strip(), ""]
    section = None
    for found in document.requirements:
        if found.section != section:
            section = found.section
            lines += [f"## Section {section}", "", "| | Requirement | Held by | Proved by |"]
            lines.append("|---|---|---|---|")
        lines.append(_row(found))
        if _is_last(document, found):
            lines.append("")
    return "\n".join(lines)


def _is_last(document: Document, found: Requirement) -> bool:
    """Return whether a requirement is the last one of its section."""
    place = document.requirements.index(found) + 1
    following = document.requirements[place : place + 1]
    return not following or following[0].section != found.section


def _row(found: Requirement) -> str:
    party = f"<br>{_PARTIES[found.party]}" if _PARTIES[found.party] else ""
    text = _escaped(found.text) + (f"<br>*{_escaped(found.note)}*" if found.note else "")
    held = "<br>".join(f"`{module}`" for module in found.held)
    tests = "<br>".join(f"`{test.removeprefix('tests/')}`" for test in found.tests)
    return f"| {found.level}{party} | {text} | {held} | {tests} |"


def _escaped(text: str) -> str:
    """Escape the characters that a cell of a table would read as Markdown."""
    for character in "\\|<*_[]{}":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())
