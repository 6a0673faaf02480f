package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/wiretight/wiretight/internal/lab"
)

const groupBrowser = "Other sites in the browser"

// browserRows are what a page of another site can make a browser do.
func (b *demoBed) browserRows() []demoRow {
	return []demoRow{
		{group: groupBrowser, name: "Preflight of foreign origins", run: b.origins(func(origin string) ask {
			return ask{method: "OPTIONS", path: "/items", header: []string{"Origin", origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization"}}
		})},
		{group: groupBrowser, name: "Answers read by foreign origins", run: b.origins(func(origin string) ask {
			return ask{path: "/profile", header: append(bearer(b.mint(nil)), "Origin", origin)}
		})},
		{group: groupBrowser, name: "Preflight asking for DELETE", run: asks(
			func(*demoSide) ask {
				return ask{method: "OPTIONS", path: "/items", header: []string{"Origin", lab.DefaultOrigin, "Access-Control-Request-Method", "DELETE"}}
			}, succeeds)},
		{group: groupBrowser, name: "Cross-site POST with the cookie", run: asks(
			func(*demoSide) ask {
				return ask{method: "POST", path: "/items", body: `{"name": "x"}`, header: []string{
					"Cookie", "session=" + b.mint(nil), "Content-Type", "text/plain", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site",
				}}
			}, succeeds)},
		{group: groupBrowser, name: "Cross-site WebSocket with it", run: func(ctx context.Context, s *demoSide) outcome {
			answer, err := s.handshake(ctx, s.base, "Cookie", "session="+b.mint(nil), "Origin", "https://evil.example")
			if err != nil {
				return failed(err)
			}
			return outcome{passed: answer.status == http.StatusSwitchingProtocols, text: fmt.Sprint(answer.status), ids: []string{answer.id}}
		}},
	}
}

// origins asks as pages of several origins would, and looks at which of them
// may read the answer.
func (b *demoBed) origins(question func(origin string) ask) func(context.Context, *demoSide) outcome {
	foreign := []string{
		"https://evil.example", "null", lab.DefaultOrigin + ".evil.example", "https://evilapp.lab.example", "http://app.lab.example", "https://appxlab.example",
	}
	return func(ctx context.Context, s *demoSide) (o outcome) {
		readable := 0
		status := 0
		for _, origin := range foreign {
			a, err := s.do(ctx, question(origin))
			if err != nil {
				return failed(err)
			}
			status = a.status
			if allow := a.header.Get("Access-Control-Allow-Origin"); allow == origin || allow == "*" {
				readable++
			}
			o.ids = append(o.ids, a.id())
		}
		o.passed = readable > 0
		o.text = fmt.Sprintf("%d, %d of %d", status, readable, len(foreign))
		if readable == 0 {
			o.text = fmt.Sprintf("%d, none", status)
		}
		return o
	}
}
