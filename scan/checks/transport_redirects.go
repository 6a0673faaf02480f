package checks

import (
	"context"
	"net/url"
	"strings"

	"github.com/wiretight/wiretight/scan"
)

// bait are URLs that frameworks like to redirect: a slash too many or too few at
// the end, the documentation with a slash, two slashes at the start.
func bait(t *scan.Target, operations int) []string {
	var list []string
	known := callable(t, operations)
	for _, o := range known {
		if s, ok := slashed(o.URL); ok {
			list = append(list, s)
		}
	}
	base := t.Base()
	base.RawQuery = ""
	base.Path, base.RawPath = "/docs/", ""
	list = append(list, base.String())
	if len(known) > 0 {
		if u, err := url.Parse(known[0].URL); err == nil && len(u.Path) > 1 {
			u.Path, u.RawPath, u.RawQuery = "/"+u.Path, "", ""
			list = append(list, u.Scheme+"://"+u.Host+u.Path)
		}
	}
	return list
}

// slashed takes the slash away from the end of a URL's path, or puts one there.
func slashed(address string) (string, bool) {
	u, err := url.Parse(address)
	if err != nil || len(u.Path) < 2 {
		return "", false
	}
	path := u.EscapedPath()
	if trimmed := strings.TrimSuffix(path, "/"); trimmed != path {
		path = trimmed
	} else {
		path += "/"
	}
	u.Path, err = url.PathUnescape(path)
	u.RawPath = path
	return u.String(), err == nil
}

// baited are the answers to bait over the target's own scheme, without a
// credential, once in a scan.
func baited(ctx context.Context, t *scan.Target) ([]*scan.Response, error) {
	return scan.Memo(t, "transport.baited", func() ([]*scan.Response, error) {
		var list []*scan.Response
		for _, address := range bait(t, 3) {
			r, err := t.Do(ctx, scan.Request{URL: address, RawTarget: rawTarget(address), NoRetry: true})
			if err != nil {
				return list, err
			}
			list = append(list, r)
		}
		return list, nil
	})
}

// rawTarget keeps two slashes at the start of a path from being read as a host.
func rawTarget(address string) string {
	_, rest, _ := strings.Cut(address, "://")
	_, path, ok := strings.Cut(rest, "/")
	if !ok || !strings.HasPrefix(path, "/") {
		return ""
	}
	return "/" + path
}

// authorized are the answers that operations which need a credential give to the
// genuine one, at most eight, once in a scan: those that are not among the
// protected ones with baselines, since they answer otherwise than with data.
// Operations that do not say what they need are asked first. Where the credential
// may not be sent there are none.
func authorized(ctx context.Context, t *scan.Target) ([]*scan.Response, error) {
	return scan.Memo(t, "transport.authorized", func() ([]*scan.Response, error) {
		token, ok := t.Token()
		if !ok {
			return nil, nil
		}
		known, cookie := map[string]bool{}, ""
		for _, p := range t.Protected() {
			known[p.URL], cookie = true, p.Cookie
		}
		var list []*scan.Response
		for i, o := range callable(t, 16) {
			if known[o.URL] || len(list) == 8 {
				continue
			}
			if !o.Secured {
				if i >= 8 {
					continue
				}
				r, err := unasked(ctx, t, o)
				if err != nil {
					return list, err
				}
				if r.Status != 401 && r.Status != 403 {
					continue
				}
			}
			p := scan.Protected{Operation: o, Cookie: cookie}
			r, err := t.Do(ctx, p.Request(string(token.Raw.Reveal())))
			if isExposed(err) {
				return nil, nil
			}
			if err != nil {
				return list, err
			}
			list = append(list, r)
		}
		return list, nil
	})
}
