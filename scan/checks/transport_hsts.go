package checks

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"

	"github.com/wiretight/wiretight/scan"
)

// labelled is an answer and what it is an example of.
type labelled struct {
	*scan.Response
	kind string
}

// secureAnswers are answers over HTTPS of every kind that there is: the root,
// data, a demand for a credential, a path that nobody has, a redirect. Servers
// often add headers to some of these only.
func secureAnswers(ctx context.Context, t *scan.Target) ([]labelled, error) {
	return scan.Memo(t, "transport.secure-answers", func() ([]labelled, error) {
		var list []labelled
		seen := map[string]bool{}
		add := func(kind string, r *scan.Response) {
			if r != nil && !seen[kind] && r.TLS != nil {
				seen[kind] = true
				list = append(list, labelled{r, kind})
			}
		}
		add("the root", t.Root())
		add("404", t.NotFound())
		for _, p := range t.Protected() {
			add("data", p.Bv)
			add("401", p.B0)
		}
		for _, o := range callable(t, 3) {
			if seen["data"] && seen["401"] {
				break
			}
			r, err := unasked(ctx, t, o)
			switch {
			case err != nil:
				return list, err
			case r.OK():
				add("data", r)
			case r.Status == 401 || r.Status == 403:
				add("401", r)
			}
		}
		odd, err := baited(ctx, t)
		if err != nil {
			return list, err
		}
		for _, r := range odd {
			if _, ok := redirects(r); ok {
				add("a redirect", r)
			}
		}
		if len(list) == 0 {
			return nil, errSilence
		}
		return list, nil
	})
}

// strictTransport names the header of RFC 6797.
const strictTransport = "Strict-Transport-Security"

// withoutHSTS says why Strict-Transport-Security means nothing for the target, or
// nothing (RFC 6797 §8.1).
func withoutHSTS(t *scan.Target) string {
	switch {
	case !t.HTTPS():
		return "the target is not HTTPS; see transport.no-tls"
	case net.ParseIP(t.Host()) != nil:
		return "clients ignore Strict-Transport-Security of an address: scan the API by its name"
	}
	return ""
}

// halfYear is the shortest max-age that is not short, in seconds: 180 days.
const halfYear = 180 * 24 * 60 * 60

// hstsFault says what is wrong with the values of Strict-Transport-Security, or
// nothing. Only the first counts (RFC 6797 §8.1); that there are more is a
// fault as well. Directives are as RFC 6797 §6.1 has them: in any order and case,
// with spaces, values quoted or not, unknown ones ignored.
func hstsFault(values []string) string {
	if len(values) > 1 {
		return "there are several headers, of which clients read the first"
	}
	var age string
	seen := map[string]bool{}
	for part := range strings.SplitSeq(values[0], ";") {
		name, value, valued := strings.Cut(part, "=")
		name, value = strings.ToLower(strings.Trim(name, " \t")), strings.Trim(value, " \t")
		if name == "" && !valued {
			continue
		}
		switch {
		case seen[name]:
			return "the directive " + clip(name) + " is there twice, so clients ignore the header"
		case len(seen) == 32:
			return "there are more than 32 directives"
		case (name == "includesubdomains" || name == "preload") && valued:
			return clip(name) + " takes no value"
		}
		seen[name] = true
		if name == "max-age" {
			age = unquote(value)
		}
	}
	switch seconds, err := strconv.ParseUint(age, 10, 64); {
	case !seen["max-age"]:
		return "max-age is missing, so clients ignore the header"
	case errors.Is(err, strconv.ErrRange):
		return "" // longer than anybody lives
	case err != nil || strings.HasPrefix(age, "+"):
		return "max-age is no number of seconds, so clients ignore the header"
	case seconds == 0:
		return "max-age is 0, which makes clients forget the host"
	case seconds < halfYear:
		return "max-age is " + strconv.FormatUint(seconds, 10) + " s, less than 180 days"
	}
	return ""
}

func unquote(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}
