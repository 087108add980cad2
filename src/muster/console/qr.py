"""QR codes as SVG."""

import segno
from markupsafe import Markup


def qr_code(text: str, label: str) -> Markup:
    """Return a QR code for a page; dark on white in every theme, since scanners need that.

    Args:
        text: The text to encode.
        label: The alternative text, for screen readers.
    """
    drawn = segno.make(text, micro=False, error="m").svg_inline(
        svgclass="qr", lineclass=None, omitsize=True, border=3, dark="#000", light="#fff"
    )
    svg = Markup(drawn)  # noqa: S704 (the text is drawn, so it is no markup)
    return Markup('<div role="img" aria-label="{}">{}</div>').format(label, svg)
