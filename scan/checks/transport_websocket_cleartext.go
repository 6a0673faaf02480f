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
// answer of 101 is one.
var transportWebsocketCleartext = scan.Check{
	ID: "transport.websocket-cleartext", Needs: catalog.NeedsNothing, Passive: true,
	Run: func(ctx context.Context, t *scan.Target) scan.Verdict {
		v, err := lookPlain(ctx, t)
		if err != nil {
			return scan.Unsure("plain HTTP could not be reached: " + err.Error())
		}
		if len(v.answered()) == 0 {
			return scan.Pass() // nobody listens in clear
		}
		var found []scan.Evidence
		for _, path := range sockets(t) {
			e, open, err := openSocket(ctx, t, path)
			switch {
			case err != nil:
				return scan.Unsure("a WebSocket could not be asked for: " + err.Error())
			case open:
				found = append(found, e)
			}
		}
		if len(found) > 0 {
			return scan.Find(found...)
		}
		return scan.Pass()
	},
}

// sockets lists paths that the description hints at, and the usual ones.
func sockets(t *scan.Target) []string {
	var list []string
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
			list = append(list, path)
		}
	}
	return list
}

// openSocket asks for the upgrade of RFC 6455 §4.1 in clear.
func openSocket(ctx context.Context, t *scan.Target, path string) (e scan.Evidence, open bool, err error) {
	u := t.Base()
	address, err := u.Parse(path)
	if err != nil {
		return e, false, err
	}
	r, shown := plainRequest(t, scan.Operation{Method: "GET", URL: address.String()}, 0)
	key := make([]byte, 16)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	r.NoKeepAlive = true
	r.Header = http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-WebSocket-Version": {"13"},
		"Sec-WebSocket-Key": {base64.StdEncoding.EncodeToString(key)}, "Origin": {u.Scheme + "://" + u.Host},
	}
	answer, err := t.Do(ctx, r)
	if err != nil {
		return e, false, err
	}
	if answer.Status != http.StatusSwitchingProtocols || !strings.EqualFold(answer.Header.Get("Upgrade"), "websocket") {
		return e, false, nil
	}
	return scan.Evidence{
		Method: "GET", URL: "ws" + strings.TrimPrefix(shown, "http"),
		Text: t.Mask(heard("GET "+shown+" with Upgrade: websocket", answer, nil)),
		Repeat: curl("GET", shown, "-m 3 --http1.1 -H 'Connection: Upgrade' -H 'Upgrade: websocket'",
			"-H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: d2lyZXRpZ2h0LXByb2JlIQ=='"),
	}, true, nil
}
