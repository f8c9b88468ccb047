// A relying party written with oauth4webapi, which checks every answer against the specifications.
// Usage: node oauth4webapi.mjs PUBLIC_URL ADMIN_URL; exits with 0 if everything was as expected.

import assert from "node:assert/strict"
import "./web-crypto.mjs"
import * as oauth from "oauth4webapi"
import { Person, createClient } from "./person.mjs"

const [publicUrl, adminUrl] = process.argv.slice(2)
const redirectUri = "http://127.0.0.1:9010/callback"
const http = { [oauth.allowInsecureRequests]: true }
const issuer = new URL(`${publicUrl}/`)

for (const algorithm of ["oidc", "oauth2"]) {
  const server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm, ...http }))
  const created = await createClient(adminUrl, {
    redirect_uris: [redirectUri],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    scope: "openid offline_access",
    token_endpoint_auth_method: "client_secret_post",
  })
  const client = { client_id: created.client_id }
  const proof = oauth.ClientSecretPost(created.client_secret)
  const verifier = oauth.generateRandomCodeVerifier()
  const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()]
  const url = new URL(server.authorization_endpoint)
  url.search = new URLSearchParams({
    client_id: client.client_id,
    redirect_uri: redirectUri,
    response_type: "code",
    scope: "openid offline_access",
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state,
    nonce,
  })
  const landed = await new Person(adminUrl).open(url, redirectUri)
  // The issuer in the answer is checked too (RFC 9207).
  const answer = oauth.validateAuthResponse(server, client, landed, state)
  const response = await oauth.authorizationCodeGrantRequest(server, client, proof, answer, redirectUri, verifier, http)
  const checks = { expectedNonce: nonce, requireIdToken: true }
  const tokens = await oauth.processAuthorizationCodeResponse(server, client, response, checks)
  const claims = oauth.getValidatedIdTokenClaims(tokens)
  assert.equal(claims.sub, "alice")
  const keys = await oauth.validateApplicationLevelSignature(server, response, http)
  assert.equal(keys, undefined, "the ID token's signature is good")
  const info = await oauth.userInfoRequest(server, client, tokens.access_token, http)
  assert.equal((await oauth.processUserInfoResponse(server, client, "alice", info)).sub, "alice")
  const renewal = await oauth.refreshTokenGrantRequest(server, client, proof, tokens.refresh_token, http)
  const renewed = await oauth.processRefreshTokenResponse(server, client, renewal)
  const asked = await oauth.introspectionRequest(server, client, proof, renewed.access_token, http)
  assert.equal((await oauth.processIntrospectionResponse(server, client, asked)).active, true)
  await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, proof, renewed.refresh_token, http))
  const again = await oauth.introspectionRequest(server, client, proof, renewed.access_token, http)
  assert.equal((await oauth.processIntrospectionResponse(server, client, again)).active, false)
}
console.log("as expected")
