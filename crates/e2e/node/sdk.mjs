// Drives a server with the npm package @ory/hydra-client, as an application written in JavaScript does.
// Usage: node sdk.mjs PUBLIC_URL ADMIN_URL; exits with 0 if everything was as expected.

import assert from "node:assert/strict"
import hydra from "@ory/hydra-client"

const { Configuration, JwkApi, MetadataApi, OAuth2Api, OidcApi } = hydra
const [publicUrl, adminUrl] = process.argv.slice(2)
const redirectUri = "http://127.0.0.1:9010/callback"
const admin = new OAuth2Api(new Configuration({ basePath: adminUrl }))

// Sends a request as a browser does: with the cookies that it was given, and no redirect followed.
const cookies = new Map()
async function browse(url) {
  const header = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ")
  const response = await fetch(url, { redirect: "manual", headers: { cookie: header } })
  for (const cookie of response.headers.getSetCookie()) {
    const [, name, value] = cookie.match(/^([^=]+)=([^;]*)/)
    cookies.set(name, value)
  }
  const location = response.headers.get("location")
  assert.ok(location, `${url} answered ${response.status}: ${await response.text()}`)
  return new URL(location)
}

async function clients() {
  const metadata = {
    client_name: "SDK",
    client_secret: "secret-of-the-sdk",
    grant_types: ["authorization_code", "refresh_token", "client_credentials"],
    response_types: ["code"],
    scope: "openid offline",
    redirect_uris: [redirectUri],
    token_endpoint_auth_method: "client_secret_post",
    metadata: { team: "one" },
  }
  const created = await admin.createOAuth2Client({ oAuth2Client: metadata })
  assert.equal(created.status, 201)
  const id = created.data.client_id
  const read = await admin.getOAuth2Client({ id })
  assert.equal(read.data.client_name, "SDK")
  assert.equal(read.data.client_secret, undefined, "the secret is told once")
  assert.deepEqual(read.data.metadata, { team: "one" })
  const listed = await admin.listOAuth2Clients({ pageSize: 100 })
  assert.ok(listed.data.some((client) => client.client_id === id))
  const named = await admin.listOAuth2Clients({ clientName: "SDK" })
  assert.deepEqual(named.data.map((client) => client.client_id), [id])
  const updated = await admin.setOAuth2Client({ id, oAuth2Client: { ...metadata, client_name: "Updated" } })
  assert.equal(updated.data.client_name, "Updated")
  const jsonPatch = [{ op: "replace", path: "/client_name", value: "Patched" }]
  const patched = await admin.patchOAuth2Client({ id, jsonPatch })
  assert.equal(patched.data.client_name, "Patched")
  assert.deepEqual(patched.data.redirect_uris, [redirectUri])
  return id
}

async function login(clientId) {
  const query = new URLSearchParams({
    client_id: clientId,
    response_type: "code",
    redirect_uri: redirectUri,
    scope: "openid offline",
    state: "state-of-the-sdk",
  })
  const toLogin = await browse(`${publicUrl}/oauth2/auth?${query}`)
  const loginChallenge = toLogin.searchParams.get("login_challenge")
  const { data: asked } = await admin.getOAuth2LoginRequest({ loginChallenge })
  assert.equal(asked.skip, false)
  assert.equal(asked.client.client_id, clientId)
  assert.deepEqual(asked.requested_scope, ["openid", "offline"])
  const { data: accepted } = await admin.acceptOAuth2LoginRequest({
    loginChallenge,
    acceptOAuth2LoginRequest: { subject: "ada", remember: true, remember_for: 3600, context: { from: "login" } },
  })
  return browse(accepted.redirect_to)
}

async function code(clientId) {
  const toConsent = await login(clientId)
  const consentChallenge = toConsent.searchParams.get("consent_challenge")
  const { data: asked } = await admin.getOAuth2ConsentRequest({ consentChallenge })
  assert.equal(asked.subject, "ada")
  assert.deepEqual(asked.context, { from: "login" })
  const { data: accepted } = await admin.acceptOAuth2ConsentRequest({
    consentChallenge,
    acceptOAuth2ConsentRequest: {
      grant_scope: asked.requested_scope,
      grant_access_token_audience: asked.requested_access_token_audience,
      session: { access_token: { plan: "gold" }, id_token: { given_name: "Ada" } },
    },
  })
  const landed = await browse(accepted.redirect_to)
  assert.equal(landed.searchParams.get("state"), "state-of-the-sdk")
  return landed.searchParams.get("code")
}

async function denial(clientId) {
  const toConsent = await login(clientId)
  const { data: rejected } = await admin.rejectOAuth2ConsentRequest({
    consentChallenge: toConsent.searchParams.get("consent_challenge"),
    rejectOAuth2Request: { error: "access_denied", error_description: "no, thank you" },
  })
  const landed = await browse(rejected.redirect_to)
  assert.equal(landed.searchParams.get("error"), "access_denied")
}

async function tokens(clientId) {
  const body = new URLSearchParams({
    grant_type: "authorization_code",
    code: await code(clientId),
    redirect_uri: redirectUri,
    client_id: clientId,
    client_secret: "secret-of-the-sdk",
  })
  const granted = await (await fetch(`${publicUrl}/oauth2/token`, { method: "POST", body })).json()
  const { data: told } = await admin.introspectOAuth2Token({ token: granted.access_token })
  assert.equal(told.active, true)
  assert.equal(told.sub, "ada")
  assert.deepEqual(told.ext, { plan: "gold" })
  const person = new OidcApi(new Configuration({ basePath: publicUrl, accessToken: granted.access_token }))
  assert.equal((await person.getOidcUserInfo()).data.given_name, "Ada")
  const open = new OAuth2Api(new Configuration({ basePath: publicUrl }))
  const token = granted.refresh_token
  const revoked = await open.revokeOAuth2Token({ token, clientId, clientSecret: "secret-of-the-sdk" })
  assert.equal(revoked.status, 200)
  assert.equal((await admin.introspectOAuth2Token({ token: granted.access_token })).data.active, false)
}

async function keys() {
  const api = new JwkApi(new Configuration({ basePath: adminUrl }))
  const createJsonWebKeySet = { alg: "ES256", use: "sig", kid: "sdk-key" }
  const created = await api.createJsonWebKeySet({ set: "sdk-set", createJsonWebKeySet })
  assert.equal(created.data.keys[0].kid, "sdk-key")
  assert.equal((await api.getJsonWebKeySet({ set: "sdk-set" })).data.keys.length, 1)
  assert.equal((await api.deleteJsonWebKeySet({ set: "sdk-set" })).status, 204)
  await assert.rejects(api.getJsonWebKeySet({ set: "sdk-set" }), (error) => error.response.status === 404)
}

async function information() {
  const about = new MetadataApi(new Configuration({ basePath: adminUrl }))
  assert.equal((await about.isReady()).data.status, "ok")
  assert.ok((await about.getVersion()).data.version)
  const open = new OidcApi(new Configuration({ basePath: publicUrl }))
  const { data: document } = await open.discoverOidcConfiguration()
  assert.equal(document.token_endpoint, `${publicUrl}/oauth2/token`)
}

await information()
const clientId = await clients()
await tokens(clientId)
cookies.clear()
await denial(clientId)
await keys()
assert.equal((await admin.deleteOAuth2Client({ id: clientId })).status, 204)
await assert.rejects(admin.getOAuth2Client({ id: clientId }), (error) => error.response.status === 404)
console.log("as expected")
