"""dialects.md: every row of the dialect table, from muster.scim.dialects."""

from muster.scim.dialects import QUIRKS, Quirk
from tools.reference.markdown import code, escaped, page, sentence, table

_INTRO = """# Dialects

Deviations of real clients from the RFCs, and their meaning. A lenient workspace, which is the
default, accepts every row: the request has one sensible meaning, and the client cannot be changed.
A strict workspace (`strict`, a setting of a workspace or a connection) answers it with an error.
Nothing else is guessed: a request that deviates in another way is refused by both.

The [doctor](management-operations.md#requests-and-doctor) names the rows that each client uses, so
you can see whether a workspace could be strict. `muster doctor` prints the same."""

_STRICT = """## The answer of a strict workspace

The error of a row is 400 with the `scimType` of the table. `detail` names the place, and repeats
the second column:

```json
{
  "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
  "status": "400",
  "scimType": "invalidValue",
  "detail": "active: this workspace is strict and does not accept a boolean as a string, \
\\"True\\" or \\"False\\""
}
```

Rows without an error are requests that the RFCs allow, and that a lenient workspace reads in
another way."""


def dialects_page() -> str:
    """Return the page."""
    rows = [
        (
            code(name),
            escaped(sentence(quirk.sends)),
            quirk.client,
            escaped(sentence(quirk.means)),
            _strict(quirk),
        )
        for name, quirk in QUIRKS.items()
    ]
    heads = ("row", "the client sends", "known from", "a lenient workspace", "a strict workspace")
    return page(_INTRO, "## The table\n\n" + table(heads, rows), _STRICT)


def _strict(quirk: Quirk) -> str:
    return "no error" if quirk.scim_type is None else f"400 {code(quirk.scim_type)}"
