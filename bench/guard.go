package main

import (
	"fmt"
	"path/filepath"
)

const guardFile = `listen: %[1]q
admin: %[2]q
mode: enforce
hosts: [localhost]
tls:
  certificates: [{cert: %[3]q, key: %[4]q}]
upstreams:
  - {name: app, url: "http://%[5]s"}
tokens:
  cache: 100000
  issuers:
    - issuer: %[6]s
      audiences: [%[7]s]
      algorithms: [%[8]s]
      %[9]s
      max_lifetime: 24h
routes:
  - {path: /api/*, methods: [GET, POST], scopes: [%[10]s]}
cors:
  origins: [https://app.bench.example]
  credentials: true
  methods: [GET, POST]
  request_headers: [Authorization]
%[11]s
%[14]s
store: %[12]q
log: {format: json, level: %[13]s}
`

// unlimited raises the limit of failures by address: below it forgeries would
// get a cheap 429, and most rows are about what a verification costs.
const unlimited = "rate_limit: {auth_failures: 1000000/s}"

// guardConfig is the guard with every rule on, and the limit of failures by
// address out of reach unless s says otherwise.
func guardConfig(s setup) ([]string, error) {
	admin, err := freeAddr()
	if err != nil {
		return nil, err
	}
	key, level := fmt.Sprintf("jwks_file: %q", s.verifier.jwks), "error"
	if s.alg == "HS256" {
		key = fmt.Sprintf("secret_file: %q", s.verifier.secret)
	}
	if s.accessLog {
		level = "info"
	}
	limit, store := unlimited, s.store
	if s.limited {
		limit = ""
	}
	if store == "" {
		store = "bolt://" + filepath.Join(s.dir, "state.db")
	}
	authorizer := ""
	if s.authorize != "" {
		how := "http"
		if s.envoy {
			how = "grpc"
		}
		authorizer = fmt.Sprintf("authorizer: {%s: %q, trusted_peers: [127.0.0.0/8]}", how, s.authorize)
	}
	file := filepath.Join(s.dir, "wiretight.yaml")
	text := fmt.Appendf(nil, guardFile, s.listen, admin, s.cert.cert, s.cert.key, s.upstream,
		issuer, audience, s.alg, key, scope, limit, store, level, authorizer)
	return []string{"guard", "-c", file}, writeFile(file, text)
}
