package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/wiretight/wiretight/internal/redact"
	"github.com/wiretight/wiretight/internal/token"
)

// inspection is what a token says, in a form that can be shown to anybody: no
// signature, no secret, no character that a terminal would obey. The token is
// read as the sloppiest verifier might read it; Strict is what ours says.
type inspection struct {
	Token    string         `json:"token"` // as redact.Token shows it
	Bytes    int            `json:"bytes"`
	Header   members        `json:"header"`
	Claims   members        `json:"claims"`
	Times    []timed        `json:"times"`
	Strict   strictly       `json:"strict_parser"`
	Findings []tokenFinding `json:"findings"`
	Notes    []string       `json:"notes"`

	// For the checks only.
	parts decodedToken
	now   time.Time
	// secret is what the token was signed with, if that could be guessed.
	secret redact.Text
	// guessed tells that it could, even if the secret is empty.
	guessed bool
}

// strictly is the verdict of the parser that the guard uses.
type strictly struct {
	WellFormed bool   `json:"well_formed"`
	Reason     string `json:"reason,omitempty"`
}

// timed is a claim that holds a time.
type timed struct {
	Claim string `json:"claim"`
	At    string `json:"at,omitempty"` // RFC 3339, if it is a time
	Says  string `json:"says"`
}

// tokenFinding is one check that the token would fail.
type tokenFinding struct {
	ID       string `json:"id"`
	Severity string `json:"severity"`
	Title    string `json:"title"`
	Detail   string `json:"detail"`
}

// decodedToken is a token taken apart without judgement.
type decodedToken struct {
	raw            string
	header, claims members // as they stand in the token
	signature      []byte
	signed         bool // there is a third part, and it is not empty
	encrypted      bool
}

// inspect takes raw apart. The error says that it is no token at all, and
// quotes nothing of it. ctx bounds the search for a weak secret.
func inspect(ctx context.Context, raw string, now time.Time) (*inspection, error) {
	d, err := decodeLoosely(raw)
	if err != nil {
		return nil, err
	}
	i := &inspection{
		Token: redact.Token(raw), Bytes: len(raw), Header: d.header.shown(), Claims: d.claims.shown(),
		Times: d.times(now), Findings: []tokenFinding{}, Notes: []string{}, parts: d, now: now,
	}
	if _, err := token.Parse(raw, token.Limits{}); err != nil {
		i.Strict.Reason = printable(redact.Mask(err.Error()))
	} else {
		i.Strict.WellFormed = true
	}
	if d.encrypted {
		i.Notes = append(i.Notes, "the token is encrypted (JWE): its claims cannot be read without the key, and the guard takes signed tokens only.")
		return i, nil
	}
	i.guess(ctx)
	i.check()
	return i, nil
}

func decodeLoosely(raw string) (d decodedToken, err error) {
	d.raw = raw
	parts := strings.Split(raw, ".")
	if len(parts) < 2 || len(parts) > 5 {
		return d, errors.New("this is no token: a JWT has three parts with dots between them, header.payload.signature")
	}
	d.encrypted = len(parts) == 5
	header, ok := decodeSegment(parts[0])
	if !ok {
		return d, errors.New("this is no token: the part before the first dot is not base64url")
	}
	if d.header, err = readMembers(header); err != nil {
		return d, errors.New("this is no token: the part before the first dot is not a JSON object in base64url")
	}
	if !d.encrypted {
		if payload, ok := decodeSegment(parts[1]); ok {
			d.claims, _ = readMembers(payload) // an opaque payload has no claims
		}
	}
	if len(parts) >= 3 {
		last := parts[len(parts)-1]
		d.signature, _ = decodeSegment(last) // unreadable: of unknown length
		d.signed = last != ""
	}
	return d, nil
}

// decodeSegment reads any spelling of base64 that some library takes.
func decodeSegment(s string) ([]byte, bool) {
	s = strings.NewReplacer("+", "-", "/", "_", "\n", "", "\r", "").Replace(strings.TrimRight(s, "="))
	b, err := base64.RawURLEncoding.DecodeString(s)
	return b, err == nil
}

