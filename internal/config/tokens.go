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
	}
	if b.written("tokens.max_size") {
		out.MaxSize = int(min(t.MaxSize, 1<<30))
		if t.MaxSize < 256 {
			b.wrong("tokens.max_size", "max_size is under 256 bytes, so that every token would be refused", "write 8KiB")
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
	for i, is := range t.Issuers {
		out.Issuers = append(out.Issuers, b.tokenIssuer(index("tokens.issuers", i), is))
	}
}

const accessCookie = "cookie:__Host-access"

// sources settles where tokens are read. The issuer's access cookie is read
// without being named if the file leaves the sources out.
func (b *builder) sources(t *TokensFile) {
	out := &b.out.Guard.Tokens
	inCookie := b.out.Issuer.Enabled && b.out.Issuer.AccessCookie
	switch {
	case b.written("tokens.sources"):
		out.Sources = slices.Clone(t.Sources)
		if inCookie && !slices.Contains(t.Sources, accessCookie) {
			b.wrong("tokens.sources", "the issuer puts tokens into the cookie __Host-access, which is not among the sources", "add that cookie, or remove sources")
		}
	case inCookie:
		out.Sources = []string{"header", accessCookie}
	default:
		out.Sources = []string{"header"}
	}
}

func (b *builder) tokenIssuer(path string, is TokenIssuerFile) guard.Issuer {
	out := guard.Issuer{
		Issuer: is.Issuer, Audiences: is.Audiences, JWKSURL: is.JWKSURL, Discovery: is.Discovery,
		Require: is.Require, Types: is.Types, MaxLifetime: time.Hour,
	}
	for _, alg := range is.Algorithms {
		if alg != "" && !slices.Contains(out.Algorithms, string(alg)) {
			out.Algorithms = append(out.Algorithms, string(alg))
		}
	}
	if is.MaxLifetime != nil {
		out.MaxLifetime = time.Duration(*is.MaxLifetime)
		if out.MaxLifetime < time.Second {
			b.wrong(path+".max_lifetime", "max_lifetime is under a second, so that every token would be refused", "write one like 1h")
		}
	}
	if is.JWKSCA != "" {
		out.JWKSCA = b.pool(path+".jwks_ca", is.JWKSCA)
		if is.JWKSURL == "" && !is.Discovery {
			b.wrong(path+".jwks_ca", "jwks_ca verifies nothing without jwks_url or discovery", "remove it")
		}
	}
	b.keys(path, is, &out)
	return out
}

// keys loads them. A source that is written but wrong is told once; it counts
// all the same for the rule that there must be exactly one.
func (b *builder) keys(path string, is TokenIssuerFile, out *guard.Issuer) {
	if is.JWKSURL != "" {
		b.noPassword(path+".jwks_url", is.JWKSURL)
	} else if b.bad[path+".jwks_url"] {
		out.JWKSURL = "https://localhost"
	}
	if is.JWKSFile != "" {
		out.JWKS = b.keySet(path+".jwks_file", is.JWKSFile)
	}
	if is.SecretFile != "" {
		out.Secret = b.hmacSecret(path+".secret_file", is.SecretFile, out.Algorithms)
	}
	if out.JWKS == nil && (is.JWKSFile != "" || b.bad[path+".jwks_file"]) {
		out.JWKS = []byte{}
	}
	if out.Secret == nil && (is.SecretFile != "" || b.bad[path+".secret_file"]) {
		out.Secret = []byte{}
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
