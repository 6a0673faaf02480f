package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/token"
)

// The defaults of tokens.
const (
	defaultLeeway  = 30 * time.Second
	defaultMaxSize = 8 << 10
	defaultCache   = 100_000
)

func (b *builder) tokens() {
	t := orNew(b.file.Tokens)
	out := &b.out.Guard.Tokens
	out.Leeway, out.MaxSize, out.Cache = defaultLeeway, defaultMaxSize, defaultCache
	out.Binding, out.Forward = guard.BindingOptional, guard.ForwardToken
	out.DPoPNonce = t.DPoPNonce
	if t.Leeway != nil {
		out.Leeway = time.Duration(*t.Leeway)
		if out.Leeway > 5*time.Minute {
			b.wrong("tokens.leeway", "leeway is over 5m, so that expired tokens would live on", "write 30s, and set the clocks by NTP")
		}
	}
	if b.written("tokens.max_size") {
		out.MaxSize = int(min(t.MaxSize, 1<<30))
		if t.MaxSize < 256 || t.MaxSize > 32<<10 {
			b.wrong("tokens.max_size", "max_size is not from 256 bytes to 32KiB", "write 8KiB, or what the issuer's longest tokens need")
		}
	}
	if t.Cache != nil {
		out.Cache = *t.Cache
	}
	if t.Binding != "" {
		out.Binding = guard.Binding(t.Binding)
	}
	if t.DPoPNonce && out.Binding == guard.BindingOff {
		b.wrong("tokens.dpop_nonce", "dpop_nonce asks for proofs, but binding: off looks at none", "write binding: optional or required")
	}
	if t.Forward != "" {
		out.Forward = guard.Forward(t.Forward)
	}
	b.sources(t)
	seen := map[string]int{}
	for i, is := range t.Issuers {
		path := index("tokens.issuers", i)
		if first, twice := seen[is.Issuer]; twice {
			b.wrong(path+".issuer", fmt.Sprintf("issuer %s is named twice, first in %s", quoted(is.Issuer), index("tokens.issuers", first)), "merge the two; one issuer has one set of keys")
		} else {
			seen[is.Issuer] = i
		}
		if own := b.out.Issuer; own.Enabled && is.Issuer == own.URL && own.URL != "" {
			b.wrong(path+".issuer", "this is the embedded issuer, whose keys are known without", "remove the entry")
		}
		out.Issuers = append(out.Issuers, b.tokenIssuer(path, is))
	}
	b.someIssuer(t)
}

// someIssuer refuses a guard that knows no issuer, unless every path is public.
func (b *builder) someIssuer(t *TokensFile) {
	if len(t.Issuers) > 0 || b.out.Issuer.Enabled || b.bad["issuer"] || b.bad["issuer.enabled"] {
		return
	}
	all := false
	for _, r := range b.file.Routes {
		if !r.Public {
			all = false
			break
		}
		all = all || r.Path == "/*"
	}
	if all {
		return
	}
	instead := "write tokens: {issuers: [{issuer: URL, audiences: [NAME], jwks_url: URL}]}, or issuer: {enabled: true, url: ORIGIN}"
	if !b.haveFile {
		instead = "add --jwks URL --issuer ISS --audience AUD"
	}
	b.wrong("tokens.issuers", "nobody's tokens are accepted, so that every request would be refused", instead)
}

const accessCookie = "cookie:__Host-access"

