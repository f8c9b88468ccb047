// A login, consent and logout app for Claviger or Ory Hydra, with Go's standard library only (1.19 or newer).
//
//	PORT=3000 HYDRA_ADMIN_URL=http://127.0.0.1:4445 go run main.go
package main

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Your users go here. The id is what applications see as `sub`: it never changes and is never given to somebody else.
type person struct{ id, email, password, name string }

var people = []person{{"user-1", "alice@example.com", "wonderland", "Alice"}}

var admin = strings.TrimSuffix(variable("HYDRA_ADMIN_URL", "http://127.0.0.1:4445"), "/")
var client = http.Client{Timeout: 10 * time.Second}

type object = map[string]any

// What ends the handling of a request: the browser is sent on, or the person is told what does not work.
type onward string
type refusal struct {
	status int
	text   string
}

func (to onward) Error() string    { return string(to) }
func (told refusal) Error() string { return told.text }

// A login, consent or logout request, as far as this app looks at it.
type request struct {
	Skip    bool
	Subject string
	Client  struct {
		ID   string `json:"client_id"`
		Name string `json:"client_name"`
	}
	Scopes   []string `json:"requested_scope"`
	Audience []string `json:"requested_access_token_audience"`
	Error    string   `json:"error_description"`
	Onward   string   `json:"redirect_to"`
}

// ask reads a request of the kind login, consent or logout, or answers it with the verb /accept or /reject. Wherever the
// server names an address, the browser goes there: after an answer, and when a request was answered before or is too old.
func ask(kind, verb, challenge string, body object) (told request, err error) {
	address := admin + "/admin/oauth2/auth/requests/" + kind + verb + "?" + kind + "_challenge=" + url.QueryEscape(challenge)
	method := http.MethodGet
	if verb != "" {
		method = http.MethodPut
	}
	sent, _ := json.Marshal(body)
	put, err := http.NewRequest(method, address, bytes.NewReader(sent))
	if err != nil {
		return told, err
	}
	put.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(put)
	if err != nil {
		return told, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusNoContent {
		err = json.NewDecoder(answer.Body).Decode(&told)
	}
	if told.Onward != "" {
		err = onward(told.Onward)
	} else if answer.StatusCode >= 400 {
		err = refusal{answer.StatusCode, told.Error}
	}
	return told, err
}

var page = template.Must(template.New("").Parse(`<!doctype html><title>{{.Title}}</title><h1>{{.Title}}</h1><p>{{.Told}}</p>
{{with .Request}}<form method="post" action="/{{$.Kind}}"><input type="hidden" name="csrf" value="{{$.CSRF}}">
<input type="hidden" name="{{$.Kind}}_challenge" value="{{$.Challenge}}">
{{if eq $.Kind "login"}}<p><label>E-mail <input type="email" name="email" required autofocus></label></p>
<p><label>Password <input type="password" name="password" required></label></p>
<p><label><input type="checkbox" name="remember" value="yes"> Remember me here for an hour</label></p>
{{else if eq $.Kind "consent"}}<p>{{or .Client.Name .Client.ID}} asks for:</p>
{{range .Scopes}}<p><label><input type="checkbox" name="scope" value="{{.}}" checked> {{.}}</label></p>{{end}}
{{else}}<p>Do you want to log out?</p>{{end}}
<button name="answer" value="yes">Yes</button> <button name="answer" value="no" formnovalidate>No</button></form>{{end}}`))

// accept is the answer to the server if the person says yes; nil if the person did not log in.
func accept(kind string, asked request, form url.Values) object {
	switch {
	case kind == "logout":
		return object{}
	case kind == "login" && asked.Skip: // This browser is logged in already, so nobody was asked.
		return object{"subject": asked.Subject}
	case kind == "login": // In your app: a slow password hash, a limit on tries, a second factor.
		for _, one := range people {
			if one.email == form.Get("email") && one.password == form.Get("password") {
				return object{"subject": one.id, "remember": form.Has("remember"), "remember_for": 3600, "amr": []string{"pwd"}}
			}
		}
		return nil
	}
	scopes, claims := append([]string{}, form["scope"]...), object{}
	if asked.Skip {
		scopes = asked.Scopes
	}
	for _, one := range people {
		for _, scope := range scopes {
			if one.id == asked.Subject && scope == "profile" {
				claims["name"] = one.name
			} else if one.id == asked.Subject && scope == "email" {
				claims["email"] = one.email
			}
		}
	}
	return object{"grant_scope": scopes, "grant_access_token_audience": asked.Audience, "session": object{"id_token": claims}}
}

// visit is one visit of /login, /consent or /logout: by GET for the page, by POST with the person's answer.
func visit(w http.ResponseWriter, r *http.Request) error {
	kind, isPost := r.URL.Path[1:], r.Method == http.MethodPost
	title := map[string]string{"login": "Log in", "consent": "Allow access", "logout": "Log out"}[kind]
	if title == "" {
		return refusal{http.StatusNotFound, "There is nothing here."}
	}
	r.Body = http.MaxBytesReader(w, r.Body, 65536)
	if err := r.ParseForm(); err != nil {
		return refusal{http.StatusBadRequest, "The form cannot be read."}
	}
	// The form must come from a page that this app gave to this browser.
	cookie, err := r.Cookie("app_csrf")
	if err != nil {
		random := make([]byte, 32)
		if _, err := rand.Read(random); err != nil {
			return err
		}
		cookie = &http.Cookie{Name: "app_csrf", Value: hex.EncodeToString(random)}
	}
	sent := []byte(r.PostForm.Get("csrf"))
	if isPost && (err != nil || subtle.ConstantTimeCompare([]byte(cookie.Value), sent) != 1) {
		return refusal{http.StatusForbidden, "The form did not come from this browser. Allow cookies and try again."}
	}
	cookie.Path, cookie.HttpOnly, cookie.SameSite = "/", true, http.SameSiteLaxMode // With https, set Secure as well.
	http.SetCookie(w, cookie)
	challenge, told := r.Form.Get(kind+"_challenge"), ""
	if isPost && r.PostForm.Get("answer") != "yes" {
		why := object{"error": "access_denied", "error_description": "The person said no."}
		if _, err := ask(kind, "/reject", challenge, why); err != nil {
			return err
		}
		// Only a logout goes nowhere from here.
		return page.Execute(w, object{"Title": title, "Told": "You are still logged in."})
	}
	asked, err := ask(kind, "", challenge, nil)
	if err == nil && (isPost || asked.Skip) {
		told = "E-mail or password is wrong."
		if accepted := accept(kind, asked, r.PostForm); accepted != nil {
			_, err = ask(kind, "/accept", challenge, accepted)
		}
	}
	if err != nil {
		return err
	}
	values := object{"Title": title, "Told": told, "Kind": kind, "Challenge": challenge, "CSRF": cookie.Value, "Request": asked}
	return page.Execute(w, values)
}

func serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'")
	w.Header().Set("Cache-Control", "no-store")
	err := visit(w, r)
	var to onward
	told := refusal{http.StatusBadGateway, "The login service cannot be reached."}
	switch {
	case errors.As(err, &to):
		http.Redirect(w, r, string(to), http.StatusSeeOther)
	case err != nil:
		if !errors.As(err, &told) {
			log.Print(err)
		}
		w.WriteHeader(told.status)
		_ = page.Execute(w, object{"Title": "Sorry", "Told": told.text})
	}
}

func variable(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func main() {
	address := "127.0.0.1:" + variable("PORT", "3000")
	fmt.Println("Listening on http://" + address)
	log.Fatal(http.ListenAndServe(address, http.HandlerFunc(serve)))
}
