package extauthz

import (
	"encoding/pem"
	"net/http"
	"net/netip"
	"net/textproto"
	"net/url"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/wiretight/wiretight/guard"
)

// checkRequest is what a question needs of envoy.service.auth.v3.CheckRequest.
type checkRequest struct {
	method, path, host, scheme string
	http                       bool              // it has an HTTP request at all
	headers                    map[string]string // merged, as Envoy sends them by default
	raw                        [][2]string       // as they came, with encode_raw_headers
	socket                     bool              // the client is known by an address
	address                    string
	certificate                string // PEM in URL encoding
	sni                        string
}

// parseCheckRequest reads a message as the published type does: the last of
// several values counts, and embedded messages merge.
func parseCheckRequest(m []byte) (c checkRequest, err error) {
	err = each(m, func(number protowire.Number, data []byte) error {
		if number != 1 {
			return nil
		}
		return each(data, c.attribute)
	})
	return c, err
}

// attribute reads a field of AttributeContext.
func (c *checkRequest) attribute(number protowire.Number, data []byte) error {
	switch number {
	case 1: // source
		return each(data, c.peer)
	case 4: // request
		return each(data, func(number protowire.Number, data []byte) error {
			if number != 2 {
				return nil
			}
			c.http = true
			return each(data, c.request)
		})
	case 12: // tls_session
		return each(data, func(number protowire.Number, data []byte) error {
			if number != 1 {
				return nil
			}
			return text(&c.sni, data)
		})
	}
	return nil
}

// peer reads a field of AttributeContext.Peer.
func (c *checkRequest) peer(number protowire.Number, data []byte) error {
	switch number {
	case 1: // an address of one of three kinds
		return each(data, func(number protowire.Number, data []byte) error {
			switch number {
			case 1:
				if !c.socket {
					c.socket, c.address = true, ""
				}
				return each(data, func(number protowire.Number, data []byte) error {
					if number != 2 {
						return nil
					}
					return text(&c.address, data)
				})
			case 2, 3:
				c.socket = false
			}
			return nil
		})
	case 5:
		return text(&c.certificate, data)
	}
	return nil
}

// request reads a field of AttributeContext.HttpRequest.
func (c *checkRequest) request(number protowire.Number, data []byte) error {
	switch number {
	case 2:
		return text(&c.method, data)
	case 3:
		return c.entry(data)
	case 4:
		return text(&c.path, data)
	case 5:
		return text(&c.host, data)
	case 6:
		return text(&c.scheme, data)
	case 13:
		return each(data, func(number protowire.Number, data []byte) error {
			if number != 1 {
				return nil
			}
			return c.rawHeader(data)
		})
	}
	return nil
}

// entry reads an entry of the map of merged headers.
func (c *checkRequest) entry(m []byte) error {
	var name, value string
	err := each(m, func(number protowire.Number, data []byte) error {
		switch number {
		case 1:
			return text(&name, data)
		case 2:
			return text(&value, data)
		}
		return nil
	})
	if c.headers == nil {
		c.headers = make(map[string]string, 16)
	}
	c.headers[name] = value
	return err
}

// rawHeader reads a HeaderValue. Its raw value may be any bytes.
func (c *checkRequest) rawHeader(m []byte) error {
	var name, value, raw string
	err := each(m, func(number protowire.Number, data []byte) error {
		switch number {
		case 1:
			return text(&name, data)
		case 2:
			return text(&value, data)
		case 3:
			raw = string(data)
		}
		return nil
	})
	if raw == "" {
		raw = value
	}
	c.raw = append(c.raw, [2]string{name, raw})
	return err
}

// question is what Envoy asks. Whatever is not of one mind makes it unclear.
func (c *checkRequest) question(asker netip.Addr) guard.Question {
	q := guard.Question{
		Asker: asker, Method: c.method, Host: c.host, Target: c.path,
		ServerName: c.sni, Header: make(http.Header, len(c.headers)+len(c.raw)),
	}
	if !c.http {
		q.Unclear = "Envoy sends no HTTP request"
		return q
	}
	if c.socket {
		var ok bool
		if q.Client, ok = address(c.address); !ok {
			q.Unclear = "source.address is no address"
		}
	}
	if c.certificate != "" {
		if q.Certificate = certificate(c.certificate); q.Certificate == nil {
			q.Unclear = "source.certificate is no certificate"
		}
	}
	for name, value := range c.headers {
		c.header(&q, name, value, true)
	}
	for _, h := range c.raw {
		c.header(&q, h[0], h[1], false)
	}
	q.Scheme = c.secure(q.Header["X-Forwarded-Proto"])
	return q
}

// secure is the scheme that the client used: https only if nothing that Envoy
// says is against it.
func (c *checkRequest) secure(forwarded []string) string {
	scheme := strings.ToLower(c.scheme)
	for _, f := range forwarded {
		switch f = strings.ToLower(f); {
		case scheme == "":
			scheme = f
		case f != scheme:
			scheme = "http"
		}
	}
	return scheme
}

// certificate decodes a certificate in PEM in URL encoding.
func certificate(s string) []byte {
	s, err := url.PathUnescape(s)
	if err != nil {
		return nil
	}
	block, _ := pem.Decode([]byte(s))
	if block == nil || block.Type != "CERTIFICATE" {
		return nil
	}
	return block.Bytes
}

// single are fields that one request has once, and in which no comma belongs.
// Envoy joins what comes more often with one, which parts it again here.
var single = map[string]bool{
	"Authorization": true, "Dpop": true, "Origin": true, "Sec-Fetch-Site": true, "Content-Length": true,
	"Access-Control-Request-Method": true,
}

// header adds a header of the client, merged or not.
func (c *checkRequest) header(q *guard.Question, name, value string, merged bool) {
	if strings.HasPrefix(name, ":") || strings.EqualFold(name, "host") {
		if same, known := c.pseudo(strings.ToLower(name)); known && value != same {
			q.Unclear = "Envoy says two things about " + name
		}
		return
	}
	if !validName(name) || !validValue(value) {
		q.Unclear = "a header holds bytes that no header can have"
		return
	}
	name = textproto.CanonicalMIMEHeaderKey(name)
	if merged && single[name] && strings.IndexByte(value, ',') >= 0 {
		q.Header[name] = append(q.Header[name], strings.Split(value, ",")...)
		return
	}
	q.Header[name] = append(q.Header[name], value)
}

// pseudo is what else Envoy says about a pseudo header.
func (c *checkRequest) pseudo(name string) (value string, known bool) {
	switch name {
	case ":method":
		return c.method, true
	case ":path":
		return c.path, true
	case ":authority", "host":
		return c.host, true
	case ":scheme":
		return c.scheme, c.scheme != ""
	}
	return "", false
}

// validName accepts tokens (RFC 9110 §5.6.2).
func validName(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || strings.IndexByte(`"(),/:;<=>?@[\]{}`, s[i]) >= 0 {
			return false
		}
	}
	return s != ""
}

// validValue accepts everything but control bytes (RFC 9110 §5.5).
func validValue(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return false
		}
	}
	return true
}
