#!/usr/bin/env python3
"""Makes the keys of the example's issuer: secrets/private.pem and secrets/jwks.json.

In real use the issuer is your identity provider, its key set is at its jwks_url,
and its private key never comes near this machine.
"""

import base64
import hashlib
import json
import os
import sys

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec


def text(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()


def main() -> None:
    where = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "secrets")
    os.makedirs(where, mode=0o700, exist_ok=True)
    private = os.path.join(where, "private.pem")
    if os.path.exists(private):
        sys.exit(f"{private} is there already; remove it first if tokens signed with it may become worthless")
    key = ec.generate_private_key(ec.SECP256R1())
    numbers = key.public_key().public_numbers()
    jwk = {"crv": "P-256", "kty": "EC", "x": text(numbers.x), "y": text(numbers.y)}
    digest = hashlib.sha256(json.dumps(jwk, separators=(",", ":"), sort_keys=True).encode()).digest()
    jwk |= {"alg": "ES256", "use": "sig", "kid": base64.urlsafe_b64encode(digest).rstrip(b"=").decode()}
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with open(os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as f:
        f.write(pem)
    with open(os.path.join(where, "jwks.json"), "w") as f:
        json.dump({"keys": [jwk]}, f, indent=2)
        f.write("\n")


main()
