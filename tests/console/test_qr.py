"""QR codes."""

import re

from muster.console.qr import qr_code


def test_a_code_is_dark_on_white_and_needs_no_inline_style():
    drawn = qr_code("otpauth://totp/muster:ada%40example.com?secret=ABC", 'a "label"')
    assert "style=" not in drawn
    assert 'aria-label="a &#34;label&#34;"' in drawn
    assert re.search(r'<svg [^>]*viewBox="0 0 (\d+) \1"', drawn)
    assert '"#fff"' in drawn
    assert '"#000"' in drawn


def test_other_texts_give_other_codes_and_are_not_markup():
    assert qr_code("one", "x") != qr_code("two", "x")
    assert "<script" not in qr_code("<script>", "x")