// member is one member of a JSON object.
type member struct {
	name  string
	value json.RawMessage
}

// members keeps order and repetitions, which a map would hide.
type members []member

func readMembers(object []byte) (members, error) {
	dec := json.NewDecoder(bytes.NewReader(object))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("no JSON object")
	}
	ms := members{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		var value bytes.Buffer
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, err
		}
		if err := json.Compact(&value, raw); err != nil {
			return nil, err
		}
		ms = append(ms, member{name.(string), value.Bytes()})
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	return ms, nil
}

// last is the value that most parsers take: the last of its name.
func (ms members) last(name string) (json.RawMessage, bool) {
	for i := len(ms) - 1; i >= 0; i-- {
		if ms[i].name == name {
			return ms[i].value, true
		}
	}
	return nil, false
}

// text is a member that is a string, or empty.
func (ms members) text(name string) (s string) {
	v, _ := ms.last(name)
	if err := json.Unmarshal(v, &s); err != nil {
		return ""
	}
	return s
}

// number is a member that is a number.
func (ms members) number(name string) (f float64, ok bool) {
	v, found := ms.last(name)
	if !found || string(v) == "null" {
		return 0, false
	}
	err := json.Unmarshal(v, &f)
	return f, err == nil
}

// shown masks secrets and makes everything printable.
func (ms members) shown() members {
	out := make(members, len(ms))
	for i, m := range ms {
		name := printable(redact.Mask(m.name))
		quoted, _ := json.Marshal(m.name) // a string always encodes
		value := json.RawMessage(redacted)
		if sensitive(m.name, m.value, 0) != "secret" {
			masked := redact.Mask(string(quoted) + ":" + string(m.value))
			if rest, ok := strings.CutPrefix(masked, string(quoted)+":"); ok && json.Valid([]byte(rest)) {
				value = json.RawMessage(printable(rest))
			}
		}
		out[i] = member{name, value}
	}
	return out
}

const redacted = `"` + redact.Redacted + `"`

// MarshalJSON writes the members as an object, in their order.
func (ms members) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, m := range ms {
		if i > 0 {
			b = append(b, ',')
		}
		name, err := json.Marshal(m.name)
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, name...), ':'), m.value...)
	}
	return append(b, '}'), nil
}

// printable writes what a terminal might obey, or what would not be seen, as
// JSON's escapes.
func printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == utf8.RuneError, !unicode.IsPrint(r) && r > 0xffff:
			b.WriteString(`\ufffd`)
		case !unicode.IsPrint(r):
			const hex = "0123456789abcdef"
			b.Write([]byte{'\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15]})
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// times says what the token's times mean now.
func (d *decodedToken) times(now time.Time) []timed {
	all := []timed{}
	for _, c := range []struct{ name, past, future string }{
		{"iat", "issued %s ago", "issued %s from now: a clock is wrong"},
		{"nbf", "valid since %s", "not valid for another %s"},
		{"auth_time", "logged in %s ago", "logged in %s from now: a clock is wrong"},
		{"exp", "expired %s ago", "expires in %s"},
	} {
		if _, ok := d.claims.last(c.name); !ok {
			continue
		}
		seconds, ok := d.claims.number(c.name)
		switch {
		case !ok:
			all = append(all, timed{Claim: c.name, Says: "not a number: verifiers cannot agree on what it means"})
		case seconds >= 1e11 && seconds < 1e14:
			all = append(all, timed{Claim: c.name, Says: "looks like milliseconds; RFC 7519 counts seconds, so this is thousands of years away"})
		case math.Abs(seconds) >= 1e11:
			all = append(all, timed{Claim: c.name, Says: "not a sensible time"})
		default:
			at := unixTime(seconds)
			says := c.past
			if at.After(now) {
				says = c.future
			}
			all = append(all, timed{c.name, at.UTC().Format(time.RFC3339), strings.Replace(says, "%s", span(now.Sub(at)), 1)})
		}
	}
	return all
}

func unixTime(seconds float64) time.Time {
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*1e9))
}
