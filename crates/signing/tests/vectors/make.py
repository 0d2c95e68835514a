"""Makes vectors.json with the vendors' own signers, or with independent ones.

    pip install akamai-edgeauth==0.3.2 botocore==1.44.5 jwcrypto==1.6.1 cryptography==50.0.2 six
    python make.py DIRECTORY > vectors.json

DIRECTORY holds dualtoken.py and snippets.py of GoogleCloudPlatform/python-docs-samples, folder
media_cdn (Apache-2.0), as of 2026-09. The RSA and P-256 keys of CloudFront and of RS256 are made
anew on each run and forgotten; all else is fixed.
"""

import base64, datetime, json, sys

from akamai.edgeauth import EdgeAuth
from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from jwcrypto import jwk, jwt

sys.path.insert(0, sys.argv[1])
import dualtoken, snippets

NOW = 1_800_000_000
BEGIN, END = NOW - 600, NOW + 3600
HOST = "https://cdn.example"


def b64(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def utc(seconds):
    return datetime.datetime.fromtimestamp(seconds, tz=datetime.timezone.utc)


def pem(key):
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.PEM, form).decode()


keys, cases = [], []


def key(kid, scheme, alg, **more):
    keys.append({"kid": kid, "scheme": scheme, "alg": alg, **more})


def case(name, path, query=None, **more):
    cases.append({"name": name, "path": path, "query": query, **more})


def url_case(name, url, **more):
    path, _, query = url.removeprefix(HOST).partition("?")
    case(name, path, query or None, **more)


# Akamai
akamai, salted = "aa" * 15 + "bb", "0123456789abcdef0123456789abcdef"
key("akamai", "edge-auth", "hmac-sha-256", secret="hex:" + akamai)
key("akamai-salt", "edge-auth", "hmac-sha-256", secret="hex:" + salted, salt="pepper and salt")
key("akamai-sha1", "edge-auth", "hmac-sha-1", secret="hex:" + "cd" * 15 + "ef")


def edge_auth(secret=akamai, **more):
    return EdgeAuth(token_name="hdnts", key=secret, end_time=END, **more)


PATH = "/films/1/master.m3u8"
acl = edge_auth().generate_acl_token("/films/1/*")
case("edge-auth acl, query", PATH, "hdnts=" + acl)
case("edge-auth acl, cookie", PATH, cookie="hdnts=" + acl)
case("edge-auth acl, field", PATH, field=acl)
many = edge_auth(start_time=BEGIN, session_id="s-7", payload="plan=gold").generate_acl_token(
    ["/other/*", "/films/?/*.m3u8"]
)
case("edge-auth list, start, id, data", PATH, "v=1&hdnts=" + many, rest="v=1", session="s-7")
case("edge-auth url", PATH, "hdnts=" + edge_auth().generate_url_token(PATH), exact=True)
early = edge_auth(escape_early=True, ip="192.0.2.1", session_id="a b").generate_url_token(PATH)
case("edge-auth url, ip, escaped early", PATH, "hdnts=" + early, exact=True)
with_query = edge_auth().generate_url_token(PATH + "?v=1")
case("edge-auth url with query", PATH, "v=1&hdnts=" + with_query, rest="v=1", exact=True)
salty = edge_auth(salted, salt="pepper and salt", ip="2001:db8::1").generate_acl_token("/*")
case("edge-auth salt, ip v6", PATH, "hdnts=" + salty, client="2001:db8::1")
sha1 = edge_auth("cd" * 15 + "ef", algorithm="sha1").generate_acl_token("/*")
case("edge-auth sha-1", PATH, "hdnts=" + sha1)

