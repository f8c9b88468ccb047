// An API that takes access tokens, in plain Node.js (18 or newer): opaque ones by introspection, JWTs by their signature.
//
//     PORT=3001 AUDIENCE=https://api.example.com ISSUER=http://127.0.0.1:4444/ \
//         HYDRA_ADMIN_URL=http://127.0.0.1:4445 node api.mjs
import { createPublicKey, verify } from "node:crypto";
import { createServer } from "node:http";

const port = Number(process.env.PORT ?? 3001);
// The identifier of this API, registered as an `audience` of the clients that may call it.
const audience = process.env.AUDIENCE ?? "https://api.example.com";
const issuer = process.env.ISSUER ?? "http://127.0.0.1:4444/";
const admin = (process.env.HYDRA_ADMIN_URL ?? "http://127.0.0.1:4445").replace(/\/$/, "");

/** What the server says that a token stands for. A revoked token is inactive at once. */
async function introspect(token) {
  const answer = await fetch(`${admin}/admin/oauth2/introspect`, { method: "POST", body: new URLSearchParams({ token }) });
  if (!answer.ok) throw new Error(`introspection answers ${answer.status}`);
  const told = await answer.json();
  // A refresh token is a token, too, and not for an API.
  return told.active && told.token_use === "access_token" ? told : null;
}

let keys = { at: 0, list: [] };

/** The published key of this id. They are read again after five minutes, and for an unknown one at most every ten seconds. */
async function publishedKey(kid) {
  const find = () => keys.list.find((key) => key.kid === kid);
  const age = Date.now() - keys.at;
  if (age > 300_000 || (!find() && age > 10_000)) {
    const answer = await fetch(new URL(".well-known/jwks.json", issuer));
    if (!answer.ok) throw new Error(`the published keys answer ${answer.status}`);
    keys = { at: Date.now(), list: (await answer.json()).keys };
  }
  return find();
}

const part = (text) => JSON.parse(Buffer.from(text, "base64url").toString());

/** The claims of a JWT of this server (RFC 9068 §4), or null. Until it expires it is taken, even when it was revoked. */
async function check(token) {
  const [head, claims, signature] = token.split(".");
  let header, told;
  try {
    [header, told] = [part(head), part(claims)];
  } catch {
    return null;
  }
  // Not an ID token or a logout token, which are signed by the same server, and no algorithm but these two.
  if (header.typ !== "at+jwt" || !["RS256", "ES256"].includes(header.alg)) return null;
  const jwk = await publishedKey(header.kid);
  if (!jwk || jwk.alg !== header.alg) return null;
  const key = { key: createPublicKey({ key: jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" };
  const isSigned = verify("sha256", Buffer.from(`${head}.${claims}`), key, Buffer.from(signature, "base64url"));
  const now = Date.now() / 1000;
  return isSigned && told.iss === issuer && told.exp > now && !(told.nbf > now + 60) ? told : null;
}

/** Status, `WWW-Authenticate` (RFC 6750 §3) and body for a request. */
async function answer(request) {
  const token = /^Bearer ([\x21-\x7e]+)$/i.exec(request.headers.authorization ?? "")?.[1];
  if (!token) return [401, "Bearer", { error: "Send an access token in the header Authorization, after the word Bearer." }];
  const told = token.split(".").length === 3 ? await check(token) : await introspect(token);
  // The audience keeps tokens that were meant for another API away from this one.
  if (!told || ![told.aud].flat().includes(audience)) {
    return [401, 'Bearer error="invalid_token"', { error: "The token is expired, revoked, or not for this API." }];
  }
  // In a JWT, as `strategies.jwt.scope_claim` says; in an introspection always a text.
  const scopes = told.scp ?? (told.scope ?? "").split(" ");
  if (!scopes.includes("read")) {
    return [403, 'Bearer error="insufficient_scope", scope="read"', { error: "The token does not have the scope read." }];
  }
  return [200, "", { hello: told.sub, client: told.client_id }];
}

const server = createServer(async (request, response) => {
  const failed = (error) => {
    console.error(error);
    return [503, "", { error: "Tokens cannot be checked right now." }];
  };
  const [status, challenge, body] = await answer(request).catch(failed);
  const headers = { "content-type": "application/json", "cache-control": "no-store" };
  response.writeHead(status, challenge ? { ...headers, "www-authenticate": challenge } : headers);
  response.end(JSON.stringify(body));
});

server.listen(port, "127.0.0.1", () => console.log(`Listening on http://127.0.0.1:${port}`));
