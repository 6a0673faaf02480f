package config

import (
	"fmt"
	"time"

	"github.com/wiretight/wiretight/guard"
)

const defaultTimeout = 30 * time.Second

func (b *builder) upstreams() {
	seen := map[string]int{}
	for i, u := range b.file.Upstreams {
		path := index("upstreams", i)
		out := guard.Upstream{Name: u.Name, URL: u.URL, Audience: u.Audience, Insecure: u.Insecure, Timeout: defaultTimeout}
		if first, twice := seen[u.Name]; twice && u.Name != "" {
			b.wrong(path+".name", fmt.Sprintf("upstream %s is named twice, first in %s", quoted(u.Name), index("upstreams", first)), "give each its own name")
		} else {
			seen[u.Name] = i
		}
		if u.Timeout != nil {
			out.Timeout = time.Duration(*u.Timeout)
			if out.Timeout == 0 || out.Timeout > time.Hour {
				b.wrong(path+".timeout", "timeout is not from 1ms to 1h", "write one like 30s")
			}
		}
		if out.Audience == "" {
			out.Audience = u.Name
		}
		if u.URL != "" {
			b.upstreamURL(path, u)
		}
		if u.CA != "" {
			out.CA = b.pool(path+".ca", u.CA)
		}
		switch certs := (u.Cert != ""); {
		case certs && u.Key != "":
			out.Certificate = b.pair(path, u.Cert, u.Key)
		case certs && !b.written(path+".key"):
			b.wrong(path+".cert", "the client certificate has no key", "add key: FILE")
		case u.Key != "" && !b.written(path+".cert"):
			b.wrong(path+".key", "the key has no client certificate", "add cert: FILE")
		}
		b.out.Guard.Upstreams = append(b.out.Guard.Upstreams, out)
	}
	served := b.file.Issuer != nil && b.file.Issuer.Enabled || b.file.Authorizer != nil
	if len(b.file.Upstreams) == 0 && !served {
		instead := "write upstreams: [{name: app, url: \"http://127.0.0.1:8000\"}]"
		if !b.haveFile {
			instead = "add --upstream URL"
		}
		b.wrong("upstreams", "there is nothing to protect: no upstream, issuer or authorizer", instead)
	}
}

// upstreamURL refuses what would carry tokens in clear or to a stranger.
func (b *builder) upstreamURL(path string, u UpstreamFile) {
	at := path + ".url"
	parsed := b.parseURL(at, u.URL)
	if parsed == nil {
		return
	}
	verifies := u.CA != "" || u.Cert != "" || u.Key != ""
	switch {
	case parsed.Scheme == "unix":
		if parsed.Host != "" || len(parsed.Path) < 2 {
			b.wrong(at, "the socket of the upstream is no absolute path", "write unix:///run/app.sock")
		}
		return
	case parsed.Scheme != "http" && parsed.Scheme != "https" && parsed.Scheme != "h2c":
		b.wrong(at, fmt.Sprintf("an upstream cannot have the scheme %s", quoted(parsed.Scheme)), "write https://, http://, h2c:// or unix:///path")
		return
	case parsed.RawQuery != "" || parsed.ForceQuery || parsed.Path != "" && parsed.Path != "/":
		b.wrong(at, "the URL of an upstream has a path or a query", "write scheme, host and port only; paths go along as they are")
		return
	case parsed.Scheme == "https":
		b.unverified(path, u)
		return
	case verifies:
		b.wrong(at, "ca, cert and key need TLS, but the upstream is plain text", "write https://, or remove ca, cert and key")
	}
	if loopback(parsed.Hostname()) {
		if u.Insecure {
			b.warn(path+".insecure", "insecure opens nothing here, plain text on loopback is accepted as it is", "remove insecure")
		}
		return
	}
	const id = "transport.token-over-http"
	switch accepted := b.accepted(id); {
	case accepted && u.Insecure:
	case accepted:
		b.wrong(at, "tokens would go in plain text to another machine", "write https://, or insecure: true beside it")
	default:
		b.wrong(at, "tokens would go in plain text to another machine", "write https://, or accept the risk with insecure: true and accept_risk: ["+id+"]")
	}
}

func (b *builder) unverified(path string, u UpstreamFile) {
	if !u.Insecure {
		return
	}
	if u.CA != "" {
		b.wrong(path+".insecure", "insecure would leave the upstream unverified although ca is there to verify it", "remove one of them")
		return
	}
	b.risk(path+".insecure", "tls.cert-untrusted", "the upstream's certificate would not be verified", "write ca: FILE in the place of insecure: true")
}
