"""The labels of attributes, as people read them."""

import re

_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_ACRONYMS = {"id": "ID", "url": "URL", "ims": "Instant messaging", "x509": "X.509"}


def title_of(name: str) -> str:
    """Return the label of an attribute: "Given name" for givenName."""
    words = [_ACRONYMS.get(word.lower(), word.lower()) for word in _WORDS.split(name)]
    text = " ".join(words)
    return text[:1].upper() + text[1:]
