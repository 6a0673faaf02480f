package checks

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/scan"
)

// usualSockets are the paths where WebSockets usually are.
var usualSockets = []string{"/ws", "/socket", "/websocket", "/api/ws", "/socket.io/?EIO=4&transport=websocket"}

// transportWebsocketCleartext finds WebSockets that are opened in clear. Only an
// answer of 101 is one. Where one is refused for the lack of a credential, the
// genuine one is shown on loopback only. It comes last, as a server may burn
// what it was shown in clear.
var transportWebsocketCleartext = scan.Check{
	ID: "transport.websocket-cleartext", Needs: catalog.NeedsNothing, Last: true, Passive: true,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		v, err := lookPlain(ctx, t)
		if err != nil {
			return scan.Unsure("plain HTTP could not be reached: " + err.Error())
		}
		if len(v.answered()) == 0 {
			return scan.Pass() // nobody listens in clear
		}
		var found []scan.Evidence
		var locked string
		described, usual := sockets(t)
		for i, path := range append(described, usual...) {
			e, status, err := openSocket(ctx, t, path, "")
			if token, ok := t.Token(); err == nil && status == 401 && ok && t.Loopback() && !t.Config().Passive {
				e, status, err = openSocket(ctx, t, path, string(token.Raw.Reveal()))
			}
			switch {
			case err != nil:
				return scan.Unsure("a WebSocket could not be asked for: " + err.Error())
			case status == http.StatusSwitchingProtocols:
				found = append(found, e)
			case status == 401 && i < len(described):
				locked = path
			}
		}
		switch {
		case len(found) > 0:
			return scan.Find(found...)
		case locked != "":
			return scan.Unsure(locked + " demands a credential in clear, and none is shown there to find out whether it opens")
		}
		return scan.Pass()
	},
}

// sockets lists paths that the description hints at, and the usual ones.
func sockets(t *scan.Target) (list, usual []string) {
	for _, o := range t.Operations() {
		u, err := url.Parse(o.URL)
		if err != nil || o.Method != "GET" || len(list) == 4 {
			continue
		}
		for segment := range strings.SplitSeq(strings.ToLower(u.Path), "/") {
			if slices.Contains([]string{"ws", "wss", "socket", "websocket", "websockets", "live"}, segment) {
				list = append(list, u.RequestURI())
				break
			}
		}
	}
	for _, path := range usualSockets {
		if !slices.Contains(list, path) {
			usual = append(usual, path)
		}
	}
	return list, usual
}

// openSocket asks for the upgrade of RFC 6455 §4.1 in clear and returns the status
// of the answer. There is no Origin unless the user named one: only browsers send
// it, and servers refuse those that they do not know.
func openSocket(ctx context.Context, t *scan.Target, path, token string) (e scan.Evidence, status int, err error) {
	u := t.Base()
	address, err := u.Parse(path)
	if err != nil {
		return e, 0, err
	}
	r, shown := plainRequest(t, scan.Operation{Method: "GET", URL: address.String()}, 0)
	key := make([]byte, 16)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	r.NoKeepAlive = true
	r.Header = http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-WebSocket-Version": {"13"},
		"Sec-WebSocket-Key": {base64.StdEncoding.EncodeToString(key)},
	}
	if origin := t.Config().Origin; origin != "" {
		r.Header["Origin"] = []string{origin}
	}
	what := "GET " + shown + " with Upgrade: websocket"
	flags := []string{
		"-m 3 --http1.1 -H 'Connection: Upgrade' -H 'Upgrade: websocket'",
		"-H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: d2lyZXRpZ2h0LXByb2JlIQ=='",
	}
	if token != "" {
		r.Header["Authorization"] = []string{"Bearer " + token}
		what += " and the genuine token"
		flags = append(flags, `-H "Authorization: Bearer $TOKEN"`)
	}
	answer, err := t.Do(ctx, r)
	if err != nil {
		return e, 0, err
	}
	if answer.Status == http.StatusSwitchingProtocols && !strings.EqualFold(answer.Header.Get("Upgrade"), "websocket") {
		return e, 0, nil
	}
	return scan.Evidence{
		Method: "GET", URL: "ws" + strings.TrimPrefix(shown, "http"), Text: t.Mask(heard(what, answer, nil)), Repeat: curl("GET", shown, flags...),
	}, answer.Status, nil
}
