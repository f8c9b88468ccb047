// A relying party written with oauth4webapi, which checks every answer against the specifications: it logs people in, renews,
// asks, revokes and logs out; it registers itself; it is a device; and it authenticates with a key of its own.
// Usage: node oauth4webapi.mjs PUBLIC_URL ADMIN_URL; exits with 0 if everything was as expected.

import assert from "node:assert/strict"
import "./web-crypto.mjs"
import * as oauth from "oauth4webapi"
import { Person, createClient } from "./person.mjs"

const [publicUrl, adminUrl] = process.argv.slice(2)
const redirectUri = "http://127.0.0.1:9010/callback"
const goodbye = "http://127.0.0.1:9010/goodbye"
const deviceCode = "urn:ietf:params:oauth:grant-type:device_code"
const http = { [oauth.allowInsecureRequests]: true }
const issuer = new URL(`${publicUrl}/`)

async function discovered(algorithm) {
  return oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm, ...http }))
}

// Logs a person in. `protect` may wrap the parameters of the request.
async function login(server, client, proof, person, protect = (parameters) => parameters) {
  const verifier = oauth.generateRandomCodeVerifier()
  const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()]
  const url = new URL(server.authorization_endpoint)
  const parameters = new URLSearchParams({
    client_id: client.client_id,
    redirect_uri: redirectUri,
    response_type: "code",
    scope: "openid offline_access",
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state,
    nonce,
  })
  url.search = await protect(parameters)
  const landed = await person.open(url, redirectUri)
  // The issuer in the answer is checked too (RFC 9207).
  const answer = oauth.validateAuthResponse(server, client, landed, state)
  const response = await oauth.authorizationCodeGrantRequest(server, client, proof, answer, redirectUri, verifier, http)
  const checks = { expectedNonce: nonce, requireIdToken: true }
  const tokens = await oauth.processAuthorizationCodeResponse(server, client, response, checks)
  assert.equal(oauth.getValidatedIdTokenClaims(tokens).sub, person.subject)
  await oauth.validateApplicationLevelSignature(server, response, http)
  return tokens
}

async function isActive(server, client, proof, token) {
  const asked = await oauth.introspectionRequest(server, client, proof, token, http)
  return (await oauth.processIntrospectionResponse(server, client, asked)).active
}

async function renewed(server, client, proof, refreshToken) {
  const response = await oauth.refreshTokenGrantRequest(server, client, proof, refreshToken, http)
  return oauth.processRefreshTokenResponse(server, client, response)
}

// A client of the operator, by the metadata of OpenID and by those of RFC 8414.
async function whole(algorithm) {
  const server = await discovered(algorithm)
  const created = await createClient(adminUrl, {
    redirect_uris: [redirectUri],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    scope: "openid offline_access",
    token_endpoint_auth_method: "client_secret_post",
  })
  const client = { client_id: created.client_id }
  const proof = oauth.ClientSecretPost(created.client_secret)
  const tokens = await login(server, client, proof, new Person(adminUrl))
  const info = await oauth.userInfoRequest(server, client, tokens.access_token, http)
  assert.equal((await oauth.processUserInfoResponse(server, client, "alice", info)).sub, "alice")
  const next = await renewed(server, client, proof, tokens.refresh_token)
  assert.equal(await isActive(server, client, proof, next.access_token), true)
  await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, proof, next.refresh_token, http))
  assert.equal(await isActive(server, client, proof, next.access_token), false)
}

