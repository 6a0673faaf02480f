package redact_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/wiretight/wiretight/internal/redact"
)

// canary is a secret that no sink may show, in whole, in its bytes as numbers,
// in hex or in base64.
const canary = "canary-7f3e91"

// traces are the forms in which a printer could give the canary away.
var traces = []string{
	canary, "7f3e91", "63616e617279", "63 61 6e 61", "0x63, 0x61", "[99 97 110", "99, 97, 110", "99,97,110",
	"Y2FuYXJ5", "63616E617279",
}

func mustHide(t *testing.T, sink, got string) {
	t.Helper()
	for _, trace := range traces {
		if strings.Contains(got, trace) {
			t.Errorf("%s: got %q, want no %q in it", sink, got, trace)
		}
	}
}

type account struct {
	Name   string
	Secret redact.Text
	hidden redact.Text
	Deep   *account
	list   []redact.Text
	byName map[string]redact.Text
	any    any
}

func newAccount() account {
	s := redact.NewText(canary)
	inner := account{Name: "in", Secret: s, hidden: s}
	return account{
		Name: "out", Secret: s, hidden: s, Deep: &inner, list: []redact.Text{s},
		byName: map[string]redact.Text{"a": s}, any: s,
	}
}

func TestTextIsNeverPrinted(t *testing.T) {
	t.Parallel()
	s := redact.NewText(canary)
	values := map[string]any{
		"value": s, "pointer": &s, "struct": newAccount(), "unexported": struct{ s redact.Text }{s},
		"slice": []redact.Text{s}, "map": map[string]redact.Text{"k": s}, "array": [1]redact.Text{s},
	}
	verbs := []string{
		"%v", "%+v", "%#v", "%s", "%q", "%+q", "%#q", "%x", "%X", "% x", "%#x", "%d", "%c", "%U", "%t", "%e",
		"%o", "%b", "%T", "%p", "%10v", "%-40.3s", "%!", "%w",
	}
	for kind, value := range values {
		for _, verb := range verbs {
			mustHide(t, kind+" "+verb, fmt.Sprintf(verb, value))
		}
		mustHide(t, kind+" Sprint", fmt.Sprint(value))
		mustHide(t, kind+" Errorf", fmt.Errorf("with %w and %v", errors.New("cause"), value).Error())
		for name, encode := range encoders() {
			// Encoders that refuse the value have printed nothing either.
			out, _ := encode(value)
			mustHide(t, kind+" "+name, out)
		}
	}
}

func encoders() map[string]func(any) (string, error) {
	return map[string]func(any) (string, error){
		"json": func(v any) (string, error) { b, err := json.Marshal(v); return string(b), err },
		"xml":  func(v any) (string, error) { b, err := xml.Marshal(v); return string(b), err },
		"gob": func(v any) (string, error) {
			var b bytes.Buffer
			err := gob.NewEncoder(&b).Encode(v)
			return b.String(), err
		},
		"slog text": func(v any) (string, error) {
			var b bytes.Buffer
			slog.New(slog.NewTextHandler(&b, nil)).Info("m", "v", v)
			return b.String(), nil
		},
		"slog json": func(v any) (string, error) {
			var b bytes.Buffer
			slog.New(slog.NewJSONHandler(&b, nil)).Info("m", "v", v)
			return b.String(), nil
		},
		"masked slog": func(v any) (string, error) {
			var b bytes.Buffer
			slog.New(redact.NewHandler(slog.NewJSONHandler(&b, nil))).Info("m", "v", v)
			return b.String(), nil
		},
	}
}

func TestTextPrintsAsRedacted(t *testing.T) {
	t.Parallel()
	s := redact.NewText(canary)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(verb, s); got != redact.Redacted {
			t.Errorf("Sprintf(%q) = %q, want %q", verb, got, redact.Redacted)
		}
	}
	got, err := json.Marshal(map[string]any{"a": s, "b": &s})
	if want := `{"a":"[redacted]","b":"[redacted]"}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

func TestTextReveals(t *testing.T) {
	t.Parallel()
	given := []byte(canary)
	s := redact.NewText(given)
	clear(given)
	if got := string(s.Reveal()); got != canary {
		t.Errorf("Reveal() = %q, want %q though the caller's bytes were cleared", got, canary)
	}
	clear(s.Reveal())
	if got := string(s.Reveal()); got != canary {
		t.Errorf("Reveal() = %q, want %q though what was revealed before was cleared", got, canary)
	}
	var zero redact.Text
	if !zero.Empty() || len(zero.Reveal()) != 0 || zero.String() != redact.Redacted || s.Empty() {
		t.Error("the zero Text must be empty and print like any other")
	}
	if !s.Equal(redact.NewText(canary)) || s.Equal(zero) || !zero.Equal(redact.NewText("")) {
		t.Error("Equal must compare what is revealed")
	}
	other := s
	other.Wipe()
	zero.Wipe()
	if got := string(s.Reveal()); strings.Trim(got, "\x00") != "" {
		t.Errorf("Reveal() after Wipe of a copy = %q, want zero bytes", got)
	}
}