# Google Media CDN
seed = bytes(range(32))
google = base64.urlsafe_b64encode(seed).decode()
public = ed25519.Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
key("google-2027", "media-cdn", "ed25519", public=b64(public), name="keyset-1")
shared = base64.urlsafe_b64encode(b"0123456789abcdef").decode()
key("google-mac", "media-cdn", "hmac-sha-256", secret=b64(b"0123456789abcdef"))
key("google-sha1", "media-cdn", "hmac-sha-1", secret=b64(b"fedcba9876543210"))
shared1 = base64.urlsafe_b64encode(b"fedcba9876543210").decode()
naive = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=END)
url = HOST + PATH
signed = snippets.sign_url(url, "keyset-1", google, naive)
url_case("media-cdn url", signed, exact=True)
signed = snippets.sign_url(url + "?v=1", "keyset-1", google, naive)
url_case("media-cdn url with query", signed, rest="v=1", exact=True)
prefix = HOST + "/films/1/"
signed = snippets.sign_url_prefix(url + "?v=1", prefix, "keyset-1", google, naive)
url_case("media-cdn prefix", signed, rest="v=1")
case("media-cdn cookie", PATH, cookie=snippets.sign_cookie(prefix, "keyset-1", google, naive))
signed = dualtoken.sign_path_component(prefix, "master.m3u8", "keyset-1", google, utc(END))
url_case("media-cdn path", signed, object=PATH)


def dual(name, alg="ed25519", secret=google, cookie=False, more=None, **fields):
    token = dualtoken.sign_token(secret, alg, expiration_time=utc(END), **fields)
    if cookie:
        return case(name, PATH, cookie="Edge-Cache-Cookie=" + token, **(more or {}))
    return case(name, PATH, "edge-cache-token=" + token, **(more or {}))


dual("media-cdn dual, FullPath", full_path=PATH, more={"exact": True})
dual("media-cdn dual, PathGlobs", path_globs="/tv/*,/films/?/*.m3u8", start_time=utc(BEGIN))
dual("media-cdn dual, PathGlobs!", path_globs="/tv/*!/films/*", session_id="s-7", data="d",
     more={"session": "s-7"})
dual("media-cdn dual, URLPrefix, cookie", url_prefix=prefix, cookie=True)
dual("media-cdn dual, Headers, IPRanges", path_globs="/*",
     headers=[{"name": "User-Agent", "value": "player/1"}, {"name": "X-None", "value": ""}],
     ip_ranges="203.0.113.0/24,192.0.2.0/24,2001:db8::/32")
dual("media-cdn dual, hmac", "sha256", shared, path_globs="/films/*")
dual("media-cdn dual, hmac sha-1", "sha1", shared1, path_globs="/films/*")

# CloudFront
rsa_key = rsa.generate_private_key(65537, 2048)
ec_key = ec.generate_private_key(ec.SECP256R1())
key("cf-rsa", "cloudfront", "rsa-sha-1", public=pem(rsa_key.public_key()), name="K2JCJMDEHXQW5F")
key("cf-ec", "cloudfront", "ecdsa-p256-sha-256", public=pem(ec_key.public_key()), name="KEC")


def rsa_sha(algorithm):
    return lambda message: rsa_key.sign(message, padding.PKCS1v15(), algorithm)


def ec_sign(message):
    return ec_key.sign(message, ec.ECDSA(hashes.SHA256()))


cf1 = CloudFrontSigner("K2JCJMDEHXQW5F", rsa_sha(hashes.SHA1()))
cf256 = CloudFrontSigner("K2JCJMDEHXQW5F", rsa_sha(hashes.SHA256()))
cfec = CloudFrontSigner("KEC", ec_sign)
at = datetime.datetime.fromtimestamp
canned = cf1.generate_presigned_url(url, date_less_than=at(END))
url_case("cloudfront canned, sha-1", canned, exact=True)
canned = cf1.generate_presigned_url(url + "?v=1&CMCD=bl%3D1", date_less_than=at(END))
url_case("cloudfront canned with query", canned, rest="v=1&CMCD=bl%3D1", exact=True)
canned = cf256.generate_presigned_url(url, date_less_than=at(END)) + "&Hash-Algorithm=SHA256"
url_case("cloudfront canned, sha-256", canned, exact=True)
policy = cf1.build_policy(HOST + "/films/*", at(END), at(BEGIN), "192.0.2.0/24")
custom = cf1.generate_presigned_url(url, policy=policy)
url_case("cloudfront custom, sha-1", custom)
custom = cfec.generate_presigned_url(url, policy=policy) + "&Hash-Algorithm=SHA256"
url_case("cloudfront custom, ecdsa", custom)
everywhere = cf256.build_policy("http*://cdn.example/films/?/*", at(END))
query = cf256.generate_presigned_url(url, policy=everywhere).partition("?")[2]
cookies = ["CloudFront-" + pair for pair in query.split("&")]
case("cloudfront custom, cookies", PATH,
     cookie="; ".join(cookies + ["CloudFront-Hash-Algorithm=SHA256"]))
