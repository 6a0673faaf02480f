package issuer

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// maxBody bounds a request's body. The longest thing in one is a token.
const maxBody = 16 << 10

// readForm reads the parameters of an OAuth endpoint. One that comes twice is
// an error, one without value counts as left out (RFC 6749 §3.2).
func (c *call) readForm() (map[string]string, *failure) { return c.readBody(false) }

// readBody reads a form or, if it may be, a JSON object's strings.
func (c *call) readBody(orJSON bool) (map[string]string, *failure) {
	if len(c.r.Header["Content-Encoding"]) > 0 {
		return nil, wrongType("body has a Content-Encoding")
	}
	kind, params, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || len(c.r.Header["Content-Type"]) != 1 {
		return nil, wrongType("Content-Type is missing or cannot be read")
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return nil, wrongType("charset is not utf-8")
	}
	parse := parseForm
	switch {
	case kind == "application/x-www-form-urlencoded":
	case kind == "application/json" && orJSON:
		parse = parseObject
	default:
		return nil, wrongType("Content-Type is not one that this endpoint takes")
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
		return nil, &failure{status: http.StatusRequestEntityTooLarge, detail: "Content too large", reason: "body is longer than 16 KiB"}
	}
	if err != nil {
		return nil, badRequest("Invalid request", "read body: "+err.Error())
	}
	fields, err := parse(body)
	if err != nil {
		return nil, badRequest("Invalid request", err.Error())
	}
	return fields, nil
}

func wrongType(reason string) *failure {
	return &failure{status: http.StatusUnsupportedMediaType, detail: "Unsupported media type", code: "invalid_request", reason: reason}
}

func parseForm(body []byte) (map[string]string, error) {
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, errors.New("form cannot be parsed")
	}
	fields := map[string]string{}
	for name, v := range values {
		if len(v) > 1 {
			return nil, errors.New("a parameter comes twice")
		}
		if !utf8.ValidString(name) || !utf8.ValidString(v[0]) {
			return nil, errors.New("form is not UTF-8")
		}
		if v[0] != "" {
			fields[name] = v[0]
		}
	}
	return fields, nil
}

// parseObject reads the string members of one JSON object. Others than strings
// are passed over, a member that comes twice is an error.
func parseObject(body []byte) (map[string]string, error) {
	malformed := errors.New("body is not one JSON object")
	if !utf8.Valid(body) {
		return nil, errors.New("body is not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, malformed
	}
	fields, seen := map[string]string{}, map[string]bool{}
	for dec.More() {
		key, err := dec.Token()
		name, isName := key.(string)
		if err != nil || !isName {
			return nil, malformed
		}
		if seen[name] {
			return nil, errors.New("a member comes twice")
		}
		seen[name] = true
		var value any
		if err := dec.Decode(&value); err != nil {
			return nil, malformed
		}
		if s, isString := value.(string); isString && s != "" {
			fields[name] = s
		}
	}
	if _, err := dec.Token(); err != nil {
		return nil, malformed
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, malformed
	}
	return fields, nil
}
