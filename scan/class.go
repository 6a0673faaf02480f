package scan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/bits"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// What one body's shape is worth.
const (
	maxShapeBody  = 128 << 10 // longer ones are told apart by their length
	maxShapeKeys  = 2000
	maxShapeDepth = 32
	maxShapeText  = 4 << 10
)

func classOf(r *Response, media string) Class {
	return Class{Status: r.Status, Media: media, Shape: shape(r.Body, media)}
}

func shape(body []byte, media string) string {
	switch {
	case len(body) == 0:
		return ""
	case len(body) > maxShapeBody:
	case media == "application/json" || strings.HasSuffix(media, "+json") || looksJSON(body):
		if keys, ok := keySet(body); ok {
			return keys
		}
	}
	if len(body) > maxShapeText {
		return fmt.Sprintf("about 2^%d bytes", bits.Len(uint(len(body))))
	}
	sum := sha256.Sum256([]byte(steadyText(body)))
	return "text " + hex.EncodeToString(sum[:6])
}

func looksJSON(body []byte) bool {
	b := bytes.TrimSpace(body)
	return len(b) > 0 && (b[0] == '{' || b[0] == '[')
}

// changing is what differs between two answers that mean the same: numbers,
// dates, and long runs of hexadecimal or base64 digits.
var changing = regexp.MustCompile(`[A-Za-z0-9_+/=-]*[0-9][A-Za-z0-9_+/=-]*|[0-9A-Fa-f]{8,}|[A-Za-z0-9_+/=-]{24,}`)

func steadyText(body []byte) string {
	return strings.Join(strings.Fields(changing.ReplaceAllString(string(body), "#")), " ")
}

// keySet writes the set of all paths to members in a JSON text, sorted, after the
// kind of the whole. Arrays count as one element with the members of all. The
// text is read as a stream: a hostile one costs time, but no memory.
func keySet(body []byte) (string, bool) {
	w := &keyWalk{d: json.NewDecoder(bytes.NewReader(body)), set: map[string]bool{}}
	w.d.UseNumber()
	if err := w.value("", 0); err != nil {
		return "", false
	}
	if _, err := w.d.Token(); !errors.Is(err, io.EOF) {
		return "", false
	}
	text := "json " + strings.Join(slices.Sorted(maps.Keys(w.set)), " ")
	if len(text) > 512 {
		sum := sha256.Sum256([]byte(text))
		text = "json of " + hex.EncodeToString(sum[:6])
	}
	return text, true
}

type keyWalk struct {
	d   *json.Decoder
	set map[string]bool
}

func (w *keyWalk) add(k string) {
	if len(w.set) < maxShapeKeys {
		w.set[k] = true
	}
}

func (w *keyWalk) value(at string, depth int) error {
	t, err := w.d.Token()
	if err != nil {
		return err
	}
	if depth > maxShapeDepth {
		return errors.New("nested too deeply")
	}
	if at == "" {
		w.add(kind(t))
	}
	switch t {
	case json.Delim('{'):
		for w.d.More() {
			k, err := w.d.Token()
			if err != nil {
				return err
			}
			name, _ := k.(string)
			name = at + "." + steadyKey(name)
			w.add(name)
			if err := w.value(name, depth+1); err != nil {
				return err
			}
		}
	case json.Delim('['):
		for w.d.More() {
			if err := w.value(at+"[]", depth+1); err != nil {
				return err
			}
		}
	default:
		return nil
	}
	_, err = w.d.Token() // the closing bracket
	return err
}

func kind(t json.Token) string {
	switch t := t.(type) {
	case json.Delim:
		return map[json.Delim]string{'{': "{}", '[': "[]"}[t]
	case string:
		return "string"
	case bool:
		return fmt.Sprint(t)
	case nil:
		return "null"
	}
	return "number"
}

// steadyKey replaces a key that is itself a value, as an identifier is.
func steadyKey(k string) string {
	if len(k) > 64 || changing.MatchString(k) && strings.ContainsFunc(k, unicode.IsDigit) && len(k) > 6 {
		return "*"
	}
	return strings.ReplaceAll(k, " ", "_")
}

// words are the words of a text by which one kind of answer may be told from
// another.
func words(body []byte) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.FieldsFunc(string(body), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '-' && r != '@'
	}) {
		if len(w) >= 2 && len(w) <= 64 && len(set) < maxShapeKeys {
			set[w] = true
		}
	}
	return set
}
