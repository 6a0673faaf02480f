package extauthz

import (
	"errors"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// Protocol Buffers by hand. The published types link reflection, gRPC and half
// of Envoy's interfaces, which doubles the program; of all that, a question
// needs a dozen fields.

// field is one field of a message: data for length-delimited ones.
type field struct {
	number protowire.Number
	kind   protowire.Type
	data   []byte
}

var errText = errors.New("a text is not UTF-8")

// next takes the first field off a message.
func next(m *[]byte) (f field, err error) {
	number, kind, n := protowire.ConsumeTag(*m)
	if n < 0 {
		return f, protowire.ParseError(n)
	}
	f.number, f.kind = number, kind
	rest := (*m)[n:]
	if kind == protowire.BytesType {
		f.data, n = protowire.ConsumeBytes(rest)
	} else {
		n = protowire.ConsumeFieldValue(number, kind, rest)
	}
	if n < 0 {
		return f, protowire.ParseError(n)
	}
	*m = rest[n:]
	return f, nil
}

// each calls do for every length-delimited field of a message; all others are
// of no interest to anybody here.
func each(m []byte, do func(number protowire.Number, data []byte) error) error {
	for len(m) > 0 {
		f, err := next(&m)
		if err != nil {
			return err
		}
		if f.kind != protowire.BytesType {
			continue
		}
		if err := do(f.number, f.data); err != nil {
			return err
		}
	}
	return nil
}

// text reads a string, which must be UTF-8.
func text(dst *string, data []byte) error {
	if !utf8.Valid(data) {
		return errText
	}
	*dst = string(data)
	return nil
}

// appendText adds a string field, unless it is empty.
func appendText(m []byte, number protowire.Number, s string) []byte {
	if s == "" {
		return m
	}
	m = protowire.AppendTag(m, number, protowire.BytesType)
	return protowire.AppendString(m, s)
}

// appendMessage adds an embedded message.
func appendMessage(m []byte, number protowire.Number, inner []byte) []byte {
	m = protowire.AppendTag(m, number, protowire.BytesType)
	return protowire.AppendBytes(m, inner)
}

// appendNumber adds an integer, unless it is zero.
func appendNumber(m []byte, number protowire.Number, n int) []byte {
	if n == 0 {
		return m
	}
	m = protowire.AppendTag(m, number, protowire.VarintType)
	return protowire.AppendVarint(m, uint64(n))
}
