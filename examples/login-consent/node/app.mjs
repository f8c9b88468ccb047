// A login, consent and logout app for Claviger or Ory Hydra, in plain Node.js (18 or newer).
//
//     PORT=3000 HYDRA_ADMIN_URL=http://127.0.0.1:4445 node app.mjs
import { randomBytes, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const admin = (process.env.HYDRA_ADMIN_URL ?? "http://127.0.0.1:4445").replace(/\/$/, "");
const port = Number(process.env.PORT ?? 3000);

// Your users go here. The id is what applications see as `sub`: it never changes and is never given to somebody else.
const people = [{ id: "user-1", email: "alice@example.com", password: "wonderland", name: "Alice" }];

/** What ends the handling of a request: the browser is sent on, or the person is told what does not work. */
class Onward extends Error {}
class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * Reads a request of the kind `login`, `consent` or `logout`, or answers it with the verb `/accept` or `/reject`. Wherever
 * the server names an address, the browser goes there: after an answer, and when a request was answered before or is too old.
 */
async function ask(kind, verb, challenge, body) {
  const query = new URLSearchParams({ [`${kind}_challenge`]: challenge });
  const put = { method: "PUT", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(`${admin}/admin/oauth2/auth/requests/${kind}${verb}?${query}`, verb ? put : {});
  const text = await answer.text();
  const told = text ? JSON.parse(text) : {};
  if (told.redirect_to) throw new Onward(told.redirect_to);
  if (!answer.ok) throw new Refusal(answer.status, told.error_description ?? told.error);
  return told;
}

const escape = (text) => String(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

// For each kind of request: the page that asks the person, and the answer to the server if the person says yes.
const kinds = {
  login: {
    title: "Log in",
    ask: () => `<p><label>E-mail <input type="email" name="email" required autofocus></label></p>
      <p><label>Password <input type="password" name="password" required></label></p>
      <p><label><input type="checkbox" name="remember" value="yes"> Remember me here for an hour</label></p>`,
    accept(request, fields) {
      // This browser is logged in already, so nobody was asked.
      if (request.skip) return { subject: request.subject };
      // In your app: a slow password hash, a limit on tries, a second factor.
      const person = people.find((one) => one.email === fields.get("email") && one.password === fields.get("password"));
      return person && { subject: person.id, remember: fields.has("remember"), remember_for: 3600, amr: ["pwd"] };
    },
  },

  consent: {
    title: "Allow access",
    ask(request) {
      const who = escape(request.client.client_name || request.client.client_id);
      const scopes = request.requested_scope.map(escape).map((scope) =>
        `<p><label><input type="checkbox" name="scope" value="${scope}" checked> ${scope}</label></p>`);
      return `<p>${who} asks for:</p>${scopes.join("")}`;
    },
    accept(request, fields) {
      const scopes = request.skip ? request.requested_scope : fields.getAll("scope");
      const person = people.find((one) => one.id === request.subject);
      const claims = {};
      if (scopes.includes("profile")) claims.name = person?.name;
      if (scopes.includes("email")) claims.email = person?.email;
      const audience = request.requested_access_token_audience;
      return { grant_scope: scopes, grant_access_token_audience: audience, session: { id_token: claims } };
    },
  },

  logout: { title: "Log out", ask: () => "<p>Do you want to log out?</p>", accept: () => ({}) },
};

/** One visit of /login, /consent or /logout: by GET for the page, by POST with the person's answer. */
async function visit(kind, fields, isPost, csrf) {
  const { title, ask: show, accept } = kinds[kind];
  const challenge = fields.get(`${kind}_challenge`) ?? "";
  if (isPost && fields.get("answer") !== "yes") {
    await ask(kind, "/reject", challenge, { error: "access_denied", error_description: "The person said no." });
    // Only a logout goes nowhere from here.
    return [title, "<p>You are still logged in.</p>"];
  }
  const request = await ask(kind, "", challenge);
  let message = "";
  if (isPost || request.skip) {
    const accepted = accept(request, fields);
    if (accepted) await ask(kind, "/accept", challenge, accepted);
    message = "E-mail or password is wrong.";
  }
  return [title, `<form method="post" action="/${kind}"><p>${message}</p>
    <input type="hidden" name="${kind}_challenge" value="${escape(challenge)}">
    <input type="hidden" name="csrf" value="${csrf}">${show(request)}
    <button name="answer" value="yes">Yes</button> <button name="answer" value="no" formnovalidate>No</button></form>`];
}

async function answer(request, response) {
  const url = new URL(request.url, "http://app");
  const isPost = request.method === "POST";
  const cookie = /(?:^|; )app_csrf=([0-9a-f]{64})/.exec(request.headers.cookie ?? "")?.[1];
  const csrf = cookie ?? randomBytes(32).toString("hex");
  let fields = url.searchParams;
  if (isPost) {
    let body = "";
    for await (const part of request) if ((body += part).length > 65536) throw new Refusal(413, "The form is too long.");
    fields = new URLSearchParams(body);
    // The form must come from a page that this app gave to this browser.
    const sent = Buffer.from(fields.get("csrf") ?? "");
    if (!cookie || sent.length !== 64 || !timingSafeEqual(sent, Buffer.from(cookie))) {
      throw new Refusal(403, "The form did not come from this browser. Allow cookies and try again.");
    }
  }
  // With https, add `; Secure`.
  response.setHeader("set-cookie", `app_csrf=${csrf}; Path=/; HttpOnly; SameSite=Lax`);
  const kind = url.pathname.slice(1);
  if (!Object.hasOwn(kinds, kind)) throw new Refusal(404, "There is nothing here.");
  return visit(kind, fields, isPost, csrf);
}

const server = createServer(async (request, response) => {
  response.setHeader("content-security-policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'");
  response.setHeader("cache-control", "no-store");
  let status = 200, title, html;
  try {
    [title, html] = await answer(request, response);
  } catch (error) {
    if (error instanceof Onward) return response.writeHead(303, { location: error.message }).end();
    if (!(error instanceof Refusal)) console.error(error);
    const told = error instanceof Refusal ? error.message : "The login service cannot be reached.";
    [status, title, html] = [error.status ?? 502, "Sorry", `<p>${escape(told)}</p>`];
  }
  response.writeHead(status, { "content-type": "text/html; charset=utf-8" });
  response.end(`<!doctype html><title>${title}</title><h1>${title}</h1>${html}`);
});

server.listen(port, "127.0.0.1", () => console.log(`Listening on http://127.0.0.1:${port}`));