// Registration by the client itself (RFC 7591), and logout by its request.
async function registered(server) {
  const asked = await oauth.dynamicClientRegistrationRequest(
    server,
    {
      client_name: "oauth4webapi",
      redirect_uris: [redirectUri],
      post_logout_redirect_uris: [goodbye],
      grant_types: ["authorization_code", "refresh_token", deviceCode],
      token_endpoint_auth_method: "client_secret_basic",
      scope: "openid offline_access",
    },
    http,
  )
  const client = await oauth.processDynamicClientRegistrationResponse(asked)
  assert.ok(client.registration_access_token && client.registration_client_uri)
  const proof = oauth.ClientSecretBasic(client.client_secret)
  const person = new Person(adminUrl)
  const tokens = await login(server, client, proof, person)
  const url = new URL(server.end_session_endpoint)
  url.search = new URLSearchParams({
    id_token_hint: tokens.id_token,
    post_logout_redirect_uri: goodbye,
    state: "logged-out",
  })
  const landed = await person.open(url, goodbye)
  assert.equal(landed.searchParams.get("state"), "logged-out")
  // The session has ended: nobody is logged in without being asked.
  const again = new URL(server.authorization_endpoint)
  again.search = new URLSearchParams({
    client_id: client.client_id,
    redirect_uri: redirectUri,
    response_type: "code",
    scope: "openid",
    prompt: "none",
    state: "state-after-logout",
  })
  const refused = await person.open(again, redirectUri)
  assert.throws(() => oauth.validateAuthResponse(server, client, refused, "state-after-logout"), { error: "login_required" })
  return [client, proof]
}

async function device(server, client, proof) {
  const scope = new URLSearchParams({ scope: "openid offline_access" })
  const asked = await oauth.deviceAuthorizationRequest(server, client, proof, scope, http)
  const codes = await oauth.processDeviceAuthorizationResponse(server, client, asked)
  const poll = async () => {
    const response = await oauth.deviceCodeGrantRequest(server, client, proof, codes.device_code, http)
    return oauth.processDeviceCodeResponse(server, client, response)
  }
  await assert.rejects(poll(), { error: "authorization_pending" })
  await new Person(adminUrl, "bob").open(codes.verification_uri_complete, `${publicUrl}/oauth2/fallbacks/device/done`)
  // As RFC 8628 §3.5 asks: who was too fast goes slower.
  for (let pause = codes.interval; ; pause += 5) {
    await new Promise((wake) => setTimeout(wake, pause * 1000))
    const tokens = await poll().catch((error) => (error.error === "slow_down" ? null : Promise.reject(error)))
    if (!tokens) continue
    assert.equal(oauth.getValidatedIdTokenClaims(tokens).sub, "bob")
    break
  }
  await assert.rejects(poll(), { error: "invalid_grant" })
}

// private_key_jwt (RFC 7523), and a request that is signed by the same key (RFC 9101).
async function withKey(server, algorithm) {
  const keys = await oauth.generateKeyPair(algorithm, { extractable: true })
  const jwk = { ...(await crypto.subtle.exportKey("jwk", keys.publicKey)), kid: "own", use: "sig", alg: algorithm }
  const created = await createClient(adminUrl, {
    redirect_uris: [redirectUri],
    grant_types: ["authorization_code", "refresh_token", "client_credentials"],
    scope: "openid offline_access read",
    token_endpoint_auth_method: "private_key_jwt",
    token_endpoint_auth_signing_alg: algorithm,
    request_object_signing_alg: algorithm,
    jwks: { keys: [jwk] },
  })
  const client = { client_id: created.client_id }
  const key = { key: keys.privateKey, kid: "own" }
  const proof = oauth.PrivateKeyJwt(key)
  const scope = new URLSearchParams({ scope: "read" })
  const own = await oauth.clientCredentialsGrantRequest(server, client, proof, scope, http)
  assert.equal((await oauth.processClientCredentialsResponse(server, client, own)).scope, "read")
  const signed = async (parameters) => {
    const request = await oauth.issueRequestObject(server, client, parameters, key)
    return new URLSearchParams({ client_id: client.client_id, request })
  }
  const tokens = await login(server, client, proof, new Person(adminUrl), signed)
  const next = await renewed(server, client, proof, tokens.refresh_token)
  assert.equal(await isActive(server, client, proof, next.access_token), true)
  const stranger = await oauth.generateKeyPair(algorithm)
  const forged = oauth.PrivateKeyJwt({ key: stranger.privateKey, kid: "own" })
  const refused = await oauth.clientCredentialsGrantRequest(server, client, forged, scope, http)
  await assert.rejects(oauth.processClientCredentialsResponse(server, client, refused), { error: "invalid_client" })
}

for (const algorithm of ["oidc", "oauth2"]) await whole(algorithm)
const server = await discovered("oidc")
await device(server, ...(await registered(server)))
for (const algorithm of ["ES256", "PS256"]) await withKey(server, algorithm)
console.log("as expected")
