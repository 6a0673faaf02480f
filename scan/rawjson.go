package scan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// rawObject is an object whose members are read when they are asked for.
type rawObject = map[string]json.RawMessage

// readMembers reads one JSON object without what is in its members. Nothing may
// follow it.
func readMembers(text []byte) (rawObject, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil {
		return nil, err
	} else if t != json.Delim('{') {
		return nil, errors.New("an object was expected")
	}
	o := rawObject{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		if len(o) >= maxMembers {
			return nil, fmt.Errorf("an object has over %d members", maxMembers)
		}
		name, _ := key.(string)
		o[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the end of the object")
	}
	return o, nil
}

// readElements reads the first elements of a JSON array.
func readElements(text []byte) ([]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil {
		return nil, err
	} else if t != json.Delim('[') {
		return nil, errors.New("an array was expected")
	}
	var l []json.RawMessage
	for d.More() && len(l) < maxElements {
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return l, err
		}
		l = append(l, value)
	}
	return l, nil
}

func first(l []json.RawMessage) json.RawMessage {
	if len(l) == 0 {
		return nil
	}
	return l[0]
}

// str is a JSON string, or nothing.
func str(raw json.RawMessage) string {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// scalar is a JSON string, number or boolean as text.
func scalar(raw json.RawMessage) string {
	if s := str(raw); s != "" {
		return s
	}
	if len(raw) == 0 || len(raw) > 64 || bytes.ContainsAny(raw, "{}[]\"") || string(raw) == "null" {
		return ""
	}
	return string(raw)
}

func sortedKeys(o rawObject) []string {
	keys := make([]string, 0, len(o))
	for k := range o {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
