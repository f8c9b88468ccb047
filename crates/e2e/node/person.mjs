// A person with a browser, and the operator's app in one: opens a URL, answers every question on the way with yes, and says
// where the browser lands.

import assert from "node:assert/strict"

export class Person {
  #admin
  #cookies = new Map()

  constructor(adminUrl, subject = "alice") {
    this.#admin = adminUrl
    this.subject = subject
  }

  // The first URL on the way that begins with `wanted`.
  async open(url, wanted) {
    let next = new URL(url)
    for (let hop = 0; hop < 20; hop += 1) {
      if (next.href.startsWith(wanted)) return next
      const question = ["login", "consent", "logout", "device"].find((kind) => next.searchParams.has(`${kind}_challenge`))
      next = question ? await this.#answer(question, next) : await this.#browse(next)
    }
    assert.fail(`no way from ${url} to ${wanted}`)
  }

  async #browse(url) {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ")
    const response = await fetch(url, { redirect: "manual", headers: { cookie } })
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = line.match(/^([^=]+)=([^;]*)/)
      this.#cookies.set(name, value)
    }
    const location = response.headers.get("location")
    assert.ok(location, `${url} answered ${response.status}: ${await response.text()}`)
    return new URL(location, url)
  }

  async #answer(kind, page) {
    const challenge = page.searchParams.get(`${kind}_challenge`)
    const at = (verb) => `${this.#admin}/admin/oauth2/auth/requests/${kind}${verb}?${kind}_challenge=${encodeURIComponent(challenge)}`
    let body = {}
    if (kind === "login") body = { subject: this.subject, remember: true }
    if (kind === "device") body = { user_code: page.searchParams.get("user_code") }
    if (kind === "consent") {
      const asked = await (await fetch(at(""))).json()
      body = {
        grant_scope: asked.requested_scope,
        grant_access_token_audience: asked.requested_access_token_audience,
        session: { id_token: { email: "alice@example.com" } },
      }
    }
    const headers = { "content-type": "application/json" }
    const response = await fetch(at("/accept"), { method: "PUT", headers, body: JSON.stringify(body) })
    const answer = await response.json()
    assert.ok(answer.redirect_to, `${kind}: ${JSON.stringify(answer)}`)
    return new URL(answer.redirect_to)
  }
}

// Registers a client by the operator's API.
export async function createClient(adminUrl, metadata) {
  const headers = { "content-type": "application/json" }
  const response = await fetch(`${adminUrl}/admin/clients`, { method: "POST", headers, body: JSON.stringify(metadata) })
  assert.equal(response.status, 201, await response.clone().text())
  return response.json()
}
