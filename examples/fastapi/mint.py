#!/usr/bin/env python3
"""Prints a token of the example's issuer that is good for five minutes.

    ./mint.py [SUBJECT] [SCOPE ...]
"""

import json
import os
import sys
import time
import uuid

import jwt


def main() -> None:
    here = os.environ.get("ITEMS_SECRETS") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "secrets")
    with open(os.path.join(here, "private.pem")) as f:
        key = f.read()
    with open(os.path.join(here, "jwks.json")) as f:
        kid = json.load(f)["keys"][0]["kid"]
    now = int(time.time())
    claims = {
        "iss": "https://id.example.com/",
        "aud": "items-api",
        "sub": sys.argv[1] if len(sys.argv) > 1 else "alice",
        "scope": " ".join(sys.argv[2:]),
        "jti": uuid.uuid4().hex,
        "iat": now,
        "exp": now + 300,
    }
    print(jwt.encode(claims, key, "ES256", headers={"kid": kid, "typ": "at+jwt"}))


main()
