"""python.md: the public Python API, from the names that muster exports."""

import inspect
import re
from typing import Any

import muster
from muster.app import Muster
from tools.reference.markdown import block, page, paragraph, table

_INTRO = """# Python API

The distribution `muster-scim` contains the package `muster`: build its wheel with `make build`, and
install it with `pip install dist/muster_scim-*.whl`. Everything that `muster` exports by name is
public and keeps its meaning within a major version; every other module may change at any time."""

_EXAMPLE = """## Example

An application of yours that serves SCIM under `/idp`, and answers everything else itself:

```python
import contextlib

from starlette.applications import Starlette
from starlette.routing import Mount

import muster

scim = muster.create_app(muster.Settings(database="sqlite:///directory.db"))


@contextlib.asynccontextmanager
async def lifespan(app):
    async with scim.lifespan():
        yield


app = Starlette(routes=[Mount("/idp", scim)], lifespan=lifespan)
```

Save it as `app.py`, install Starlette and a server (`pip install starlette uvicorn`), and run
`uvicorn app:app`. Then create the first key in the same database:

```bash
muster keys create --name first --admin --database sqlite:///directory.db
```

The links in answers follow the prefix. [The endpoints](endpoints.md) are the same as those of the
service, so your application reads users over HTTP, or with any client of SCIM. In the same process
it needs no network: `examples/mounted.py` in the repository reads users by httpx, with the mounted
application as its transport."""


def python_page() -> str:
    """Return the page."""
    names = sorted(muster.__all__)
    rows = [(f"[`{name}`](#{name.lower()})", _first_line(getattr(muster, name))) for name in names]
    return page(
        _INTRO,
        "## Names\n\n" + table(("name", "description"), rows),
        *(_section(name, getattr(muster, name)) for name in names),
        _section("The application", Muster),
        _EXAMPLE,
    )


def _first_line(found: Any) -> str:
    if isinstance(found, str):
        return "The version of muster."
    return (inspect.getdoc(found) or "").partition("\n")[0]


def _section(name: str, found: Any) -> str:
    if isinstance(found, str):
        return page(f"### `{name}`", "The version of muster, such as `0.1.0`.")
    if inspect.isclass(found) and hasattr(found, "model_fields"):
        return page(
            f"### `{name}`",
            *_prose(found),
            paragraph(
                "Each setting is a keyword argument, named as in `muster.toml`: see"
                " [Settings](settings.md). `Settings()` reads the variables and `./muster.toml`;"
                " arguments override both."
            ),
        )
    if inspect.isclass(found):
        text = f"`create_app` returns an object of the class `{found.__name__}`."
        methods = [_method(name, getattr(found, name)) for name in _METHODS]
        return page(f"### {name}", text, *_prose(found)[:-1], *methods)
    return page(f"### `{name}`", block(f"{name}{_signature(found)}", "text"), *_prose(found))


_METHODS = {
    "__call__": "await app(scope, receive, send)",
    "lifespan": "async with app.lifespan(): ...",
    "start": "await app.start()",
    "close": "await app.close()",
}
"""The methods of the application for those who mount it, each with a call of it."""


def _method(name: str, found: Any) -> str:
    return page(f"#### `{name}`", block(_METHODS[name], "text"), *_prose(found))


def _signature(found: Any) -> str:
    """Return a signature without the names of modules."""
    text = str(inspect.signature(found))
    return re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", text).replace("'", "")


_HEADS = {"Args:": "Arguments:", "Raises:": "Raises:", "Returns:": "Returns:"}


def _prose(found: Any) -> list[str]:
    """Return the paragraphs of a docstring, its sections as lists."""
    made = []
    for part in (inspect.getdoc(found) or "").split("\n\n"):
        head, _, rest = part.partition("\n")
        if head in _HEADS:
            lines = re.split(r"\n(?=    \S)", rest)
            items = [re.sub(r"^(\w+): ", r"`\1`: ", " ".join(line.split())) for line in lines]
            made.append(f"{_HEADS[head]}\n\n" + "\n".join(f"- {item}" for item in items))
        else:
            made.append(paragraph(part))
    return made
