package redact

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// Text is a secret that cannot be printed: by whatever verb of fmt, encoder or
// logger it is written, it gives "[redacted]". Only Reveal gives the secret.
//
// The zero value is an empty secret. Copies share the secret, and Wipe clears
// all of them. Reveal and Equal may be called at once from many goroutines,
// Wipe only when no other call is under way.
type Text struct {
	// A closure, because fmt and other printers reach unexported fields by
	// reflection, without calling the methods below, and print what they find.
	secret func() []byte
}

// NewText keeps a copy of secret. The caller may clear its own.
func NewText[S ~string | ~[]byte](secret S) Text {
	kept := append([]byte{}, secret...)
	return Text{secret: func() []byte { return kept }}
}

// Reveal returns a copy of the secret.
func (t Text) Reveal() []byte { return append([]byte{}, t.bytes()...) }

// Empty tells whether there is no secret.
func (t Text) Empty() bool { return len(t.bytes()) == 0 }

// Equal compares two secrets in a time that depends on their lengths only.
func (t Text) Equal(u Text) bool { return subtle.ConstantTimeCompare(t.bytes(), u.bytes()) == 1 }

// Wipe overwrites the secret, in every copy of t, with zero bytes. What Reveal
// returned before stays with those who asked for it.
func (t Text) Wipe() { clear(t.bytes()) }

func (t Text) bytes() []byte {
	if t.secret == nil {
		return nil
	}
	return t.secret()
}

// String returns "[redacted]".
func (Text) String() string { return Redacted }

// GoString returns "[redacted]".
func (Text) GoString() string { return Redacted }

// Format writes "[redacted]" for every verb and flag.
func (Text) Format(f fmt.State, _ rune) {
	// The error of a fmt.State is fmt's to report.
	_, _ = io.WriteString(f, Redacted)
}

// MarshalText returns "[redacted]".
func (Text) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// MarshalJSON returns "[redacted]" as a JSON string.
func (Text) MarshalJSON() ([]byte, error) { return []byte(`"` + Redacted + `"`), nil }

// MarshalBinary returns "[redacted]", for encoding/gob and its like.
func (Text) MarshalBinary() ([]byte, error) { return []byte(Redacted), nil }

// LogValue returns "[redacted]".
func (Text) LogValue() slog.Value { return slog.StringValue(Redacted) }
