"""An authenticator in software, and the client of a browser around it (WebAuthn Level 3)."""

import base64
import hashlib
import json
import secrets

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

USER_PRESENT, USER_VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def b64(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Authenticator:
    """Keeps passkeys of one person.

    Attributes:
        verifies: Whether it verifies the user, by a PIN for example.
        count: Its signature counter; None for one that has none.
    """

    def __init__(self, origin, verifies=True, counts=True):
        self.origin = origin
        self.verifies = verifies
        self.count = 0 if counts else None
        self.keys = {}

    def create(self, options, **changes):
        """Answer `navigator.credentials.create` with a response as JSON."""
        given = {"rp": options["rp"]["id"], "origin": self.origin, **changes}
        key, number = ec.generate_private_key(ec.SECP256R1()), secrets.token_bytes(16)
        self.keys[b64(number)] = key, options["user"]["id"]
        point = key.public_key().public_numbers()
        cose = {
            1: 2,
            3: -7,
            -1: 1,
            -2: point.x.to_bytes(32, "big"),
            -3: point.y.to_bytes(32, "big"),
        }
        attested = bytes(16) + len(number).to_bytes(2, "big") + number + cbor2.dumps(cose)
        data = self._data(given["rp"], ATTESTED) + attested
        client = self._client(
            "webauthn.create", given.get("challenge", options["challenge"]), given
        )
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._response(b64(number), client, attestationObject=b64(attestation))

    def get(self, options, **changes):
        """Answer `navigator.credentials.get` with a response as JSON."""
        given = {"rp": options["rpId"], "origin": self.origin, **changes}
        number = given.get("id") or next(reversed(self.keys))
        key, handle = self.keys[number]
        data = self._data(given["rp"], 0)
        client = self._client("webauthn.get", given.get("challenge", options["challenge"]), given)
        signature = key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._response(
            number,
            client,
            authenticatorData=b64(data),
            signature=b64(given.get("signature", signature)),
            userHandle=given.get("handle", handle),
        )

    def _data(self, party, flags):
        flags |= USER_PRESENT | (USER_VERIFIED if self.verifies else 0)
        if self.count is not None:
            self.count += 1
        counter = (self.count or 0).to_bytes(4, "big")
        return hashlib.sha256(party.encode()).digest() + bytes([flags]) + counter

    def _client(self, kind, challenge, given):
        return json.dumps(
            {"type": kind, "challenge": challenge, "origin": given["origin"], "crossOrigin": False}
        ).encode()

    def _response(self, number, client, **response):
        return json.dumps(
            {
                "id": number,
                "rawId": number,
                "type": "public-key",
                "response": {"clientDataJSON": b64(client), **response},
            }
        )
