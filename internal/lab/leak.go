package lab

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
)

// leaks lists what no server should answer to. What it tells is the lab's own:
// a published secret, a key made at start, passwords that protect nothing.
func (l *Lab) leaks() map[string]func(http.ResponseWriter, *http.Request, *caller) {
	all := map[string]func(http.ResponseWriter, *http.Request, *caller){}
	if l.has[DebugEndpoint] {
		all["/debug"] = l.environment
		all["/env"] = l.environment
		all["/metrics"] = plainText("# HELP lab_requests_total Requests.\n# TYPE lab_requests_total counter\nlab_requests_total{path=\"/profile\"} 42\n")
	}
	if l.has[KeyFile] {
		all["/.env"] = plainText("SECRET_KEY=" + publishedSecret + "\nDATABASE_URL=postgresql://lab:lab-password@localhost/lab\n")
		all["/.git/config"] = plainText("[core]\n\trepositoryformatversion = 0\n\tbare = false\n[remote \"origin\"]\n\turl = https://git.lab.example/lab.git\n")
		all["/private.pem"] = l.privatePEM
	}
	return all
}

func plainText(text string) func(http.ResponseWriter, *http.Request, *caller) {
	return func(w http.ResponseWriter, _ *http.Request, _ *caller) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, text) // the client is gone: nobody left to tell
	}
}

func (l *Lab) environment(w http.ResponseWriter, _ *http.Request, _ *caller) {
	l.answer(w, http.StatusOK, map[string]any{
		"DEBUG": "1", "SECRET_KEY": publishedSecret, "PATH": "/usr/local/bin:/usr/bin", "HOME": "/home/lab",
		"DATABASE_URL": "postgresql://lab:lab-password@localhost/lab",
	})
}

func (l *Lab) privatePEM(w http.ResponseWriter, r *http.Request, c *caller) {
	der, err := x509.MarshalPKCS8PrivateKey(l.o.Key)
	if err != nil {
		l.broken(w, r, fmt.Errorf("encode the lab's key: %w", err))
		return
	}
	plainText(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))(w, r, c)
}
