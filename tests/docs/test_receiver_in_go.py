"""The receiver in Go accepts a webhook of muster and no other, if Go is installed."""

import os
import shutil
import subprocess
import time
from datetime import UTC, datetime

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from tests.docs.blocks import ROOT, blocks
from tests.support.ports import free_port
from tests.support.waiting import until

pytestmark = pytest.mark.outside
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = '{"type":"user.deleted","data":{"resourceId":"7"}}'


def _answered(url):
    try:
        return httpx.get(url).status_code
    except httpx.TransportError:
        return 0


@pytest.mark.skipif(shutil.which("go") is None, reason="Go is not installed")
def test_the_receiver_in_go_verifies_messages(tmp_path):
    [block] = [
        found for found in blocks(ROOT / "docs/how-to/webhooks.md") if found.title == "receiver.go"
    ]
    port = free_port()
    (tmp_path / "receiver.go").write_text(block.text.replace("9123", str(port)))
    built = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GOFLAGS": "-mod=mod"}
    subprocess.run(
        ["go", "build", "-o", "receiver", "receiver.go"], cwd=tmp_path, env=built, check=True
    )
    with (tmp_path / "printed").open("w") as printed:
        program = subprocess.Popen(
            [tmp_path / "receiver"], env={"WEBHOOK_SECRET": SECRET}, stdout=printed
        )
    try:
        url = f"http://127.0.0.1:{port}/"
        assert until(lambda: _answered(url))
        moment, old = datetime.now(UTC), datetime.fromtimestamp(time.time() - 400, UTC)
        other = "v1,bm8= " + Webhook(SECRET).sign("msg_2", moment, BODY)
        for message, sent, signature, status in (
            ("msg_1", moment, Webhook(SECRET).sign("msg_1", moment, BODY), 204),
            ("msg_1", moment, Webhook(SECRET).sign("msg_1", moment, BODY), 204),
            ("msg_2", moment, other, 204),
            ("msg_3", moment, other, 400),
            ("msg_3", old, Webhook(SECRET).sign("msg_3", old, BODY), 400),
        ):
            headers = {
                "webhook-id": message,
                "webhook-timestamp": str(int(sent.timestamp())),
                "webhook-signature": signature,
            }
            assert httpx.post(url, content=BODY, headers=headers).status_code == status, message
    finally:
        program.kill()
        program.wait()
    assert (tmp_path / "printed").read_text() == "user.deleted 7\n" * 2
