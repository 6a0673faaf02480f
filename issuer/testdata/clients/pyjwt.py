"""Verifies the issuer's tokens with PyJWT's PyJWKClient, over a key rotation."""

import json
import sys
import urllib.request

import jwt


def post(url, body=None):
    data = json.dumps(body).encode() if body is not None else b""
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"}, method="POST")
    with urllib.request.urlopen(request, timeout=20) as response:
        return response.read()


def main(base, control, issuer, audience, user, password):
    keys = jwt.PyJWKClient(base + "/.well-known/jwks.json", cache_keys=False)

    def verified():
        token = json.loads(post(base + "/auth/login", {"username": user, "password": password}))["access_token"]
        key = keys.get_signing_key_from_jwt(token)
        claims = jwt.decode(token, key.key, algorithms=["ES256"], audience=audience, issuer=issuer,
                            options={"require": ["exp", "iat", "nbf", "iss", "aud", "sub", "jti"]})
        assert claims["sub"] == user, claims
        header, payload, signature = token.split(".")
        forged = ".".join([header, payload, ("A" if signature[0] != "A" else "B") + signature[1:]])
        for spoilt, options in ((forged, {}), (token, {"audience": "other"}), (token, {"issuer": "https://other.example"})):
            expected = {"audience": audience, "issuer": issuer, **options}
            try:
                jwt.decode(spoilt, key.key, algorithms=["ES256"], **expected)
            except jwt.InvalidTokenError:
                continue
            raise AssertionError("PyJWT takes a spoilt token")
        return jwt.get_unverified_header(token)["kid"]

    first = verified()
    post(control)
    second = verified()
    assert first != second, "the key did not change"
    print("verified", first != second)


if __name__ == "__main__":
    main(*sys.argv[1:])