// sources checks where tokens are read. The issuer's access cookie is read
// without being named if the file leaves the sources out.
func (b *builder) sources(t *TokensFile) {
	out := &b.out.Guard.Tokens
	inCookie := b.out.Issuer.Enabled && b.out.Issuer.AccessCookie
	if !b.written("tokens.sources") {
		out.Sources = []string{"header"}
		if inCookie {
			out.Sources = append(out.Sources, accessCookie)
		}
		return
	}
	out.Sources = slices.Clone(t.Sources)
	if len(t.Sources) == 0 {
		b.wrong("tokens.sources", "sources is empty, so that no token would be found", "write [header], or remove the key")
	}
	if inCookie && !slices.Contains(t.Sources, accessCookie) {
		b.wrong("tokens.sources", "the issuer puts tokens into the cookie __Host-access, which is not among the sources", "add "+quoted(accessCookie))
	}
	for i, s := range t.Sources {
		path := index("tokens.sources", i)
		where, param, named := strings.Cut(s, ":")
		switch {
		case slices.Contains(t.Sources[:i], s):
			b.wrong(path, fmt.Sprintf("source %s is named twice", quoted(s)), "remove one of them")
		case s == "header":
		case where == "cookie" && named && isToken(param):
			if param == "__Host-refresh" || param == "__Host-fingerprint" {
				b.wrong(path, fmt.Sprintf("cookie %s holds no access token", param), "write the cookie of the access token")
			}
		case where == "cookie":
			b.wrong(path, fmt.Sprintf("%s names no cookie", quoted(s)), "write cookie:NAME")
		case where == "query" && named && isParameter(param):
			b.risk(path, "jwt.token-in-url", "a token in a URL ends in logs, histories and Referer headers", "write header or cookie:NAME")
		case where == "query":
			b.wrong(path, fmt.Sprintf("%s names no parameter", quoted(s)), "write header or cookie:NAME")
		default:
			b.wrong(path, fmt.Sprintf("%s is no source of tokens", quoted(s)), "write header or cookie:NAME")
		}
	}
}

func (b *builder) tokenIssuer(path string, is TokenIssuerFile) guard.Issuer {
	out := guard.Issuer{
		Issuer: is.Issuer, Audiences: is.Audiences, Discovery: is.Discovery,
		Require: is.Require, Types: is.Types, MaxLifetime: time.Hour,
	}
	for _, alg := range is.Algorithms {
		if alg != "" && !slices.Contains(out.Algorithms, string(alg)) {
			out.Algorithms = append(out.Algorithms, string(alg))
		}
	}
	if is.Issuer == "" {
		b.risk(path+".issuer", "jwt.issuer-unchecked", "the entry has no issuer, so that iss would not be checked", "write issuer: and the iss of its tokens")
	}
	if len(is.Audiences) == 0 {
		b.risk(path+".audiences", "jwt.audience-unchecked", "the entry has no audiences, so that tokens for other services would be accepted", "write audiences: [NAME] with the aud of this service")
	}
	if is.Require != nil && !slices.Contains(is.Require, "exp") {
		b.risk(path+".require", "jwt.no-expiry", "require lacks exp, so that tokens without expiry would be accepted", "add exp")
	}
	if is.Types != nil && len(is.Types) == 0 {
		b.wrong(path+".types", "types is empty, so that every token would be refused", "write [at+jwt, JWT], or remove the key")
	}
	if is.Algorithms != nil && len(is.Algorithms) == 0 {
		b.wrong(path+".algorithms", "algorithms is empty, so that every token would be refused", "write what the issuer signs with, or remove the key")
	}
	if is.MaxLifetime != nil {
		out.MaxLifetime = time.Duration(*is.MaxLifetime)
		switch {
		case out.MaxLifetime < time.Second:
			b.wrong(path+".max_lifetime", "max_lifetime is under a second, so that every token would be refused", "write one like 1h")
		case out.MaxLifetime > 24*time.Hour:
			b.risk(path+".max_lifetime", "jwt.long-lived", "max_lifetime is over 24h, so that a stolen token would be good for days", "write 1h")
		}
	}
	b.keySource(path, is, &out)
	return out
}

