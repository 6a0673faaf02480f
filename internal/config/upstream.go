package config

import (
	"strings"
	"time"

	"github.com/wiretight/wiretight/guard"
)

const defaultTimeout = 30 * time.Second

func (b *builder) upstreams() {
	for i, u := range b.file.Upstreams {
		b.out.Guard.Upstreams = append(b.out.Guard.Upstreams, b.upstream(index("upstreams", i), u))
	}
	served := b.out.Issuer.Enabled || b.file.Authorizer != nil
	if len(b.file.Upstreams) == 0 && !served {
		instead := "write upstreams: [{name: app, url: \"http://127.0.0.1:8000\"}]"
		if !b.haveFile {
			instead = "add --upstream URL"
		}
		b.wrong("upstreams", "there is nothing to protect: no upstream, issuer or authorizer", instead)
	}
}

func (b *builder) upstream(path string, u UpstreamFile) guard.Upstream {
	out := guard.Upstream{Name: u.Name, URL: u.URL, Audience: or(u.Audience, u.Name), Insecure: u.Insecure, Timeout: defaultTimeout}
	b.noPassword(path+".url", u.URL)
	if u.Timeout != nil {
		out.Timeout = time.Duration(*u.Timeout)
		if out.Timeout == 0 || out.Timeout > time.Hour {
			b.wrong(path+".timeout", "timeout is not from 1ms to 1h", "write one like 30s")
		}
	}
	if u.CA != "" {
		out.CA = b.pool(path+".ca", u.CA)
	}
	switch {
	case u.Cert != "" && u.Key != "":
		out.Certificate = b.pair(path, u.Cert, u.Key)
	case u.Cert != "" && !b.written(path+".key"):
		b.wrong(path+".cert", "the client certificate has no key", "add key: FILE")
	case u.Key != "" && !b.written(path+".cert"):
		b.wrong(path+".key", "the key has no client certificate", "add cert: FILE")
	}
	switch secure := strings.HasPrefix(u.URL, "https:"); {
	case u.URL != "" && !secure && (u.CA != "" || u.Cert != ""):
		b.wrong(path+".url", "ca, cert and key need TLS, but the upstream is plain text", "write https://, or remove ca, cert and key")
	case secure && u.Insecure && u.CA != "":
		b.wrong(path+".insecure", "insecure would leave the upstream unverified although ca is there to verify it", "remove one of them")
	}
	return out
}
