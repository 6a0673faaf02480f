package main

import (
	"context"
	"strings"
)

const groupRequest = "Requests with two meanings"

// requestRows are requests that a rule could read otherwise than the API does.
func (b *demoBed) requestRows() []demoRow {
	one := func(name string, question func(s *demoSide) ask) demoRow {
		return demoRow{group: groupRequest, name: name, run: asks(question, succeeds)}
	}
	return []demoRow{
		{group: groupRequest, name: "Paths with dots and escapes", run: b.doubtfulPaths},
		one("Two Authorization headers", func(*demoSide) ask {
			return ask{path: "/profile", header: append(bearer(b.mint(nil)), bearer("x.y.z")...)}
		}),
		one("Token in the URL", func(*demoSide) ask { return ask{path: "/profile?access_token=" + b.mint(nil)} }),
		one("Token in header and URL", func(*demoSide) ask {
			return ask{path: "/profile?access_token=" + b.mint(nil), header: bearer(b.mint(nil))}
		}),
		one("Token in header and cookie", func(*demoSide) ask {
			return ask{path: "/profile", header: append(bearer(b.mint(nil)), "Cookie", "session="+b.mint(nil))}
		}),
		one("Connection: Authorization", func(*demoSide) ask {
			return ask{path: "/profile", header: append(bearer(b.mint(nil)), "Connection", "close, Authorization")}
		}),
		one("X-Auth-Subject, no token", func(*demoSide) ask {
			return ask{path: "/profile", header: []string{"X-Auth-Subject", "root"}}
		}),
		{group: groupRequest, name: "X-Auth-Subject beside a token", run: asks(
			func(*demoSide) ask {
				return ask{path: "/profile", header: append(bearer(b.mint(nil)), "X-Auth-Subject", "root", "X_auth_subject", "root")}
			},
			func(_ *demoSide, a answerOf) (bool, string) {
				if strings.Contains(a.body, "root") {
					return true, "200 as root"
				}
				return false, a.number() + " as alice"
			})},
		one("Method override, no token", func(*demoSide) ask {
			return ask{method: "POST", path: "/profile", header: []string{"X-HTTP-Method-Override", "GET"}}
		}),
		one("HEAD, no token", func(*demoSide) ask { return ask{method: "HEAD", path: "/profile"} }),
		one("Method get, no token", func(*demoSide) ask { return ask{method: "get", path: "/profile"} }),
		one("Forgotten check, no token", func(*demoSide) ask { return ask{path: "/admin/stats"} }),
		one("Debug endpoint, no token", func(*demoSide) ask { return ask{path: "/env"} }),
		one("Key file, no token", func(*demoSide) ask { return ask{path: "/private.pem"} }),
		one("Password in Basic authentication", func(*demoSide) ask {
			return ask{path: "/profile", header: []string{"Authorization", "Basic YWxpY2U6d29uZGVybGFuZC03"}}
		}),
		one("Password in the URL", func(*demoSide) ask { return ask{path: "/login?username=alice&password=wonderland-7"} }),
		one("Token of 20 KB", func(*demoSide) ask {
			return ask{path: "/profile", header: bearer(b.mint(map[string]any{"padding": strings.Repeat("x", 15000)}))}
		}),
	}
}

// doubtfulPaths asks for the profile in forms that servers read differently.
func (b *demoBed) doubtfulPaths(ctx context.Context, s *demoSide) (o outcome) {
	paths := []string{
		"/healthz/../profile", "/healthz/..%2fprofile", "/healthz%2f..%2fprofile", "/healthz/%2e%2e/profile", "/./profile",
		"//profile", "/profile;x=/healthz", "/healthz/..%5cprofile", "/profile%00", "/%70rofile/%2e",
	}
	statuses, accepted := map[int]int{}, 0
	for _, p := range paths {
		a, err := s.do(ctx, ask{path: p, header: bearer(b.mint(nil))})
		if err != nil {
			return failed(err)
		}
		statuses[a.status]++
		if a.success() {
			accepted++
		}
		o.ids = append(o.ids, a.id())
	}
	o.passed, o.text = accepted > 0, tally(statuses, accepted, len(paths))
	return o
}
