"""A login, consent and logout app for Claviger or Ory Hydra, with Python's standard library only (3.9 or newer).

    PORT=3000 HYDRA_ADMIN_URL=http://127.0.0.1:4445 python3 app.py
"""

import hmac
import http.cookies
import http.server
import json
import os
import secrets
import urllib.error
import urllib.parse
import urllib.request
from html import escape

ADMIN = os.environ.get("HYDRA_ADMIN_URL", "http://127.0.0.1:4445").rstrip("/")
PORT = int(os.environ.get("PORT", "3000"))

# Your users go here. The id is what applications see as `sub`: it never changes and is never given to somebody else.
PEOPLE = [{"id": "user-1", "email": "alice@example.com", "password": "wonderland", "name": "Alice"}]


class Onward(Exception):
    """Where the browser goes next."""


class Refusal(Exception):
    """A status, and what the person is told."""


def ask(kind, verb, challenge, body=None):
    """Reads a request of the kind login, consent or logout, or answers it with the verb /accept or /reject. Wherever the
    server names an address, the browser goes there: after an answer, and when a request was answered before or is too old."""
    query = urllib.parse.urlencode({f"{kind}_challenge": challenge})
    request = urllib.request.Request(f"{ADMIN}/admin/oauth2/auth/requests/{kind}{verb}?{query}")
    if verb:
        request.method, request.data = "PUT", json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    try:
        answer = urllib.request.urlopen(request, timeout=10)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        told = json.loads(answer.read() or b"{}")
    if "redirect_to" in told:
        raise Onward(told["redirect_to"])
    if answer.status >= 400:
        raise Refusal(answer.status, told.get("error_description") or told.get("error"))
    return told


# For each kind of request: what asks the person, and the answer to the server if the person says yes.
def ask_login(_request):
    return """<p><label>E-mail <input type="email" name="email" required autofocus></label></p>
        <p><label>Password <input type="password" name="password" required></label></p>
        <p><label><input type="checkbox" name="remember" value="yes"> Remember me here for an hour</label></p>"""


def accept_login(request, fields):
    if request["skip"]:  # This browser is logged in already, so nobody was asked.
        return {"subject": request["subject"]}
    # In your app: a slow password hash, a limit on tries, a second factor.
    for person in PEOPLE:
        if (fields.get("email"), fields.get("password")) == ([person["email"]], [person["password"]]):
            return {"subject": person["id"], "remember": "remember" in fields, "remember_for": 3600, "amr": ["pwd"]}


def ask_consent(request):
    who = escape(request["client"].get("client_name") or request["client"]["client_id"])
    box = '<p><label><input type="checkbox" name="scope" value="{0}" checked> {0}</label></p>'
    return f"<p>{who} asks for:</p>" + "".join(box.format(escape(scope)) for scope in request["requested_scope"])


def accept_consent(request, fields):
    scopes = request["requested_scope"] if request["skip"] else fields.get("scope", [])
    person = next((one for one in PEOPLE if one["id"] == request["subject"]), {})
    claims = {claim: person.get(claim) for scope, claim in (("profile", "name"), ("email", "email")) if scope in scopes}
    audience = request["requested_access_token_audience"]
    return {"grant_scope": scopes, "grant_access_token_audience": audience, "session": {"id_token": claims}}


KINDS = {
    "login": ("Log in", ask_login, accept_login),
    "consent": ("Allow access", ask_consent, accept_consent),
    "logout": ("Log out", lambda _request: "<p>Do you want to log out?</p>", lambda _request, _fields: {}),
}


def visit(kind, fields, is_post, csrf):
    """One visit of /login, /consent or /logout: by GET for the page, by POST with the person's answer."""
    title, show, accept = KINDS[kind]
    challenge = fields.get(f"{kind}_challenge", [""])[0]
    if is_post and fields.get("answer") != ["yes"]:
        ask(kind, "/reject", challenge, {"error": "access_denied", "error_description": "The person said no."})
        return title, "<p>You are still logged in.</p>"  # Only a logout goes nowhere from here.
    request = ask(kind, "", challenge)
    message = ""
    if is_post or request.get("skip"):
        accepted = accept(request, fields)
        if accepted is not None:
            ask(kind, "/accept", challenge, accepted)
        message = "E-mail or password is wrong."
    return title, f"""<form method="post" action="/{kind}"><p>{message}</p>
        <input type="hidden" name="{kind}_challenge" value="{escape(challenge)}">
        <input type="hidden" name="csrf" value="{escape(csrf)}">{show(request)}
        <button name="answer" value="yes">Yes</button> <button name="answer" value="no" formnovalidate>No</button></form>"""


class App(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        url, is_post = urllib.parse.urlsplit(self.path), self.command == "POST"
        cookie = http.cookies.SimpleCookie(self.headers.get("Cookie")).get("app_csrf")
        csrf = cookie.value if cookie else secrets.token_hex(32)
        length = min(int(self.headers.get("Content-Length") or 0), 65536)
        fields = urllib.parse.parse_qs(self.rfile.read(length).decode() if is_post else url.query)
        status, location = 200, ""
        try:
            # The form must come from a page that this app gave to this browser.
            if is_post and not (cookie and hmac.compare_digest(csrf, fields.get("csrf", [""])[0])):
                raise Refusal(403, "The form did not come from this browser. Allow cookies and try again.")
            if url.path[1:] not in KINDS:
                raise Refusal(404, "There is nothing here.")
            title, page = visit(url.path[1:], fields, is_post, csrf)
        except Onward as onward:
            status, location, title, page = 303, str(onward), "Onward", ""
        except Refusal as refusal:
            status, title, page = refusal.args[0], "Sorry", f"<p>{escape(refusal.args[1])}</p>"
        except (OSError, ValueError) as error:
            self.log_error("%s", error)
            status, title, page = 502, "Sorry", "<p>The login service cannot be reached.</p>"
        self.send_response(status)
        self.send_header("Set-Cookie", f"app_csrf={csrf}; Path=/; HttpOnly; SameSite=Lax")  # With https, add `; Secure`.
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'")
        self.send_header("Content-Type", "text/html; charset=utf-8")
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(f"<!doctype html><title>{title}</title><h1>{title}</h1>{page}".encode())

    do_POST = do_GET


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), App)
    print(f"Listening on http://127.0.0.1:{PORT}", flush=True)
    server.serve_forever()
