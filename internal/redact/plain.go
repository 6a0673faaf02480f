package redact

import (
	"crypto"
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"strings"
	"unicode/utf8"
)

// The bounds of a copied value: its depth, its parts, the bytes of one text and
// of all.
const (
	depthMax   = 8
	partsMax   = 512
	textMax    = 8 << 10
	allTextMax = 64 << 10
)

// plain copies a value into masked maps, slices, texts and numbers.
type plain struct {
	parts, text int
}

func newPlain() *plain { return &plain{parts: partsMax, text: allTextMax} }

// value copies x. The copy of a value that panics says so.
func (p *plain) value(x any) (masked any) {
	defer func() {
		if reason := recover(); reason != nil {
			masked = p.string(fmt.Sprintf("panic in %T", x))
		}
	}()
	return p.copy(reflect.ValueOf(x), 0)
}

func (p *plain) copy(v reflect.Value, depth int) any {
	if p.parts--; depth > depthMax || p.parts < 0 || p.text <= 0 {
		return ellipsis
	}
	switch v.Kind() {
	case reflect.Invalid:
		return nil
	case reflect.Pointer, reflect.Interface, reflect.Map, reflect.Slice:
		if v.IsNil() {
			return nil
		}
	}
	if v.CanInterface() {
		if masked, known := p.known(v.Interface(), depth); known {
			return masked
		}
	}
	return p.kind(v, depth)
}

// known copies values that say themselves how they are shown, in the order in
// which slog's own handlers ask.
func (p *plain) known(x any, depth int) (any, bool) {
	switch x := x.(type) {
	case slog.LogValuer:
		return p.logged(slog.AnyValue(x).Resolve(), depth), true
	case error:
		return p.string(x.Error()), true
	case interface{ Public() crypto.PublicKey }: // a private key
		return Redacted, true
	case encoding.TextMarshaler:
		text, err := x.MarshalText()
		return p.marshaled(text, err), true
	case json.Marshaler:
		text, err := x.MarshalJSON()
		return p.marshaled(text, err), true
	case fmt.Formatter:
		return p.string(fmt.Sprintf("%+v", x)), true
	case fmt.Stringer:
		if t := reflect.Indirect(reflect.ValueOf(x)).Type(); t.PkgPath() == "net/http" && t.Name() == "Cookie" {
			return Redacted, true // any name may be a session's
		}
		return p.string(x.String()), true
	case []byte:
		return p.string(string(x)), true
	}
	return nil, false
}

func (p *plain) marshaled(text []byte, err error) string {
	if err != nil {
		return p.string("!ERROR: " + err.Error())
	}
	return p.string(string(text))
}

func (p *plain) logged(v slog.Value, depth int) any {
	if v.Kind() != slog.KindGroup {
		return p.copy(reflect.ValueOf(v.Any()), depth+1)
	}
	members := make(map[string]any, len(v.Group()))
	for _, a := range v.Group() {
		members[p.string(a.Key)] = p.named(a.Key, reflect.ValueOf(a.Value.Resolve().Any()), depth)
	}
	return members
}

func (p *plain) kind(v reflect.Value, depth int) any {
	switch v.Kind() {
	case reflect.Bool:
		return v.Bool()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int()
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return v.Uint()
	case reflect.Float32, reflect.Float64:
		return number(v.Float())
	case reflect.String:
		return p.string(v.String())
	case reflect.Pointer, reflect.Interface:
		return p.copy(v.Elem(), depth+1)
	case reflect.Struct:
		return p.fields(v, depth)
	case reflect.Map:
		return p.entries(v, depth)
	case reflect.Slice, reflect.Array:
		return p.elements(v, depth)
	default:
		return v.Type().String()
	}
}

// number keeps what JSON has no number for from failing there.
func number(f float64) any {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return fmt.Sprint(f)
	}
	return f
}

// named copies a value that has a name, which may be that of a secret.
func (p *plain) named(name string, v reflect.Value, depth int) any {
	if nameOf(name) != ordinary {
		return Redacted
	}
	return p.copy(v, depth+1)
}

// fields copies what is exported of a struct, under its names in JSON.
func (p *plain) fields(v reflect.Value, depth int) any {
	members := make(map[string]any)
	for i := range v.NumField() {
		field := v.Type().Field(i)
		tag, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if !field.IsExported() || tag == "-" {
			continue
		}
		if tag == "" {
			tag = field.Name
		}
		if nameOf(field.Name) != ordinary {
			members[p.string(tag)] = Redacted
			continue
		}
		members[p.string(tag)] = p.named(tag, v.Field(i), depth)
	}
	return members
}

func (p *plain) entries(v reflect.Value, depth int) any {
	members := make(map[string]any)
	for entries := v.MapRange(); entries.Next(); {
		if p.parts <= 0 {
			members[ellipsis] = ellipsis
			break
		}
		name := fmt.Sprint(p.copy(entries.Key(), depth+1))
		members[name] = p.named(name, entries.Value(), depth)
	}
	return members
}

func (p *plain) elements(v reflect.Value, depth int) any {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		if v.Kind() == reflect.Slice {
			return p.string(string(v.Bytes()))
		}
		return fmt.Sprintf("[%d bytes]", v.Len())
	}
	members := make([]any, 0, min(v.Len(), partsMax))
	for i := range v.Len() {
		if p.parts <= 0 {
			members = append(members, ellipsis)
			break
		}
		members = append(members, p.copy(v.Index(i), depth+1))
	}
	return members
}

// string masks a text, then cuts it to the bound.
func (p *plain) string(s string) string {
	s = clean(s)
	if limit := max(0, min(textMax, p.text)); len(s) > limit {
		for limit > 0 && !utf8.RuneStart(s[limit]) {
			limit--
		}
		s = s[:limit] + ellipsis
	}
	p.text -= len(s)
	return s
}
