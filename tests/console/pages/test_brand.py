"""The page of the brand: owners of the installation change it."""

import re

from muster.access.permissions import ADMIN
from muster.base.brand import MAX_LOGO
from tests.console.browsing import invited

PNG = b"\x89PNG\r\n\x1a\n"


def save(root, logo=None, **fields):
    data = {"csrf": root.csrf, "name": "", "accent": "", **fields}
    files = {"logo": logo or ("", b"", "application/octet-stream")}
    return root.http.post("/brand", data=data, files=files)


def test_an_owner_changes_the_brand_and_takes_it_back(root):
    root.get("/brand")
    saved = save(root, ("logo.png", PNG, "image/png"), name="Acme <b>", accent="#0a5c36")
    assert saved.status_code == 303, saved.text
    page = root.get("/brand").text
    assert "Brand saved." in page
    assert 'value="Acme &lt;b&gt;"' in page
    logo = re.search(r'<img src="(/brand/logo\?v=\w+)"', page)[1]
    assert root.http.get(logo).content == PNG
    save(root, name="Acme", accent="#0a5c36")
    assert root.http.get("/brand/logo").content == PNG  # no file keeps the logo
    save(root, removeLogo="on")
    assert root.http.get("/brand/logo").status_code == 404
    assert 'placeholder="muster"' in root.get("/brand").text


def test_a_refused_form_keeps_what_was_typed(root):
    root.get("/brand")
    for fields, logo, field in (
        ({"accent": "green"}, None, "accent"),
        ({"name": "x" * 61}, None, "name"),
        ({}, ("logo.gif", b"GIF89a", "image/gif"), "logo"),
        ({}, ("logo.png", b"GIF89a", "image/png"), "logo"),
        ({}, ("logo.png", PNG + bytes(MAX_LOGO + 30_000), "image/png"), "logo"),
    ):
        refused = save(root, logo, **fields)
        assert refused.status_code in (400, 413)
        assert f'id="wrong-{field}"' in refused.text
        for value in fields.values():
            assert f'value="{value}"' in refused.text
    assert root.http.get("/brand/logo").status_code == 404


def test_an_administrator_of_one_workspace_has_no_such_page(server, fresh):
    admin = invited(server, fresh.name, ADMIN)
    assert admin.get("/brand").status_code == 403
    admin.get(f"/w/{fresh.name}/keys")
    assert admin.post("/brand", name="Acme", accent="").status_code == 403
    admin.close()
