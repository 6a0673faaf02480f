package checks

import (
	"bytes"
	"context"
	"errors"
	"net/url"
	"strconv"

	"github.com/wiretight/wiretight/scan"
)

// plainTry is one operation, asked for in clear and over HTTPS, both without a
// credential.
type plainTry struct {
	scan.Operation
	// Address is the http URL that was asked for; Request asks again.
	Address string
	Request scan.Request
	// Plain is the answer in clear; nil with Err.
	Plain *scan.Response
	Err   error
	// Secure is the answer over HTTPS. Nil: there is no HTTPS.
	Secure *scan.Response
	// Blank is the answer in clear to a path that nobody has. Nil: none came.
	Blank *scan.Response
	// Sibling says that another port than the one that belongs to the URL was
	// asked. What answers there may be another service.
	Sibling bool
}

// served tells whether the API itself answered in clear. Where there is HTTPS its
// answer is the same; 403 must be the same to the byte, since it may as well be
// the refusal of plain HTTP. A page that is the same for all paths in clear, and
// not over HTTPS, is no answer of the API's.
func (p plainTry) served(t *scan.Target) bool {
	switch {
	case p.Plain == nil:
		return false
	case p.Secure == nil && p.Plain.Status == 403:
		return t.NotFound() != nil && t.NotFound().Status == 404
	case p.Secure == nil:
		return application(p.Plain)
	case p.Blank != nil && p.Blank.Class == p.Plain.Class && (t.NotFound() == nil || t.NotFound().Class != p.Plain.Class):
		return false
	case p.Plain.Status == 403:
		return p.Plain.Class == p.Secure.Class && len(p.Plain.Body) > 0 && bytes.Equal(p.Plain.Body, p.Secure.Body)
	}
	return application(p.Plain) && p.Plain.Class == p.Secure.Class
}

// plainView is what plain HTTP looks like beside HTTPS.
type plainView struct {
	Tries []plainTry
	// HTTPS says that the API is there over HTTPS.
	HTTPS bool
}

// answered lists the tries that got any answer, in clear, from the port that
// belongs to the URL.
func (v plainView) answered() []plainTry {
	var list []plainTry
	for _, p := range v.Tries {
		if p.Plain != nil && !p.Sibling {
			list = append(list, p)
		}
	}
	return list
}

// served lists the tries that the API itself answered.
func (v plainView) served(t *scan.Target) []plainTry {
	var list []plainTry
	for _, p := range v.Tries {
		if p.served(t) {
			list = append(list, p)
		}
	}
	return list
}

// errSilence says that the target did not answer where it has to.
var errSilence = errors.New("the target does not answer any more")

// plainOperations is how many operations are asked for in clear, beside the root.
const plainOperations = 4

// lookPlain asks for the root and some operations in clear, once in a scan. Ports
// that nobody listens on are no error as long as the target itself answers.
func lookPlain(ctx context.Context, t *scan.Target) (plainView, error) {
	return scan.Memo(t, "transport.plain", func() (plainView, error) {
		if !t.HTTPS() {
			return lookBesidePlain(ctx, t)
		}
		v := plainView{HTTPS: true}
		operations := append([]scan.Operation{rootOperation(t)}, callable(t, plainOperations)...)
		nowhere := rootOperation(t)
		nowhere.URL = t.Base().Scheme + "://" + t.Base().Host + "/wt-" + scan.Random(6)
		for i, port := range plainPorts(t.Base()) {
			request, _ := plainRequest(t, nowhere, port)
			blank, _ := t.Do(ctx, request) // those that follow tell why
			for _, o := range operations {
				p := plainTry{Operation: o, Blank: blank, Sibling: i > 0}
				p.Request, p.Address = plainRequest(t, o, port)
				if p.Plain, p.Err = t.Do(ctx, p.Request); p.Err != nil {
					v.Tries = append(v.Tries, p)
					break // nobody listens there
				}
				var err error
				if p.Secure, err = unasked(ctx, t, o); err != nil {
					return v, err
				}
				v.Tries = append(v.Tries, p)
			}
		}
		if len(v.answered()) == 0 && !alive(ctx, t) {
			return v, errSilence
		}
		return v, nil
	})
}

// plainPorts lists the ports where a URL's API may answer in clear: first the one
// that belongs to it, as 80 to 443, then its usual neighbours. Zero stands for
// the first.
func plainPorts(u *url.URL) []int {
	switch u.Port() {
	case "", "443":
		return []int{0}
	case "8443":
		return []int{0, 8080, 80}
	}
	return []int{0, 80}
}

// plainRequest asks for o in clear, at port. Zero is the port that belongs to the
// target.
func plainRequest(t *scan.Target, o scan.Operation, port int) (scan.Request, string) {
	r := quiet(o)
	r.Plain, r.Port = true, port
	u, err := url.Parse(o.URL)
	if err != nil {
		u = t.Base()
	}
	u.Scheme = "http"
	switch host := u.Hostname(); {
	case port == 80, port == 0 && u.Port() == "443":
		u.Host = bracket(host)
		r.Host = u.Host
	case port > 0:
		u.Host = bracket(host) + ":" + strconv.Itoa(port)
	}
	return r, u.String()
}

func bracket(host string) string {
	if bytes.ContainsRune([]byte(host), ':') {
		return "[" + host + "]"
	}
	return host
}

// lookBesidePlain is for a target whose URL is http: all that it answers is in
// clear, and HTTPS is looked for beside it.
func lookBesidePlain(ctx context.Context, t *scan.Target) (plainView, error) {
	var v plainView
	for _, o := range append([]scan.Operation{rootOperation(t)}, callable(t, plainOperations)...) {
		p := plainTry{Operation: o, Request: quiet(o), Address: o.URL}
		if p.Plain, p.Err = unasked(ctx, t, o); p.Err != nil {
			return v, p.Err
		}
		v.Tries = append(v.Tries, p)
	}
	for i, p := range v.Tries {
		if !application(p.Plain) && i < len(v.Tries)-1 {
			continue
		}
		for _, address := range secureAddresses(p.URL) {
			r, err := t.Do(ctx, scan.Request{Method: p.Method, URL: address, NoRetry: true})
			if err == nil && r.Class == p.Plain.Class {
				v.HTTPS = true
			}
		}
		break
	}
	return v, nil
}

// secureAddresses are where the API of an http URL may answer over HTTPS.
func secureAddresses(address string) []string {
	u, err := url.Parse(address)
	if err != nil {
		return nil
	}
	u.Scheme = "https"
	host := bracket(u.Hostname())
	var list []string
	switch u.Port() {
	case "", "80":
		u.Host = host
		return []string{u.String()}
	case "8080":
		u.Host = host + ":8443"
		list = append(list, u.String())
	default:
		list = append(list, u.String())
	}
	u.Host = host
	return append(list, u.String())
}

// plainEvidence shows what came in clear beside what came over HTTPS.
func plainEvidence(t *scan.Target, p plainTry) scan.Evidence {
	text := heard(p.Method+" "+p.Address, p.Plain, p.Err)
	if p.Secure != nil {
		text = "control: " + heard(p.Method+" "+p.URL, p.Secure, nil) + "\n" + text
	}
	return scan.Evidence{Method: p.Method, URL: p.Address, Text: t.Mask(text), Repeat: curl(p.Method, p.Address)}
}
