package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// fieldRule is what the jsonschema tag of a field demands. Parser and schema
// read the same tag, so that neither is stricter than the other.
type fieldRule struct {
	required         bool
	mayBeEmpty       bool // minLength=0
	notEmpty         bool // minItems=1
	enum             []string
	minimum, maximum *int64
}

type field struct {
	index int
	rule  fieldRule
}

// fieldsOf gives the fields of a struct by their keys.
func fieldsOf(t reflect.Type) map[string]field {
	fields := make(map[string]field, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		fields[f.Tag.Get("yaml")] = field{index: i, rule: ruleOf(f.Tag.Get("jsonschema"))}
	}
	return fields
}

// keysOf gives the keys of a struct in their order.
func keysOf(t reflect.Type) []string {
	keys := make([]string, t.NumField())
	for i := range keys {
		keys[i] = t.Field(i).Tag.Get("yaml")
	}
	return keys
}

func ruleOf(tag string) fieldRule {
	var r fieldRule
	for part := range strings.SplitSeq(tag, ",") {
		switch key, value, _ := strings.Cut(part, "="); key {
		case "required":
			r.required = true
		case "minLength":
			r.mayBeEmpty = value == "0"
		case "minItems":
			r.notEmpty = value == "1"
		case "enum":
			r.enum = append(r.enum, value)
		case "minimum", "maximum":
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				panic(fmt.Sprintf("config: field tag %q: %v", tag, err)) // a mistake in this package's own source
			}
			if key == "minimum" {
				r.minimum = &n
			} else {
				r.maximum = &n
			}
		}
	}
	return r
}

// outside says what is wrong with a number, or nothing.
func (r fieldRule) outside(i int64) (what, instead string) {
	switch {
	case r.minimum != nil && i < *r.minimum:
		return fmt.Sprintf("%d is too small", i), fmt.Sprintf("write at least %d", *r.minimum)
	case r.maximum != nil && i > *r.maximum:
		return fmt.Sprintf("%d is too large", i), fmt.Sprintf("write at most %d", *r.maximum)
	}
	return "", ""
}
