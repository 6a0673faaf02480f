package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const groupWire = "On the wire"

// wireRows are about what goes over plain HTTP, and under which name.
func (b *demoBed) wireRows() []demoRow {
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	return []demoRow{
		{group: groupWire, name: "Token in clear, then over TLS", run: b.burnt},
		{group: groupWire, name: "Password over plain HTTP", run: asks(
			func(*demoSide) ask {
				return ask{method: "POST", path: "/login", body: "username=alice&password=wonderland-7", header: form, plain: true}
			}, succeeds)},
		{group: groupWire, name: "Session cookie over plain HTTP", run: asks(
			func(*demoSide) ask {
				return ask{path: "/profile", header: []string{"Cookie", "session=" + b.mint(nil)}, plain: true}
			}, succeeds)},
		{group: groupWire, name: "Page over plain HTTP", run: asks(
			func(*demoSide) ask { return ask{path: "/healthz", plain: true} },
			func(s *demoSide, a answerOf) (bool, string) {
				to := a.header.Get("Location")
				if a.status == http.StatusPermanentRedirect && to == s.base+"/healthz" {
					return false, "308 to https"
				}
				return a.success(), ""
			})},
		{group: groupWire, name: "WebSocket over plain HTTP", run: func(ctx context.Context, s *demoSide) outcome {
			answer, err := s.handshake(ctx, s.plain, bearer(b.mint(nil))...)
			if err != nil {
				return failed(err)
			}
			return outcome{passed: answer.status == http.StatusSwitchingProtocols, text: fmt.Sprint(answer.status), ids: []string{answer.id}}
		}},
		{group: groupWire, name: "X-Forwarded-Proto in clear", run: asks(
			func(*demoSide) ask {
				return ask{path: "/profile", plain: true, header: append(bearer(b.mint(nil)), "X-Forwarded-Proto", "https", "Forwarded", "proto=https")}
			}, succeeds)},
		{group: groupWire, name: "TLS 1.1", run: func(ctx context.Context, s *demoSide) outcome {
			if !s.guarded {
				return outcome{passed: true, text: "no TLS"}
			}
			ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
			defer cancel()
			d := tls.Dialer{Config: &tls.Config{RootCAs: s.roots, ServerName: "localhost", MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}}
			c, err := d.DialContext(ctx, "tcp", strings.Replace(s.host, "localhost", "127.0.0.1", 1))
			if err != nil && ctx.Err() == nil {
				return outcome{text: "no handshake"}
			}
			if err != nil {
				return failed(err)
			}
			_ = c.Close() // it should not be there
			return outcome{passed: true, text: "handshake"}
		}},
		{group: groupWire, name: "Unknown Host", run: asks(
			func(*demoSide) ask {
				return ask{path: "/profile", header: append(bearer(b.mint(nil)), "Host", "evil.example")}
			}, succeeds)},
		{group: groupWire, name: "Host other than the TLS name", run: asks(
			func(s *demoSide) ask {
				return ask{path: "/profile", header: append(bearer(b.mint(nil)), "Host", strings.Replace(s.host, "localhost", "127.0.0.1", 1))}
			}, succeeds)},
	}
}

// burnt sends a token in clear, and again as it should have been sent.
func (b *demoBed) burnt(ctx context.Context, s *demoSide) outcome {
	raw := b.mint(nil)
	clear, err := s.do(ctx, ask{path: "/profile", header: bearer(raw), plain: true})
	if err != nil {
		return failed(err)
	}
	again, err := s.do(ctx, ask{path: "/profile", header: bearer(raw)})
	if err != nil {
		return failed(err)
	}
	return outcome{passed: clear.success() || again.success(), text: clear.number() + ", then " + again.number(), ids: []string{clear.id(), again.id()}}
}
