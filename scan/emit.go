package scan

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// Emit is how the guard's configuration is to be written. The zero Emit is for a
// guard on the same machine as the API.
type Emit struct {
	// Listen and Plaintext are the guard's addresses. Empty: :8443 and :8080.
	Listen, Plaintext string
	// Hosts are the names of the guarded API. Empty: that of the scanned URL.
	Hosts []string
	// Upstream is where the API is. Empty: the scanned URL's origin, or, for
	// plain HTTP off loopback, the same port of 127.0.0.1.
	Upstream string
	// SecretFile is where the guard finds an HMAC secret, if it needs one.
	// Empty: wiretight-secret.key.
	SecretFile string
}

// Emitted is a configuration for the guard.
type Emitted struct {
	// YAML is the text of wiretight.yaml.
	YAML []byte
	// SecretFile names a file that the configuration refers to and that must
	// hold the secret with which the API signs its tokens. Empty: it refers to
	// none.
	SecretFile string
}

// issuerCloses are findings that no verification of the API's own tokens can
// close: the guard's issuer has to make better ones.
var issuerCloses = []string{
	"jwt.weak-secret", "jwt.blank-secret", "jwt.weak-algorithm", "jwt.no-expiry", "jwt.long-lived", "jwt.missing-claims",
	"jwt.sensitive-claims", "jwt.predictable-id", "jwt.not-revoked", "jwt.type-confusion", "refresh", "jwks.weak-key",
	"jwks.private-key-exposed", "auth.no-rate-limit", "auth.encoded-password",
}

// NewGuard writes a commented configuration of the guard that closes what r
// found. It is complete: the guard starts with it once the secret file, if there
// is one, is in place. What comes from the target is quoted.
func NewGuard(r *Report, e Emit) Emitted {
	g := &emitter{report: r, facts: r.Facts, emit: e}
	g.ownIssuer = g.needsIssuer()
	g.head()
	g.listeners()
	g.upstream()
	g.tokens()
	g.routes()
	g.cors()
	g.rest()
	return Emitted{YAML: []byte(g.b.String()), SecretFile: g.secretFile}
}

type emitter struct {
	report     *Report
	facts      Facts
	emit       Emit
	b          strings.Builder
	ownIssuer  bool
	secretFile string
}

func (g *emitter) line(format string, args ...any) { fmt.Fprintf(&g.b, format+"\n", args...) }

// comment writes foreign text so that it cannot end the comment.
func (g *emitter) comment(indent, format string, args ...any) {
	text := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, fmt.Sprintf(format, args...))
	g.b.WriteString(indent + "# " + text + "\n")
}

// quote writes a YAML scalar that is always a string.
func quote(s string) string {
	b, _ := json.Marshal(strings.ToValidUTF8(s, "?")) // strings always marshal
	return string(b)
}

