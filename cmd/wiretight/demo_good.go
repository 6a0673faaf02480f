package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/coder/websocket"

	"github.com/wiretight/wiretight/internal/lab"
)

const groupGood = "Good requests: must pass on both"

// goodRows are requests that must pass.
func (b *demoBed) goodRows(genuine []string) []demoRow {
	one := func(name string, question func(s *demoSide) ask) demoRow {
		return demoRow{group: groupGood, good: true, name: name, run: asks(question, succeeds)}
	}
	json := func(header ...string) []string { return append(header, "Content-Type", "application/json") }
	return []demoRow{
		one("Public path without a token", func(*demoSide) ask { return ask{path: "/healthz"} }),
		one("Token in the header", func(*demoSide) ask { return ask{path: "/profile", header: bearer(b.mint(nil))} }),
		one("The same, HTTP/2 at the guard", func(*demoSide) ask { return ask{path: "/profile", header: bearer(b.mint(nil)), h2: true} }),
		one("POST of JSON", func(*demoSide) ask {
			return ask{method: "POST", path: "/items", body: `{"name": "boat"}`, header: json(bearer(b.mint(nil))...)}
		}),
		one("Upload of 512 KiB", func(*demoSide) ask {
			return ask{method: "POST", path: "/items", body: `{"name": "` + strings.Repeat("x", 512<<10) + `"}`, header: json(bearer(b.mint(nil))...)}
		}),
		one("Login", func(*demoSide) ask {
			return ask{method: "POST", path: "/login", body: `{"username": "bob", "password": "builder-42"}`, header: json()}
		}),
		one("Scope that the route asks for", func(*demoSide) ask {
			return ask{path: "/admin/stats", header: bearer(b.mint(map[string]any{"scope": "read admin"}))}
		}),
		one("First use where one is allowed", func(*demoSide) ask { return ask{method: "POST", path: "/pay", header: bearer(b.mint(nil))} }),
		{group: groupGood, good: true, name: "Bound token with its DPoP proof", run: func(ctx context.Context, s *demoSide) outcome {
			q, err := b.bound(s, "GET", "/profile", "DPoP")
			if err != nil {
				return failed(err)
			}
			return asks(func(*demoSide) ask { return q }, succeeds)(ctx, s)
		}},
		one("Cookie, from the same site", func(s *demoSide) ask {
			return ask{method: "POST", path: "/items", body: `{"name": "oar"}`, header: json("Cookie", "session="+b.mint(nil), "Origin", s.base, "Sec-Fetch-Site", "same-origin")}
		}),
		one("Preflight of the allowed origin", func(*demoSide) ask {
			return ask{method: "OPTIONS", path: "/items", header: []string{"Origin", lab.DefaultOrigin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type"}}
		}),
		{group: groupGood, good: true, name: "Answer to the allowed origin", run: asks(
			func(*demoSide) ask {
				return ask{path: "/profile", header: append(bearer(b.mint(nil)), "Origin", lab.DefaultOrigin)}
			},
			func(_ *demoSide, a answerOf) (bool, string) {
				return a.success() && a.header.Get("Access-Control-Allow-Origin") == lab.DefaultOrigin, ""
			})},
		{group: groupGood, good: true, name: "Three events of a stream", run: b.threeEvents},
		{group: groupGood, good: true, name: "WebSocket", run: b.echo},
		{group: groupGood, good: true, name: "Genuine tokens beside the forged", run: b.genuine(genuine)},
	}
}

// threeEvents reads events as they come.
func (b *demoBed) threeEvents(ctx context.Context, s *demoSide) outcome {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+"/events", nil)
	if err != nil {
		return failed(err)
	}
	r.Header.Set("Authorization", "Bearer "+b.mint(nil))
	res, err := s.client.Do(r)
	if err != nil {
		return failed(err)
	}
	defer func() { _ = res.Body.Close() }() // three events are all that is wanted
	events := 0
	for lines := bufio.NewScanner(res.Body); events < 3 && lines.Scan(); {
		if lines.Text() == "" {
			events++
		}
	}
	return outcome{passed: events == 3, text: fmt.Sprintf("%d events", events)}
}

// echo talks over a WebSocket.
func (b *demoBed) echo(ctx context.Context, s *demoSide) outcome {
	conn, _, err := s.dial(ctx, s.base, bearer(b.mint(nil))...)
	if err != nil {
		return failed(err)
	}
	defer func() { _ = conn.CloseNow() }() // all has been said
	const said = "hello"
	if err := conn.Write(ctx, websocket.MessageText, []byte(said)); err != nil {
		return failed(err)
	}
	_, heard, err := conn.Read(ctx)
	if err != nil {
		return failed(errors.Join(errors.New("no echo"), err))
	}
	return outcome{passed: string(heard) == said, text: "101, echo"}
}

// genuine shows that what the forged tokens were made from is accepted, so that
// it is the forgery that gets them refused.
func (b *demoBed) genuine(tokens []string) func(context.Context, *demoSide) outcome {
	return func(ctx context.Context, s *demoSide) (o outcome) {
		statuses, accepted := map[int]int{}, 0
		for _, raw := range tokens {
			a, err := s.do(ctx, ask{path: "/profile", header: bearer(raw)})
			if err != nil {
				return failed(err)
			}
			statuses[a.status]++
			if a.success() {
				accepted++
			}
			o.ids = append(o.ids, a.id())
		}
		o.passed, o.text = accepted == len(tokens), tally(statuses, accepted, len(tokens))
		return o
	}
}
