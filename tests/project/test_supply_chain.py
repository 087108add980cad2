"""Licences, vulnerabilities and the bill of materials of the locked packages."""

import json
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import ClassVar

import pytest
from tools.supply_chain import (
    EXCEPTIONS,
    ROOT,
    RUN_LOCK,
    audit,
    is_accepted,
    licence,
    locked,
    materials,
    unaccepted,
)

from muster.version import __version__
from tests.support import ports

LOCK = """\
h11==0.16.0 \\
    --hash=sha256:63cf8bbe7522de3bf65932fda1d9c2772064ffb3dae62d55932da54b31cb6c86
"""


LOCKS = sorted((ROOT / "requirements").glob("*.lock"))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_locked_packages_have_accepted_licences(lock):
    names = locked(lock.read_text())
    assert names
    assert list(unaccepted(names)) == []


def test_exceptions_are_for_packages_that_nobody_installs_with_muster():
    with_muster = locked(RUN_LOCK.read_text()) | locked(
        (ROOT / "requirements/build.lock").read_text()
    )
    assert len(with_muster) > 40
    assert not EXCEPTIONS.keys() & with_muster.keys()
    assert EXCEPTIONS.keys() <= locked((ROOT / "requirements/dev.lock").read_text()).keys()


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"License-Expression": "MIT OR GPL-3.0-only"}, "MIT OR GPL-3.0-only"),
        ({"Classifier": "License :: OSI Approved :: MIT License"}, "MIT"),
        ({"License": "Apache License 2.0"}, "Apache-2.0"),
        ({"License": "Proprietary\nAll rights reserved"}, "Proprietary"),
        ({}, "unknown"),
    ],
)
def test_a_licence_is_read_from_the_metadata(headers, found):
    package = Message()
    for name, value in headers.items():
        package[name] = value
    assert licence(package) == found


@pytest.mark.parametrize(
    ("expression", "accepted"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("GPL-3.0-only OR BSD-3-Clause", True),
        ("MIT AND GPL-3.0-only", False),
        ("(MIT OR GPL-3.0-only) AND PSF-2.0", True),
        ("MIT AND (GPL-3.0-only OR AGPL-3.0-only)", False),
        ("MIT License and more", False),
        ("(MIT", False),
        ("", False),
        ("unknown", False),
    ],
)
def test_an_expression_is_accepted_if_it_leaves_an_accepted_choice(expression, accepted):
    assert is_accepted(expression) == accepted


class _Advisories(BaseHTTPRequestHandler):
    """Answers like OSV, with or without an advisory for everything."""

    known: ClassVar[list] = []

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps({"vulns": self.known} if self.known else {}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def osv():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Advisories)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    server.server_close()


ADVISORY = {
    "id": "PYSEC-2026-1",
    "summary": "A made-up defect",
    "published": "2026-01-01T00:00:00Z",
    "modified": "2026-01-01T00:00:00Z",
    "affected": [{"package": {"name": "h11", "ecosystem": "PyPI"}, "versions": ["0.16.0"]}],
}


@pytest.mark.outside
@pytest.mark.parametrize(("known", "code"), [([], 0), ([ADVISORY], 1)], ids=["none", "one"])
def test_known_vulnerabilities_fail_the_audit(tmp_path, osv, capsys, monkeypatch, known, code):
    monkeypatch.setattr(_Advisories, "known", known)
    (tmp_path / "small.lock").write_text(LOCK)
    assert audit([tmp_path / "small.lock"], _from(osv)) == code
    said = capsys.readouterr().out
    assert ("PYSEC-2026-1" in said) == bool(known)


@pytest.mark.outside
def test_an_audit_without_a_network_says_so_and_does_not_pass(tmp_path, capsys):
    (tmp_path / "small.lock").write_text(LOCK)
    nowhere = f"http://127.0.0.1:{ports.free_port()}/v1/query"
    assert audit([tmp_path / "small.lock"], _from(nowhere)) == 2
    assert "vulnerabilities: not checked" in capsys.readouterr().out


def _from(url):
    return ["--vulnerability-service", "osv", "--osv-url", url, "--cache-dir", "/dev/null/none"]


@pytest.mark.outside
def test_the_bill_of_materials_names_each_locked_package_with_its_hashes(tmp_path):
    written = materials(tmp_path / "dist")
    bill = json.loads(written.read_text())
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["name"] == "muster-scim"
    assert bill["metadata"]["component"]["version"] == __version__
    listed = {part["name"]: part["version"] for part in bill["components"]}
    assert {name.lower() for name in listed} == set(locked(RUN_LOCK.read_text()))
    for part in bill["components"]:
        hashes = part["externalReferences"][0]["hashes"]
        assert all(each["alg"] == "SHA-256" for each in hashes), part["name"]
    # Nothing of the moment or of chance is in it: the same locks give the same bytes.
    assert "serialNumber" not in bill
    assert "timestamp" not in written.read_text()
