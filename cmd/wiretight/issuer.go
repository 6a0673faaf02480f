package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/config"
	"github.com/wiretight/wiretight/internal/redact"
	"github.com/wiretight/wiretight/issuer"
)

// keyEncryptionFile is where the key lies that encrypts the signing keys, if
// the configuration does not say: beside the store.
const keyEncryptionFile = "key-encryption.key"

// joinIssuer starts the embedded issuer, if it is enabled, and makes the guard
// serve its endpoints and trust its keys.
func (d *daemon) joinIssuer(ctx context.Context, gc *guard.Config) error {
	if !d.cfg.Issuer.Enabled {
		return nil
	}
	ic, err := issuerConfig(d.cfg)
	if err != nil {
		return err
	}
	ic.Store, ic.Logger, ic.HashCommand = d.store, d.logger, hashCommand(ctx)
	if d.issuer, err = issuer.New(ic); err != nil {
		return fmt.Errorf("start the issuer: %w", err)
	}
	d.closers = append(d.closers, func() { _ = d.issuer.Close() }) // the store is not its own, so nothing is left to fail
	d.accepted = d.cfg.Issuer.Accepted(d.issuer.Keys())
	d.keepIssuer(gc)
	return nil
}

// keepIssuer gives a reloaded configuration the issuer that runs.
func (d *daemon) keepIssuer(gc *guard.Config) {
	if d.issuer == nil {
		return
	}
	gc.Tokens.Issuers = append(gc.Tokens.Issuers[:len(gc.Tokens.Issuers):len(gc.Tokens.Issuers)], d.accepted)
	gc.Local = append(gc.Local[:len(gc.Local):len(gc.Local)], guard.Local{Paths: d.issuer.Paths(), Handler: introduce(d.issuer.Handler())})
}

// introduce tells the issuer what the guard knows of a request. The guard has
// seen to TLS, Host and cross-site requests.
func introduce(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := issuer.WithClient(r.Context(), guard.ClientFrom(r.Context()))
		ctx = issuer.WithRequestID(ctx, guard.RequestIDFrom(ctx))
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// issuerConfig is what the issuer needs, but for store and logger. It makes the
// key encryption file if there is none.
func issuerConfig(cfg *config.Config) (issuer.Config, error) {
	c := cfg.Issuer
	out := issuer.Config{
		URL: c.URL, Audience: c.Audience, Algorithm: c.Algorithm,
		AccessTTL: c.AccessTTL, RefreshTTL: c.RefreshTTL, RefreshGrace: c.RefreshGrace, RotateKeys: c.RotateKeys,
		Binding: issuer.Binding(c.Binding), DPoPNonce: c.DPoPNonce,
		SameSite: c.SameSite, AccessCookie: c.AccessCookie,
		VerifyURL: c.VerifyURL, Login: issuer.Rate(c.Login),
	}
	for _, cl := range c.Clients {
		out.Clients = append(out.Clients, issuer.Client{ID: cl.ID, Secret: redact.NewText(cl.Secret), Scopes: cl.Scopes, Grants: cl.Grants, Introspect: cl.Introspect})
	}
	if cfg.Store == "memory:" && c.KeyEncryptionFile == "" {
		// Keys that go with the process need no file that outlives it.
		out.KeyEncryption = issuer.NewKeyEncryption()
		return out, nil
	}
	file, err := keyFile(cfg)
	if err != nil {
		return out, err
	}
	out.KeyEncryption, err = issuer.LoadKeyEncryption(file)
	return out, err
}

// keyFile is the configured key encryption file, or the one beside the store.
func keyFile(cfg *config.Config) (string, error) {
	if cfg.Issuer.KeyEncryptionFile != "" {
		return cfg.Issuer.KeyEncryptionFile, nil
	}
	socket, err := adminSocket(cfg)
	if err != nil {
		return "", err
	}
	return filepath.Join(filepath.Dir(socket), keyEncryptionFile), nil
}

// announceIssuer says how to get in, where nothing was configured.
func (d *daemon) announceIssuer() {
	if d.issuer == nil || !d.cfg.ZeroConfiguration || d.cfg.TLS.Dev == nil {
		return
	}
	fmt.Fprintln(d.stderr, firstSteps(d.cfg.TLS.Dev.Dir, fmt.Sprintf("https://localhost:%d", d.securePort())))
}

// firstSteps are the lines that lead from nothing to an answer of the API. The
// curl line asks for the password without showing it, logs in, and calls the
// API with the token and the cookie that it is bound to.
func firstSteps(dir, origin string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	ca, jar := shellQuote(filepath.Join(dir, "ca.pem")), shellQuote(filepath.Join(dir, "alice.cookies"))
	curl := "curl -sS --cacert " + ca
	return strings.Join([]string{
		"Add a user (it asks for a password), then log in and call the API (it asks for the same):",
		"  wiretight users add alice",
		"  " + curl + " -b " + jar + ` -H "Authorization: Bearer $(printf 'Password of alice: ' >&2; stty -echo 2>/dev/null; read -r p; stty echo 2>/dev/null; echo >&2; printf %s "$p" | ` +
			curl + " -c " + jar + " --data-urlencode username=alice --data-urlencode password@- " + origin + "/auth/login" +
			` | sed -n 's/.*"access_token":"\([^"]*\)".*/\1/p')" ` + origin + "/",
	}, "\n")
}

// shellQuote writes s so that a shell reads it as one word.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