query = cf1.generate_presigned_url(url, date_less_than=at(END)).partition("?")[2]
cookies = ["CloudFront-" + pair for pair in query.split("&")]
case("cloudfront canned, cookies", PATH, cookie="; ".join(cookies), exact=True)

# RFC 9246, with the signing key of its appendix A.
appendix = jwk.JWK(kty="EC", crv="P-256", kid="P5UpOv0eMq1wcxLf7WxIg09JdSYGYFDOWkldueaImf0",
                   x="be807S4O7dzB6I4hTiCUvmxCI6FuxWba1xYBlLSSsZ8",
                   y="rOGC4vI69g-WF9AGEVI37sNNwbjIzBxSjLvIL7f3RBA",
                   d="yaowezrCLTU6yIwUL5RQw67cHgvZeMTLVZXjUGb1A1M")
okp = jwk.JWK.generate(kty="OKP", crv="Ed25519", kid="okp")
rs = jwk.JWK.generate(kty="RSA", size=2048, kid="rs")
oct_key = jwk.JWK(kty="oct", kid="hs", k=b64(bytes(range(64, 96))))
key("cdni-es", "uri-signing", "ecdsa-p256-sha-256", public=appendix.export_to_pem().decode(),
    name=appendix.key_id, issuer="uCDN Inc")
key("cdni-ed", "uri-signing", "ed25519", public=okp.export_to_pem().decode(), name="okp")
key("cdni-rs", "uri-signing", "rsa-sha-256", public=rs.export_to_pem().decode(), name="rs")
key("cdni-hs", "uri-signing", "hmac-sha-256", secret=b64(bytes(range(64, 96))), name="hs")


def uri(name, claims, key=appendix, alg="ES256", kid=True, carrier="query", **more):
    header = {"alg": alg, **({"kid": key.key_id} if kid else {})}
    token = jwt.JWT(header=header, claims=claims)
    token.make_signed_token(key)
    token = token.serialize()
    if carrier == "query":
        case(name, PATH, "URISigningPackage=" + token, **more)
    elif carrier == "cookie":
        case(name, PATH, cookie="URISigningPackage=" + token, **more)
    else:
        folder, file = PATH.rsplit("/", 1)
        case(name, f"{folder};URISigningPackage={token}/{file}", object=PATH, **more)


import hashlib
simple = {"exp": END, "iss": "uCDN Inc",
          "cdniuc": "hash:sha-256;" + b64(hashlib.sha256(url.encode()).digest())}
regex = r"regex:https://cdn\.example/films/[0-9]{1,3}/.*\.(m3u8|ts)"
uri("uri-signing hash", simple, exact=True)
uri("uri-signing regex", {"exp": END, "cdniuc": regex}, kid=False)
uri("uri-signing all claims", {
    "aud": "dCDN LLC", "sub": "UserToken", "cdniip": "192.0.2.1/24", "cdniv": 1,
    "cdnicrit": "cdniip,cdnistd", "exp": END, "iat": BEGIN, "iss": "uCDN Inc", "nbf": BEGIN,
    "jti": "5DAafLhZAfhsbe", "cdniuc": regex, "cdniets": 30, "cdnistt": 1, "cdnistd": 2},
    session="UserToken")
uri("uri-signing cookie, EdDSA", {"exp": END, "cdniuc": regex}, okp, "EdDSA", carrier="cookie")
uri("uri-signing path, RS256", {"exp": END, "cdniuc": regex}, rs, "RS256", carrier="path")
uri("uri-signing HS256", {"exp": END, "cdniuc": regex}, oct_key, "HS256")

json.dump({"now_s": NOW, "begin_s": BEGIN, "end_s": END, "keys": {"version": 1, "keys": keys},
           "cases": cases}, sys.stdout, indent=1)
print()
