package lab

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

const (
	// eventEvery is the pace of the event stream.
	eventEvery = 200 * time.Millisecond
	// maxStream ends a stream that nobody ended.
	maxStream = 5 * time.Minute
	// maxMessage bounds a WebSocket message.
	maxMessage = 64 << 10
)

// events sends an event at once and then one after another. The lab looks at
// the token at the beginning and never again.
func (l *Lab) events(w http.ResponseWriter, r *http.Request, c *caller) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	tick := time.NewTicker(eventEvery)
	defer tick.Stop()
	end := time.NewTimer(maxStream)
	defer end.Stop()
	for n := 1; ; n++ {
		if _, err := fmt.Fprintf(w, "id: %d\ndata: {\"for\": %q}\n\n", n, c.subject); err != nil {
			return
		}
		if err := out.Flush(); err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-end.C:
			return
		case <-tick.C:
		}
	}
}

// socket sends back what it gets. Mended, it takes only the origin that
// browsers may come from.
func (l *Lab) socket(w http.ResponseWriter, r *http.Request, _ *caller) {
	if origin := r.Header.Get("Origin"); origin != "" && origin != l.o.Origin && !l.has[CrossSiteCookie] {
		l.fail(w, r, http.StatusForbidden, "Origin not allowed")
		return
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // the origin was looked at above
	if err != nil {
		return // Accept has answered
	}
	defer func() { _ = conn.CloseNow() }() // whatever is left of it
	conn.SetReadLimit(maxMessage)
	ctx, cancel := context.WithTimeout(r.Context(), maxStream)
	defer cancel()
	for {
		kind, data, err := conn.Read(ctx)
		if err != nil {
			return
		}
		if err := conn.Write(ctx, kind, data); err != nil {
			return
		}
	}
}
