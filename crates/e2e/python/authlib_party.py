"""A relying party written with Authlib: it registers itself, logs a person in, reads the ID token with the published keys, asks
for claims, renews, introspects, revokes and logs out; it is a device; and it signs with a key of its own.
Usage: python authlib_party.py PUBLIC_URL ADMIN_URL; exits with 0 if everything was as expected."""

import sys
import time
from urllib.parse import parse_qs, urlencode, urlsplit

import requests
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oidc.discovery import OpenIDProviderMetadata
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from person import Person

PUBLIC, ADMIN = sys.argv[1:]
REDIRECT = "http://127.0.0.1:9010/callback"
GOODBYE = "http://127.0.0.1:9010/goodbye"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


def discovered():
    """Both documents, each judged by the library's own reading of its specification."""
    oauth = AuthorizationServerMetadata(requests.get(f"{PUBLIC}/.well-known/oauth-authorization-server").json())
    openid = OpenIDProviderMetadata(requests.get(f"{PUBLIC}/.well-known/openid-configuration").json())
    secure = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "registration_endpoint", "userinfo_endpoint",
              "revocation_endpoint", "introspection_endpoint")
    for document in (oauth, openid):
        # Everything but https, which no test on one machine has.
        for key in document.REGISTRY_KEYS:
            if key not in secure:
                getattr(document, f"validate_{key}")()
    assert openid["issuer"] == f"{PUBLIC}/"
    return openid


def login(session, server, person, **more):
    verifier, nonce = generate_token(48), generate_token(20)
    url, state = session.create_authorization_url(server["authorization_endpoint"], code_verifier=verifier, nonce=nonce, **more)
    landed = person.open(url, REDIRECT)
    assert parse_qs(urlsplit(landed).query)["iss"] == [server["issuer"]]
    token = session.fetch_token(server["token_endpoint"], authorization_response=landed, code_verifier=verifier, state=state)
    keys = KeySet.import_key_set(requests.get(server["jwks_uri"]).json())
    claims = jwt.decode(token["id_token"], keys, algorithms=server["id_token_signing_alg_values_supported"]).claims
    assert (claims["iss"], claims["aud"], claims["nonce"]) == (server["issuer"], [session.client_id], nonce), claims
    assert claims["exp"] > time.time() and claims["sub"] == person.subject, claims
    return token


def registered(server):
    metadata = {
        "client_name": "Authlib",
        "redirect_uris": [REDIRECT],
        "post_logout_redirect_uris": [GOODBYE],
        "grant_types": ["authorization_code", "refresh_token", DEVICE],
        "scope": "openid offline_access",
    }
    answer = requests.post(server["registration_endpoint"], json=metadata)
    assert answer.status_code == 201, answer.text
    client = answer.json()
    session = OAuth2Session(
        client["client_id"], client["client_secret"], scope="openid offline_access", redirect_uri=REDIRECT,
        token_endpoint_auth_method="client_secret_basic", code_challenge_method="S256",
    )
    person = Person(ADMIN)
    token = login(session, server, person)
    info = session.get(server["userinfo_endpoint"]).json()
    assert (info["sub"], info["email"]) == ("alice", "alice@example.com"), info
    renewed = session.refresh_token(server["token_endpoint"], refresh_token=token["refresh_token"])
    assert renewed["access_token"] != token["access_token"]
    told = session.introspect_token(server["introspection_endpoint"], token=renewed["access_token"]).json()
    assert told["active"] and told["sub"] == "alice", told
    assert session.revoke_token(server["revocation_endpoint"], token=renewed["refresh_token"]).status_code == 200
    told = session.introspect_token(server["introspection_endpoint"], token=renewed["access_token"]).json()
    assert told == {"active": False}, told
    bye = {"id_token_hint": renewed["id_token"], "post_logout_redirect_uri": GOODBYE, "state": "logged-out"}
    landed = person.open(f"{server['end_session_endpoint']}?{urlencode(bye)}", GOODBYE)
    assert parse_qs(urlsplit(landed).query)["state"] == ["logged-out"], landed
    return client


def device(server, client):
    """Authlib has no client for devices, so its session sends the grant (RFC 8628 §3.4)."""
    credentials = (client["client_id"], client["client_secret"])
    asked = requests.post(server["device_authorization_endpoint"], auth=credentials, data={"scope": "openid"}).json()
    Person(ADMIN, "bob").open(asked["verification_uri_complete"], f"{PUBLIC}/oauth2/fallbacks/device/done")
    session = OAuth2Session(*credentials, token_endpoint_auth_method="client_secret_basic")
    token = session.fetch_token(server["token_endpoint"], grant_type=DEVICE, device_code=asked["device_code"])
    assert session.get(server["userinfo_endpoint"]).json()["sub"] == "bob"
    assert token["token_type"] == "bearer"


def with_key(server):
    key = RSAKey.generate_key(2048, {"kid": "own", "use": "sig", "alg": "RS256"})
    metadata = {
        "redirect_uris": [REDIRECT],
        "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
        "scope": "openid offline_access read",
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": "RS256",
        "jwks": {"keys": [key.as_dict(private=False)]},
    }
    client = requests.post(f"{ADMIN}/admin/clients", json=metadata).json()
    session = OAuth2Session(
        client["client_id"], key.as_dict(private=True), scope="openid offline_access", redirect_uri=REDIRECT,
        token_endpoint_auth_method=PrivateKeyJWT(server["token_endpoint"], alg="RS256"), code_challenge_method="S256",
    )
    token = login(session, server, Person(ADMIN))
    assert session.refresh_token(server["token_endpoint"], refresh_token=token["refresh_token"])["id_token"]
    own = session.fetch_token(server["token_endpoint"], grant_type="client_credentials", scope="read")
    assert own["scope"] == "read", own


if __name__ == "__main__":
    metadata = discovered()
    device(metadata, registered(metadata))
    with_key(metadata)
    print("as expected")
