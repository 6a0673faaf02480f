package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/config"
	"github.com/wiretight/wiretight/internal/revocation"
	"github.com/wiretight/wiretight/internal/store"
)

// The control socket lets the verbs that change something talk to the guard
// that runs. Its protection is the file's mode: 0600.

// revokeRequest is the body of POST /revoke on the control socket.
type revokeRequest struct {
	JTI     string    `json:"jti,omitempty"`
	SID     string    `json:"sid,omitempty"`
	Subject string    `json:"sub,omitempty"`
	Before  time.Time `json:"before,omitzero"`
}

func (r revokeRequest) revocation() guard.Revocation {
	return guard.Revocation{JTI: r.JTI, SID: r.SID, Subject: r.Subject, Before: r.Before}
}

// kind says what is revoked without naming anybody.
func (r revokeRequest) kind() string {
	kind := "every token"
	switch {
	case r.JTI != "":
		kind = "one token"
	case r.SID != "":
		kind = "a session"
	case r.Subject != "":
		kind = "a subject's tokens"
	}
	if !r.Before.IsZero() {
		kind += " issued before " + r.Before.UTC().Format(time.RFC3339)
	}
	return kind
}

// control answers on the socket.
func (d *daemon) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /revoke", func(w http.ResponseWriter, r *http.Request) {
		var req revokeRequest
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&req); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if err := revocation.Put(r.Context(), d.store, req.revocation(), time.Now(), retention(d.inForce())); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		d.logger.Info("revoked", "by", "control socket", "what", req.kind())
		w.WriteHeader(http.StatusNoContent)
	})
	d.issuerRoutes(mux)
	d.authorizerRoutes(mux)
	return onlyStore(storeID(d.cfg), mux)
}

// storeHeader names the store that a request on the control socket is about.
const storeHeader = "Wiretight-Store"

// onlyStore turns requests away that are about another store than the guard's:
// a revocation must not land where its guard does not look.
func onlyStore(id string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if want := r.Header.Get(storeHeader); want != "" && want != id {
			http.Error(w, "this guard has another store", http.StatusConflict)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// errNotRunning says that no guard listens on the socket, or none that has the
// store that was asked for.
var errNotRunning = errors.New("no guard is running here")

// askStore posts body to the guard that runs at socket with the store of that
// id, and reads its answer into out, which is nil where none is expected. An
// empty id is any.
func askStore(ctx context.Context, socket, id, path string, body, out any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://control"+path, bytes.NewReader(data))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if id != "" {
		req.Header.Set(storeHeader, id)
	}
	res, err := client.Do(req)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ECONNREFUSED) {
		return errNotRunning
	}
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode == http.StatusConflict && id != "" {
		return errNotRunning
	}
	if res.StatusCode >= 300 {
		msg, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10)) // what came is all there is to say
		return fmt.Errorf("the running guard answered: %s", bytes.TrimSpace(msg))
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxControlAnswer)).Decode(out); err != nil {
		return fmt.Errorf("read the running guard's answer: %w", err)
	}
	return nil
}

// maxControlAnswer bounds what the running guard may say; the longest is the
// list of all users.
const maxControlAnswer = 64 << 20

// withStore does what the running guard would, where none runs.
func withStore(ctx context.Context, cfg *config.Config, do func(store.Store) error) error {
	s, err := store.Open(ctx, cfg.Store, time.Now)
	if err != nil {
		return err
	}
	return errors.Join(do(s), s.Close())
}
