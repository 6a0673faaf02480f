package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
)

// item is one of the things that the API is about.
type item struct {
	ID   int    `json:"id"`
	Name string `json:"name"`
}

const maxItems = 1000

func (l *Lab) index(w http.ResponseWriter, _ *http.Request, _ *caller) {
	l.answer(w, http.StatusOK, map[string]string{"detail": "a deliberately weak API; see /openapi.json"})
}

func (l *Lab) health(w http.ResponseWriter, _ *http.Request, _ *caller) {
	l.answer(w, http.StatusOK, map[string]string{"status": "ok"})
}

func (l *Lab) profile(w http.ResponseWriter, _ *http.Request, c *caller) {
	l.answer(w, http.StatusOK, map[string]any{"subject": c.subject, "plan": "basic"})
}

func (l *Lab) listItems(w http.ResponseWriter, _ *http.Request, _ *caller) {
	l.mu.Lock()
	items := append([]item(nil), l.items...)
	l.mu.Unlock()
	l.answer(w, http.StatusOK, map[string]any{"items": items})
}

func (l *Lab) addItem(w http.ResponseWriter, r *http.Request, _ *caller) {
	var body struct{ Name string }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		l.malformed(w, r, err)
		return
	}
	l.mu.Lock()
	added := item{len(l.items) + 1, body.Name}
	full := len(l.items) >= maxItems
	if !full {
		l.items = append(l.items, added)
	}
	l.mu.Unlock()
	if full {
		l.fail(w, r, http.StatusInsufficientStorage, "No room for more items")
		return
	}
	l.answer(w, http.StatusCreated, added)
}

func (l *Lab) oneItem(w http.ResponseWriter, r *http.Request, _ *caller) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil {
		l.malformed(w, r, err)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, it := range l.items {
		if it.ID == id {
			l.answer(w, http.StatusOK, it)
			return
		}
	}
	l.fail(w, r, http.StatusNotFound, "Item not found")
}

func (l *Lab) pay(w http.ResponseWriter, _ *http.Request, c *caller) {
	l.answer(w, http.StatusOK, map[string]string{"paid_by": c.subject, "amount": "10.00"})
}

func (l *Lab) stats(w http.ResponseWriter, _ *http.Request, _ *caller) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answer(w, http.StatusOK, map[string]int{"items": len(l.items), "sessions": len(l.sessions)})
}

// export sends the caller to another server, with the token in the URL.
func (l *Lab) export(w http.ResponseWriter, _ *http.Request, c *caller) {
	location := "https://files.lab.example/export"
	if l.has[RedirectLeaksToken] {
		location += "?access_token=" + c.raw
	}
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusFound)
}

// legacy sends the caller where the profile was, or is.
func (l *Lab) legacy(w http.ResponseWriter, _ *http.Request, _ *caller) {
	location := "/profile"
	if l.has[RedirectDowngrade] {
		location = "http://old.lab.example/profile"
	}
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusFound)
}

// answer writes JSON.
func (l *Lab) answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	if w.Header().Get("Cache-Control") == "" && !l.has[CacheableToken] {
		w.Header().Set("Cache-Control", "no-store")
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client is gone: nobody left to tell
}

// fail answers with an error, and with more than the client needs to know.
func (l *Lab) fail(w http.ResponseWriter, r *http.Request, status int, detail string) {
	body := map[string]any{"detail": detail}
	if l.has[TokenEcho] {
		body["request"] = map[string]string{
			"method": r.Method, "url": r.URL.String(), "authorization": r.Header.Get("Authorization"),
		}
	}
	l.answer(w, status, body)
}

func (l *Lab) unauthorized(w http.ResponseWriter, r *http.Request, why string) {
	w.Header().Set("WWW-Authenticate", "Bearer")
	if !l.has[StackTrace] && why != "Incorrect username or password" && why != "Not authenticated" {
		why = "Invalid token"
	}
	l.fail(w, r, http.StatusUnauthorized, why)
}

// malformed answers to a body or parameter that cannot be read.
func (l *Lab) malformed(w http.ResponseWriter, r *http.Request, err error) {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		l.fail(w, r, http.StatusRequestEntityTooLarge, "Body too large")
	case l.has[StackTrace]:
		l.broken(w, r, err)
	default:
		l.fail(w, r, http.StatusUnprocessableEntity, "Malformed request")
	}
}

// broken answers to what should not happen.
func (l *Lab) broken(w http.ResponseWriter, r *http.Request, err error) {
	if !l.has[StackTrace] {
		l.fail(w, r, http.StatusInternalServerError, "Internal error")
		return
	}
	text := fmt.Sprintf("panic: %v\n\n%s", err, debug.Stack())
	if l.has[TokenEcho] {
		text += "\nAuthorization: " + r.Header.Get("Authorization") + "\n"
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = w.Write([]byte(text)) // the client is gone: nobody left to tell
}
