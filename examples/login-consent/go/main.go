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
	"fmt"
	"html/template"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Your users go here. The id is what applications see as `sub`: it never changes and is never given to somebody else.
var people = []struct{ id, email, password, name string }{{"user-1", "alice@example.com", "wonderland", "Alice"}}

var admin = strings.TrimSuffix(variable("HYDRA_ADMIN_URL", "http://127.0.0.1:4445"), "/")
var client = http.Client{Timeout: 10 * time.Second}

type object = map[string]any

// ask reads a request of the kind login, consent or logout, or answers it with the verb /accept or /reject. Wherever the
// server names an address, the browser goes there: after an answer, and when a request was answered before or is too old.
// Then, and after an error, the browser has its answer, and there is nothing to return.
func ask(w http.ResponseWriter, r *http.Request, kind, verb, challenge string, body object) object {
	address := admin + "/admin/oauth2/auth/requests/" + kind + verb + "?" + kind + "_challenge=" + url.QueryEscape(challenge)
	method, told := http.MethodGet, object{}
	if verb != "" {
		method = http.MethodPut
	}
	sent, _ := json.Marshal(body)
	put, err := http.NewRequest(method, address, bytes.NewReader(sent))
	if err != nil {
		return sorry(w, http.StatusBadGateway, err.Error())
	}
	put.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(put)
	if err == nil {
		defer answer.Body.Close()
		err = json.NewDecoder(answer.Body).Decode(&told)
	}
	if err != nil && err != io.EOF { // An answer may have no content.
		return sorry(w, http.StatusBadGateway, "The login service cannot be reached.")
	} else if to, isOnward := told["redirect_to"].(string); isOnward {
		http.Redirect(w, r, to, http.StatusSeeOther)
		return nil
	} else if answer.StatusCode >= 400 {
		return sorry(w, answer.StatusCode, fmt.Sprint(told["error_description"]))
	}
	return told
}

var page = template.Must(template.New("").Parse(`<!doctype html><title>{{.Title}}</title><h1>{{.Title}}</h1><p>{{.Told}}</p>
{{with .Request}}<form method="post" action="/{{$.Kind}}"><input type="hidden" name="csrf" value="{{$.CSRF}}">
<input type="hidden" name="{{$.Kind}}_challenge" value="{{$.Challenge}}">
{{if eq $.Kind "login"}}<p><label>E-mail <input type="email" name="email" required autofocus></label></p>
<p><label>Password <input type="password" name="password" required></label></p>
<p><label><input type="checkbox" name="remember" value="yes"> Remember me here for an hour</label></p>
{{else if eq $.Kind "consent"}}<p>{{or .client.client_name .client.client_id}} asks for:</p>
{{range .requested_scope}}<p><label><input type="checkbox" name="scope" value="{{.}}" checked> {{.}}</label></p>{{end}}
{{else}}<p>Do you want to log out?</p>{{end}}
<button name="answer" value="yes">Yes</button> <button name="answer" value="no" formnovalidate>No</button></form>{{end}}`))

func sorry(w http.ResponseWriter, status int, told string) object {
	w.WriteHeader(status)
	_ = page.Execute(w, object{"Title": "Sorry", "Told": told})
	return nil
}

// accept is the answer to the server if the person says yes; nil if the person did not log in.
func accept(kind string, asked object, form url.Values) object {
	isSkipped := asked["skip"] == true
	if kind == "logout" {
		return object{}
	} else if kind == "login" && isSkipped { // This browser is logged in already, so nobody was asked.
		return object{"subject": asked["subject"]}
	}
	claims := object{}
	scopes, _ := asked["requested_scope"].([]any)
	if !isSkipped {
		scopes = []any{}
		for _, scope := range form["scope"] {
			scopes = append(scopes, scope)
		}
	}
	for _, one := range people { // In your app: a slow password hash, a limit on tries, a second factor.
		if kind == "login" && one.email == form.Get("email") && one.password == form.Get("password") {
			return object{"subject": one.id, "remember": form.Has("remember"), "remember_for": 3600, "amr": []string{"pwd"}}
		}
		for _, scope := range scopes {
			if one.id == asked["subject"] && scope == "profile" {
				claims["name"] = one.name
			} else if one.id == asked["subject"] && scope == "email" {
				claims["email"] = one.email
			}
		}
	}
	if kind == "login" {
		return nil
	}
	return object{"grant_scope": scopes, "grant_access_token_audience": asked["requested_access_token_audience"],
		"session": object{"id_token": claims}}
}

// serve is one visit of /login, /consent or /logout: by GET for the page, by POST with the person's answer.
func serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'")
	w.Header().Set("Cache-Control", "no-store")
	kind, isPost := r.URL.Path[1:], r.Method == http.MethodPost
	title := map[string]string{"login": "Log in", "consent": "Allow access", "logout": "Log out"}[kind]
	r.Body = http.MaxBytesReader(w, r.Body, 65536)
	if err := r.ParseForm(); err != nil || title == "" {
		sorry(w, http.StatusNotFound, "There is nothing here.")
		return
	}
	cookie, err := r.Cookie("app_csrf")
	if err != nil {
		random := make([]byte, 32)
		if _, err := rand.Read(random); err != nil {
			log.Panic(err)
		}
		cookie = &http.Cookie{Name: "app_csrf", Value: hex.EncodeToString(random)}
	}
	// The form must come from a page that this app gave to this browser.
	isOurs := err == nil && subtle.ConstantTimeCompare([]byte(cookie.Value), []byte(r.PostForm.Get("csrf"))) == 1
	if isPost && !isOurs {
		sorry(w, http.StatusForbidden, "The form did not come from this browser. Allow cookies and try again.")
		return
	}
	cookie.Path, cookie.HttpOnly, cookie.SameSite = "/", true, http.SameSiteLaxMode // With https, set Secure as well.
	http.SetCookie(w, cookie)
	challenge, told := r.Form.Get(kind+"_challenge"), ""
	if isPost && r.PostForm.Get("answer") != "yes" {
		why := object{"error": "access_denied", "error_description": "The person said no."}
		if ask(w, r, kind, "/reject", challenge, why) != nil { // Only a logout goes nowhere from here.
			_ = page.Execute(w, object{"Title": title, "Told": "You are still logged in."})
		}
		return
	}
	asked := ask(w, r, kind, "", challenge, nil)
	if asked != nil && (isPost || asked["skip"] == true) {
		told = "E-mail or password is wrong."
		if accepted := accept(kind, asked, r.PostForm); accepted != nil {
			asked = ask(w, r, kind, "/accept", challenge, accepted)
		}
	}
	if asked != nil {
		shown := object{"Title": title, "Told": told, "Kind": kind, "Challenge": challenge, "CSRF": cookie.Value, "Request": asked}
		_ = page.Execute(w, shown)
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
