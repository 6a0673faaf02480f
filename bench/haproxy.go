package main

import (
	"fmt"
	"os"
	"path/filepath"
)

const haproxyConfig = `global
	maxconn 8192
	%[1]s
	ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
	mode http
	%[2]s
	timeout connect 5s
	timeout client 60s
	timeout server 60s
	timeout http-request 10s
	http-reuse always
frontend in
	bind %[3]s ssl crt %[4]s alpn h2,http/1.1
%[5]s	default_backend out
backend out
	server app %[6]s
`

// haproxyPlain is HAProxy as a TLS proxy and nothing else.
func haproxyPlain(s setup) ([]string, error) { return haproxyFile(s, "") }

// haproxyJWT is HAProxy with its signature check, and by hand the claim rules
// that it leaves to its user: exp, iss and aud.
func haproxyJWT(s setup) ([]string, error) {
	key := s.verifier.pem
	if s.alg == "HS256" {
		secret, err := os.ReadFile(s.verifier.secret)
		if err != nil {
			return nil, fmt.Errorf("read secret: %w", err)
		}
		key = string(secret)
	}
	rules := "\thttp-request set-var(txn.bearer) http_auth_bearer\n" +
		"\thttp-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')\n" +
		"\thttp-request set-var(txn.iss) var(txn.bearer),jwt_payload_query('$.iss')\n" +
		"\thttp-request set-var(txn.aud) var(txn.bearer),jwt_payload_query('$.aud')\n" +
		"\thttp-request set-var(txn.exp) var(txn.bearer),jwt_payload_query('$.exp','int')\n" +
		"\thttp-request set-var(txn.now) date()\n"
	for _, must := range []string{
		"var(txn.alg) -m str " + s.alg,
		"var(txn.iss) -m str " + issuer,
		"var(txn.aud) -m str " + audience,
		`var(txn.bearer),jwt_verify(txn.alg,"` + key + `") -m int 1`,
	} {
		rules += "\thttp-request deny deny_status 401 unless { " + must + " }\n"
	}
	rules += "\thttp-request deny deny_status 401 if { var(txn.exp),sub(txn.now) -m int lt 0 }\n"
	return haproxyFile(s, rules)
}

func haproxyFile(s setup, rules string) ([]string, error) {
	logTo, logWhat := "", ""
	if s.accessLog {
		logTo, logWhat = "log stderr format raw local0 info", "log global\n\toption httplog"
	}
	file := filepath.Join(s.dir, "haproxy.cfg")
	text := fmt.Appendf(nil, haproxyConfig, logTo, logWhat, s.listen, s.cert.both, rules, s.upstream)
	return []string{"-db", "-q", "-f", file}, writeFile(file, text)
}
