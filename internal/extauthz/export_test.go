package extauthz

import "time"

// WaitForMessages sets how long a message may take to come, before any call.
func (a *Authorizer) WaitForMessages(d time.Duration) { a.messageWait = d }

// Fields is what a question needs of a CheckRequest.
type Fields struct {
	Method, Path, Host, Scheme string
	HTTP                       bool
	Headers                    map[string]string
	Raw                        [][2]string
	Socket                     bool
	Address, Certificate, SNI  string
}

// ParseCheckRequest is the decoder.
func ParseCheckRequest(m []byte) (Fields, error) {
	c, err := parseCheckRequest(m)
	f := Fields{c.method, c.path, c.host, c.scheme, c.http, c.headers, c.raw, c.socket, c.address, c.certificate, c.sni}
	if !c.socket {
		f.Address = ""
	}
	return f, err
}
