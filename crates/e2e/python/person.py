"""A person with a browser, and the operator's app in one: opens a URL, answers every question on the way with yes, and says where
the browser lands."""

from urllib.parse import parse_qs, urljoin, urlsplit

import requests


class Person:
    def __init__(self, admin, subject="alice"):
        self.admin = admin
        self.subject = subject
        self.browser = requests.Session()

    def open(self, url, wanted):
        """The first URL on the way that begins with `wanted`."""
        for _ in range(20):
            if url.startswith(wanted):
                return url
            query = parse_qs(urlsplit(url).query)
            kinds = [kind for kind in ("login", "consent", "logout", "device") if f"{kind}_challenge" in query]
            url = self._answer(kinds[0], query) if kinds else self._browse(url)
        raise AssertionError(f"no way to {wanted}, but to {url}")

    def _browse(self, url):
        answer = self.browser.get(url, allow_redirects=False)
        location = answer.headers.get("location")
        assert location, f"{url} answered {answer.status_code}: {answer.text}"
        return urljoin(url, location)

    def _answer(self, kind, query):
        challenge = {f"{kind}_challenge": query[f"{kind}_challenge"][0]}
        at = f"{self.admin}/admin/oauth2/auth/requests/{kind}"
        body = {}
        if kind == "login":
            body = {"subject": self.subject, "remember": True}
        if kind == "device":
            body = {"user_code": query["user_code"][0]}
        if kind == "consent":
            asked = requests.get(at, params=challenge).json()
            body = {
                "grant_scope": asked["requested_scope"],
                "grant_access_token_audience": asked["requested_access_token_audience"],
                "session": {"id_token": {"email": "alice@example.com"}},
            }
        answer = requests.put(f"{at}/accept", params=challenge, json=body)
        assert answer.status_code == 200, f"{kind}: {answer.text}"
        return answer.json()["redirect_to"]
