package checks

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/wiretight/wiretight/internal/tlsprobe"
	"github.com/wiretight/wiretight/scan"
)

// tlsEarlyData finds servers that carry out requests with a credential before the
// handshake has ended: whoever recorded the first flight can send it again. A
// ticket that allows early data is none, if such requests get 425 or wait.
var tlsEarlyData = tlsCheck("tls.early-data", func(t *scan.Target, s surveyed) scan.Verdict {
	early := s.EarlyData
	switch {
	case early.Verdict == tlsprobe.NotApplicable:
		return scan.Skip(early.Reason)
	case early.Verdict == tlsprobe.Inconclusive:
		return scan.Unsure("early data: " + early.Reason)
	case early.Verdict == tlsprobe.Refused, early.Status == 425:
		return scan.Pass()
	case early.Status == 0:
		return scan.Unsure("early data was taken, but no answer came to the request in it")
	case !early.Unconfirmed:
		return scan.Pass() // it waited for the end of the handshake
	case early.Status == 404 || early.Status >= 500:
		return scan.Unsure(fmt.Sprintf("%s in early data -> %d, which does not tell what an operation that needs a credential does: name one with --protected", s.early.what, early.Status))
	}
	text := fmt.Sprintf("the ticket allows %d bytes of early data; %s in early data -> %d, before the end of the handshake",
		early.MaxSize, s.early.what, early.Status)
	e := handshakeEvidence(t, text, "-sess_out ticket.pem")
	e.Repeat = strings.Join([]string{e.Repeat, strings.Replace(e.Repeat, "-sess_out", "-sess_in", 1)}, " && ")
	e.Repeat = strings.TrimSuffix(e.Repeat, " </dev/null") + " -early_data request.txt </dev/null"
	if early.Status < 200 || early.Status > 299 || !s.early.genuine {
		e.Confidence = "medium"
		e.Text += "\nthe API judged the credential, and did not answer 425 Too Early"
	}
	return scan.Find(e)
})

// earlyRequest is the GET that goes as early data.
type earlyRequest struct {
	bytes   []byte
	what    string
	genuine bool
}

// newEarlyRequest makes a GET with a credential: the genuine one on loopback,
// since the probe does not ask the server who it is, and a made-up one elsewhere.
func newEarlyRequest(t *scan.Target) earlyRequest {
	operation, credential, cookie := rootOperation(t), canaryToken(), ""
	r := earlyRequest{what: "a made-up token"}
	for _, o := range callable(t, 1) {
		operation = o
	}
	if list := t.Protected(); len(list) > 0 && list[0].Method == "GET" {
		operation, cookie = list[0].Operation, list[0].Cookie
		if token, ok := t.Token(); ok && t.Loopback() {
			credential, r.what, r.genuine = string(token.Raw.Reveal()), "the genuine token", true
		}
	}
	u, err := url.Parse(operation.URL)
	if err != nil {
		u = t.Base()
	}
	r.what = "GET " + u.RequestURI() + " with " + r.what
	header := "Authorization: Bearer " + credential
	if cookie != "" {
		header = "Cookie: " + cookie + "=" + credential
	}
	r.bytes = fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\nConnection: close\r\n\r\n", u.RequestURI(), u.Host, header)
	return r
}
