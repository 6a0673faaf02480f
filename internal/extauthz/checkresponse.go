package extauthz

import (
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/wiretight/wiretight/guard"
)

// What Envoy is to do where a header is there already
// (HeaderValueOption.HeaderAppendAction).
type action int

const (
	addToIt   action = 0
	ifAbsent  action = 1
	overwrite action = 2
)

// Codes of gRPC (google.rpc.Code).
const (
	codeOK                = 0
	codeDeadlineExceeded  = 4
	codeNotFound          = 5
	codePermissionDenied  = 7
	codeResourceExhausted = 8
	codeUnimplemented     = 12
	codeInternal          = 13
	codeUnauthenticated   = 16
)

// appendCheckResponse adds an envoy.service.auth.v3.CheckResponse.
func appendCheckResponse(m []byte, d *guard.Decision, sent http.Header) []byte {
	if d.Allowed {
		m = appendMessage(m, 1, nil) // status OK
		return appendMessage(m, 3, okResponse(d, sent))
	}
	code := codePermissionDenied
	if d.Status == http.StatusUnauthorized {
		code = codeUnauthenticated
	}
	m = appendMessage(m, 1, appendNumber(nil, 1, code))
	return appendMessage(m, 2, deniedResponse(d))
}

// okResponse is an OkHttpResponse. Envoy removes headers after it has set
// others, so that no name may be in both lists.
func okResponse(d *guard.Decision, sent http.Header) (m []byte) {
	remove := make([]string, 0, len(d.Remove)+2)
	for name, values := range d.Identity {
		switch {
		case values[0] == "" && len(sent[name]) > 0:
			remove = append(remove, strings.ToLower(name))
		case values[0] != "" && !slices.Equal(values, sent[name]):
			m = appendHeader(m, 2, name, values[0], overwrite)
		}
	}
	for _, name := range d.Remove {
		if name = strings.ToLower(name); !envoysOwn[name] {
			remove = append(remove, name)
		}
	}
	slices.Sort(remove)
	for _, name := range slices.Compact(remove) {
		m = appendText(m, 5, name)
	}
	return appendHeaders(m, 6, d.Header)
}

// envoysOwn are headers that Envoy has set itself before it asks.
var envoysOwn = map[string]bool{
	"x-forwarded-for": true, "x-forwarded-proto": true, "x-request-id": true,
	"x-envoy-internal": true, "x-envoy-external-address": true,
}

// deniedResponse is a DeniedHttpResponse.
func deniedResponse(d *guard.Decision) []byte {
	m := appendMessage(nil, 1, appendNumber(nil, 1, d.Status))
	m = appendHeaders(m, 2, d.Header)
	return appendText(m, 3, string(d.Body))
}

// appendHeaders adds the headers of the answer that the client will get.
func appendHeaders(m []byte, number protowire.Number, h http.Header) []byte {
	for name, values := range h {
		if name == "Content-Length" {
			continue // Envoy counts
		}
		do := overwrite
		switch {
		case name == "Vary":
			do = addToIt
		case name == "Cache-Control" && number == 6:
			do = ifAbsent
		}
		for _, v := range values {
			m = appendHeader(m, number, name, v, do)
			if do == overwrite {
				do = addToIt
			}
		}
	}
	return m
}

// appendHeader adds a HeaderValueOption.
func appendHeader(m []byte, number protowire.Number, name, value string, do action) []byte {
	h := make([]byte, 0, len(name)+len(value)+8)
	h = appendText(h, 1, strings.ToLower(name))
	if utf8.ValidString(value) {
		h = appendText(h, 2, value)
	} else {
		h = appendText(h, 3, value)
	}
	option := appendMessage(make([]byte, 0, len(h)+16), 1, h)
	if do == addToIt {
		// Envoys of all ages take this for adding; some overwrite without it.
		option = appendMessage(option, 2, appendNumber(nil, 1, 1))
	}
	return appendMessage(m, number, appendNumber(option, 3, int(do)))
}
