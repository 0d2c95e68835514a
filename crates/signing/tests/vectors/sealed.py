"""Makes sealed.json: URI signing tokens with encrypted claims, by jwcrypto.

    pip install jwcrypto==1.6.1
    python sealed.py > sealed.json
"""

import base64, json

from jwcrypto import jwe, jwk, jws

NOW = 1_800_000_000
SECRETS = {
    "aes-128-gcm": bytes(range(16)),
    "aes-256-gcm": bytes(range(16, 48)),
    "aes-128-kw": bytes(range(48, 64)),
    "aes-256-kw": bytes(range(64, 96)),
}
SIGNS = bytes(range(100, 132))


def b64(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def symmetric(raw):
    return jwk.JWK(kty="oct", k=b64(raw))


def seal(text, key, alg, enc, **more):
    algorithms = [alg, enc]
    sealed = jwe.JWE(text.encode(), json.dumps({"alg": alg, "enc": enc, **more}), algs=algorithms)
    sealed.add_recipient(symmetric(key))
    return sealed.serialize(compact=True)


def token(**claims):
    claims = {"exp": NOW + 600, "cdniuc": r"regex:https://cdn\.example/films/.*", **claims}
    signed = jws.JWS(json.dumps(claims))
    signed.add_signature(symmetric(SIGNS), None, json.dumps({"alg": "HS256", "kid": "signs"}))
    return signed.serialize(compact=True)


def both(key, alg, enc, **more):
    return token(
        cdniip=seal("192.0.2.0/24", key, alg, enc, **more),
        sub=seal("viewer 7", key, alg, enc, **more),
    )


opened = {
    f"{alg} {enc}": both(SECRETS[kid], alg, enc, kid=kid)
    for kid, alg, enc in [
        ("aes-128-gcm", "dir", "A128GCM"),
        ("aes-256-gcm", "dir", "A256GCM"),
        ("aes-128-kw", "A128KW", "A128GCM"),
        ("aes-128-kw", "A128KW", "A256GCM"),
        ("aes-256-kw", "A256KW", "A128GCM"),
        ("aes-256-kw", "A256KW", "A256GCM"),
    ]
}
opened["without a kid"] = both(SECRETS["aes-128-gcm"], "dir", "A128GCM")
gcm, kw = SECRETS["aes-128-gcm"], SECRETS["aes-128-kw"]
refused = {
    "another secret": both(bytes(range(200, 216)), "dir", "A128GCM", kid="aes-128-gcm"),
    "another kid": both(gcm, "dir", "A128GCM", kid="nobody"),
    "a wrapping key used directly": both(kw, "dir", "A128GCM", kid="aes-128-kw"),
    "a direct key used for wrapping": both(gcm, "A128KW", "A128GCM", kid="aes-128-gcm"),
    "compressed": both(gcm, "dir", "A128GCM", kid="aes-128-gcm", zip="DEF"),
    "A192GCM": both(bytes(range(24)), "dir", "A192GCM"),
    "A128CBC-HS256": both(SECRETS["aes-256-gcm"], "dir", "A128CBC-HS256", kid="aes-256-gcm"),
    "A128GCMKW": both(kw, "A128GCMKW", "A128GCM", kid="aes-128-kw"),
    "no network": token(cdniip=seal("everybody", gcm, "dir", "A128GCM", kid="aes-128-gcm")),
    "a subject that does not open": token(sub=seal("x", kw, "dir", "A128GCM", kid="aes-128-gcm")),
}
keys = [{"kid": "signs", "scheme": "uri-signing", "alg": "hmac-sha-256", "secret": b64(SIGNS)}]
decryption_keys = [{"kid": kid, "alg": kid, "secret": b64(raw)} for kid, raw in SECRETS.items()]
print(
    json.dumps(
        {
            "now_s": NOW,
            "keys": {"version": 1, "keys": keys, "decryption_keys": decryption_keys},
            "opened": opened,
            "refused": refused,
        },
        indent=2,
    )
)