// keySource demands one source of keys, and loads it.
func (b *builder) keySource(path string, is TokenIssuerFile, out *guard.Issuer) {
	var given []string
	for _, key := range []string{"jwks_url", "discovery", "jwks_file", "secret_file"} {
		if b.written(path+"."+key) && (key != "discovery" || is.Discovery || b.bad[path+".discovery"]) && !b.silenced(path, key, is) {
			given = append(given, key)
		}
	}
	switch {
	case len(given) == 0:
		b.wrong(path, "the issuer has no source of keys", "write jwks_url, discovery: true, jwks_file or secret_file")
	case len(given) > 1:
		b.wrong(path+"."+given[1], fmt.Sprintf("the issuer has %s; its keys come from one place", strings.Join(given, " and ")), "keep one of them")
	}
	b.hmac(path, is)
	if is.JWKSURL != "" {
		b.secureURL(path+".jwks_url", is.JWKSURL)
		out.JWKSURL = is.JWKSURL
	}
	if is.Discovery && is.Issuer != "" && !b.bad[path+".issuer"] {
		if u := b.secureURL(path+".issuer", is.Issuer); u != nil && u.RawQuery != "" {
			b.wrong(path+".issuer", "an issuer with a query cannot be discovered", "write jwks_url in the place of discovery")
		}
	} else if is.Discovery && is.Issuer == "" {
		b.wrong(path+".discovery", "discovery needs the issuer's URL", "write issuer: and the URL, or jwks_url in the place of discovery")
	}
	if is.JWKSCA != "" {
		out.JWKSCA = b.pool(path+".jwks_ca", is.JWKSCA)
		if is.JWKSURL == "" && !is.Discovery {
			b.wrong(path+".jwks_ca", "jwks_ca verifies nothing without jwks_url or discovery", "remove it")
		}
	}
	if is.JWKSFile != "" {
		out.JWKS = b.keySet(path+".jwks_file", is.JWKSFile)
	}
	if is.SecretFile != "" {
		out.Secret = b.hmacSecret(path+".secret_file", is.SecretFile, out.Algorithms)
	}
}

// silenced tells whether --jwks took the place of a key of the file.
func (b *builder) silenced(path, key string, is TokenIssuerFile) bool {
	empty := map[string]bool{
		"jwks_url": is.JWKSURL == "", "discovery": !is.Discovery,
		"jwks_file": is.JWKSFile == "", "secret_file": is.SecretFile == "",
	}
	return empty[key] && !b.bad[path+"."+key]
}

// hmac keeps HMAC and signatures apart: with both, an attacker would sign with
// the public key as the secret (RFC 8725 §2.1).
func (b *builder) hmac(path string, is TokenIssuerFile) {
	var shared, signed string
	for _, alg := range is.Algorithms {
		switch {
		case strings.HasPrefix(string(alg), "HS"):
			shared = string(alg)
		case alg != "":
			signed = string(alg)
		}
	}
	at := path + ".algorithms"
	switch {
	case shared != "" && signed != "":
		b.wrong(at, fmt.Sprintf("%s stands beside %s, so that a public key could be used as a secret", shared, signed), "write two issuers, each with its own kind of key")
	case shared != "" && !b.written(path+".secret_file"):
		b.wrong(at, fmt.Sprintf("%s works with a shared secret only", shared), "add secret_file: FILE, or write RS256, ES256 or EdDSA")
	case signed != "" && is.SecretFile != "":
		b.wrong(at, fmt.Sprintf("%s does not work with a shared secret", signed), "write HS256, HS384 or HS512, or jwks_file in the place of secret_file")
	}
}

func (b *builder) keySet(path, file string) []byte {
	data := b.read(path, file)
	if data == nil {
		return nil
	}
	_, warnings, err := token.ParseJWKS(data)
	for _, w := range warnings {
		b.warn(path, w, "")
	}
	if err != nil {
		b.wrong(path, fmt.Sprintf("file %s cannot be used: %v", quoted(file), err), "write a JSON Web Key Set with the issuer's public keys")
		return nil
	}
	return data
}

func (b *builder) hmacSecret(path, file string, algs []string) []byte {
	secret := b.secret(path, file)
	if secret == nil || slices.ContainsFunc(algs, func(a string) bool { return !strings.HasPrefix(a, "HS") }) {
		return nil
	}
	if len(algs) == 0 {
		algs = []string{"HS256"}
	}
	if _, err := token.DangerouslyNewSecret(secret, algs); err != nil {
		b.wrong(path, err.Error(), "")
		return nil
	}
	if _, err := token.NewSecret(secret, algs); err != nil {
		what, instead, _ := strings.Cut(err.Error(), "; ")
		b.risk(path, "jwt.weak-secret", what, instead)
	}
	return secret
}

// isToken tells whether s is a token of RFC 9110 §5.6.2, as names of headers
// and cookies are.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// isParameter tells whether s can name a query parameter without escapes.
func isParameter(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r > 0x7f || !strings.ContainsRune("-._~", r) && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z')
	})
}
