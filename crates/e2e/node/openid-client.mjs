// A relying party written with openid-client: it registers itself, logs a person in, renews, asks, revokes and logs out; it
// is a device; and it authenticates with a key of its own.
// Usage: node openid-client.mjs PUBLIC_URL ADMIN_URL; exits with 0 if everything was as expected.

import assert from "node:assert/strict"
import "./web-crypto.mjs"
import * as client from "openid-client"
import { Person, createClient } from "./person.mjs"

const [publicUrl, adminUrl] = process.argv.slice(2)
const issuer = new URL(`${publicUrl}/`)
const redirectUri = "http://127.0.0.1:9010/callback"
const goodbye = "http://127.0.0.1:9010/goodbye"
const deviceCode = "urn:ietf:params:oauth:grant-type:device_code"
const http = { execute: [client.allowInsecureRequests] }

async function login(config, person, more = {}) {
  const verifier = client.randomPKCECodeVerifier()
  const [state, nonce] = [client.randomState(), client.randomNonce()]
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    scope: "openid offline_access",
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state,
    nonce,
    ...more,
  })
  const landed = await person.open(url, more.redirect_uri ?? redirectUri)
  const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true }
  return client.authorizationCodeGrant(config, landed, checks)
}

async function registered() {
  const metadata = {
    client_name: "openid-client",
    redirect_uris: [redirectUri],
    post_logout_redirect_uris: [goodbye],
    grant_types: ["authorization_code", "refresh_token", deviceCode],
    token_endpoint_auth_method: "client_secret_basic",
    scope: "openid offline_access",
  }
  const { client_secret: _, ...rest } = metadata
  const config = await client.dynamicClientRegistration(issuer, rest, client.ClientSecretBasic(), http)
  const person = new Person(adminUrl)
  const tokens = await login(config, person)
  assert.equal(tokens.claims().sub, "alice")
  const info = await client.fetchUserInfo(config, tokens.access_token, "alice")
  assert.equal(info.email, "alice@example.com")
  const renewed = await client.refreshTokenGrant(config, tokens.refresh_token)
  assert.notEqual(renewed.access_token, tokens.access_token)
  assert.equal(renewed.claims().sub, "alice")
  const told = await client.tokenIntrospection(config, renewed.access_token)
  assert.deepEqual([told.active, told.sub], [true, "alice"])
  await client.tokenRevocation(config, renewed.refresh_token)
  assert.equal((await client.tokenIntrospection(config, renewed.access_token)).active, false)
  await assert.rejects(client.refreshTokenGrant(config, renewed.refresh_token), { error: "invalid_grant" })
  const bye = { post_logout_redirect_uri: goodbye, id_token_hint: renewed.id_token, state: "logged-out" }
  const landed = await person.open(client.buildEndSessionUrl(config, bye), goodbye)
  assert.equal(landed.searchParams.get("state"), "logged-out")
  return config
}

async function device(config) {
  const asked = await client.initiateDeviceAuthorization(config, { scope: "openid offline_access" })
  const polling = client.pollDeviceAuthorizationGrant(config, { ...asked, interval: 1 })
  const person = new Person(adminUrl, "bob")
  await person.open(asked.verification_uri_complete, `${publicUrl}/oauth2/fallbacks/device/done`)
  assert.equal((await polling).claims().sub, "bob")
}

async function withKey() {
  const keys = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"])
  const jwk = { ...(await crypto.subtle.exportKey("jwk", keys.publicKey)), kid: "own", use: "sig", alg: "ES256" }
  const created = await createClient(adminUrl, {
    redirect_uris: [redirectUri],
    grant_types: ["authorization_code", "refresh_token", "client_credentials"],
    scope: "openid offline_access read",
    token_endpoint_auth_method: "private_key_jwt",
    token_endpoint_auth_signing_alg: "ES256",
    jwks: { keys: [jwk] },
  })
  const key = client.PrivateKeyJwt({ key: keys.privateKey, kid: "own" })
  const config = await client.discovery(issuer, created.client_id, undefined, key, http)
  const own = await client.clientCredentialsGrant(config, { scope: "read" })
  assert.equal(own.scope, "read")
  const tokens = await login(config, new Person(adminUrl))
  assert.deepEqual(tokens.claims().aud, [created.client_id])
  const object = await client.buildAuthorizationUrlWithJAR(
    config,
    { redirect_uri: redirectUri, scope: "openid", state: "signed", nonce: "nonce-1234567890", response_type: "code" },
    { key: keys.privateKey, kid: "own" },
  )
  const landed = await new Person(adminUrl).open(object, redirectUri)
  assert.equal(landed.searchParams.get("state"), "signed")
  assert.ok(landed.searchParams.get("code"))
}

const config = await registered()
await device(config)
await withKey()
console.log("as expected")