func quoteAll(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = quote(s)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

func (g *emitter) found(names ...string) bool {
	return slices.ContainsFunc(g.report.Findings, func(f Finding) bool {
		return slices.ContainsFunc(names, func(n string) bool { return named(f.ID, n) })
	})
}

// needsIssuer tells whether the guard's own issuer has to make the tokens.
func (g *emitter) needsIssuer() bool {
	f := g.facts
	return g.found(issuerCloses...) || f.Algorithm == "" || !sane(f.Issuer) || len(f.Audience) == 0 || len(f.Audience) > 20 ||
		slices.ContainsFunc(f.Audience, func(a string) bool { return !sane(a) }) ||
		!strings.HasPrefix(f.Algorithm, "HS") && !fetchable(f.KeySetURL)
}

// fetchable tells whether a guard may be told to get keys there.
func fetchable(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && sane(raw) && u.Host != "" && u.User == nil && (u.Scheme == "https" || u.Scheme == "http" && loopbackName(u.Hostname()))
}

// sane tells whether a name is one that somebody could have meant.
func sane(s string) bool {
	return s != "" && len(s) <= 300 && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

func (g *emitter) head() {
	g.comment("", "Made by wiretight scan of %s.", g.report.Target)
	g.comment("", "Check it with: wiretight config check -c FILE. Start it with: wiretight guard -c FILE.")
	if len(g.report.Findings) > 0 {
		g.comment("", "")
		g.comment("", "What it closes:")
	}
	for _, f := range g.report.Findings {
		g.comment("", "  %-32s %s", f.ID, cmp.Or(f.Guard, "the guard's own rules"))
	}
	g.line("")
}

func (g *emitter) hosts() []string {
	if len(g.emit.Hosts) > 0 {
		return g.emit.Hosts
	}
	host := g.facts.Host
	if loopbackName(host) && host != "localhost" {
		return []string{"localhost", hostPort(host, "")}
	}
	return []string{strings.ToLower(hostPort(host, ""))}
}

func (g *emitter) listeners() {
	listen := cmp.Or(g.emit.Listen, ":8443")
	g.comment("", "TLS 1.2 and 1.3 only. No cleartext is ever forwarded.")
	g.line("listen: %s", quote(listen))
	g.comment("", "Plain HTTP is redirected where that is safe, refused otherwise; a token seen on it is burnt.")
	g.line("plaintext: %s", quote(cmp.Or(g.emit.Plaintext, ":8080")))
	g.line("plaintext_token: burn")
	g.comment("", "Other names in Host are refused.")
	g.line("hosts: %s", quoteAll(g.hosts()))
	g.line("")
	g.line("tls:")
	if name := g.hosts()[0]; g.publicName(name) {
		g.comment("  ", "A certificate from Let's Encrypt; needs port 443 or 80 to be reachable. Or:")
		g.comment("  ", "certificates: [{cert: fullchain.pem, key: privkey.pem}]")
		g.line("  acme: {email: %s}", quote("admin@"+name))
	} else {
		g.comment("  ", "A development certificate of this machine's own. In production:")
		g.comment("  ", "certificates: [{cert: fullchain.pem, key: privkey.pem}]")
		g.line("  dev: true")
	}
	g.line("  hsts: {max_age: 8760h}")
	g.line("")
}

// publicName tells whether an ACME authority could know the host.
func (g *emitter) publicName(host string) bool {
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil || loopbackName(host) {
		return false
	}
	for _, private := range []string{".local", ".internal", ".test", ".invalid", ".example", ".lan", ".home.arpa"} {
		if strings.HasSuffix(host, private) {
			return false
		}
	}
	return strings.Contains(host, ".")
}

func (g *emitter) upstream() {
	at := g.emit.Upstream
	if at == "" {
		at = g.facts.Origin
		if u, err := url.Parse(at); err == nil && u.Scheme == "http" && !g.facts.Loopback {
			g.comment("", "The API speaks plain HTTP: let it listen on loopback only, on the machine of the guard.")
			at = "http://" + net.JoinHostPort("127.0.0.1", cmp.Or(u.Port(), "80"))
		}
	}
	if strings.HasPrefix(at, "https") && g.found("tls.cert-untrusted") {
		g.comment("", "The API's certificate is not trusted: add ca: FILE with the authority that signed it.")
	}
	g.line("upstreams:")
	g.line("  - {name: app, url: %s, timeout: 30s}", quote(at))
	g.line("")
}

func (g *emitter) tokens() {
	f := g.facts
	g.line("tokens:")
	if cookieName.MatchString(f.Cookie) && !g.ownIssuer {
		g.line("  sources: [header, %s]", quote("cookie:"+f.Cookie))
	} else {
		g.comment("  ", "Never from a URL.")
		g.line("  sources: [header]")
	}
	if g.ownIssuer {
		g.comment("  ", "The API's own tokens cannot be made safe from outside, so the issuer below makes new ones.")
		g.comment("  ", "The API verifies them with /.well-known/jwks.json, or trusts the guard: forward: claims.")
		g.line("  forward: token")
		g.line("")
		g.issuer()
		return
	}
	g.comment("  ", "Only these algorithms, this issuer and these audiences; exp, iss, aud and sub are demanded.")
	g.line("  issuers:")
	g.line("    - issuer: %s", quote(f.Issuer))
	g.line("      audiences: %s", quoteAll(f.Audience))
	g.line("      algorithms: [%s]", f.Algorithm)
	if strings.HasPrefix(f.Algorithm, "HS") {
		g.secretFile = cmp.Or(g.emit.SecretFile, "wiretight-secret.key")
		g.comment("      ", "The file holds the secret that the API signs with; better let it sign with ES256 and publish its key.")
		g.line("      secret_file: %s", quote(g.secretFile))
	} else {
		g.line("      jwks_url: %s", quote(f.KeySetURL))
	}
	g.line("      require: [exp, iss, aud, sub]")
	if sane(f.Type) && !strings.EqualFold(f.Type, "JWT") && !strings.EqualFold(f.Type, "at+jwt") {
		g.line("      types: [%s]", quote(f.Type))
	}
	g.line("      max_lifetime: 1h")
	g.line("")
}

func (g *emitter) issuer() {
	_, port, err := net.SplitHostPort(cmp.Or(g.emit.Listen, ":8443"))
	origin := "https://" + g.hosts()[0]
	if err == nil && port != "443" && port != "0" && !strings.Contains(g.hosts()[0], ":") {
		origin += ":" + port
	}
	g.comment("", "Short tokens of its own key, bound to a cookie; refresh tokens that work once; limited logins.")
	g.comment("", "Logins go to POST /auth/login. Add users with: wiretight users add NAME.")
	g.line("issuer:")
	g.line("  enabled: true")
	g.line("  url: %s", quote(origin))
	g.line("  algorithm: ES256")
	g.line("  access_ttl: 5m")
	g.line("  binding: fingerprint")
	g.comment("  ", "To let the API confirm the passwords: login: {verify_url: https://…}")
	g.line("")
}

func (g *emitter) cors() {
	g.comment("", "Without this section no CORS header is ever sent, and the API's own are removed.")
	u, err := url.Parse(g.facts.AllowedOrigin)
	if err != nil || u.Scheme != "https" && !loopbackName(u.Hostname()) || u.Host == "" {
		g.comment("", "cors: {origins: [https://app.example.com], credentials: true, methods: [GET, POST], request_headers: [Authorization, Content-Type]}")
		g.line("")
		return
	}
	g.line("cors:")
	g.line("  origins: [%s]", quote(u.Scheme+"://"+u.Host))
	g.line("  credentials: true")
	g.line("  methods: [GET, POST]")
	g.line("  request_headers: [Authorization, Content-Type]")
	g.line("")
}

func (g *emitter) rest() {
	g.comment("", "By address: refused tokens and failed logins.")
	g.line("rate_limit: {auth_failures: 20/m, login: 10/m}")
	g.line("store: %s", quote("bolt://wiretight-data/state.db"))
	g.line("log: {format: json, level: info}")
}
