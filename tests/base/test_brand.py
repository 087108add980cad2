"""The brand of an operator: its logo is an image, and text on its color can be read."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.base.brand import MAX_LOGO, Brand, _luminance, read_logo

PNG = b"\x89PNG\r\n\x1a\n"


def test_a_logo_is_read(tmp_path):
    path = tmp_path / "logo.png"
    path.write_bytes(PNG)
    assert (read_logo(path).media, read_logo(path).body) == ("image/png", PNG)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("logo.gif", b"GIF89a", "does not end in"),
        ("logo.png", b"<svg></svg>", "is not a file of the type image/png"),
        ("logo.svg", PNG, "is not a file of the type image/svg"),
        ("logo.png", PNG + bytes(MAX_LOGO), "is larger than 256 KB"),
        ("logo.jpg", None, "cannot be read: No such file"),
    ],
)
def test_anything_else_is_refused(tmp_path, name, content, said):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=said):
        read_logo(path)


def test_the_settings_name_a_logo_that_cannot_be_read(tmp_path):
    from muster.config import Settings

    with pytest.raises(ValueError, match="brand_logo"):
        Settings(brand_logo=tmp_path / "logo.png")


@given(st.integers(0, 0xFFFFFF))
def test_text_on_the_color_contrasts_enough(number):
    style = Brand(accent=f"#{number:06x}").style.decode()
    accent, text = re.findall(r"#[0-9a-f]{6}", style)
    light, dark = sorted(map(_luminance, (accent, text)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5  # WCAG 2.2, level AA


def test_no_color_needs_no_style():
    assert Brand().style == b""
