package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// decoder turns nodes into File. It is stricter than the YAML library: what is
// not exactly the expected type is a mistake, and every mistake is told.
type decoder struct {
	file     string
	at       map[string]Position // where each path was written
	bad      map[string]bool     // paths that were written wrongly; nothing more is said of them
	problems Problems
	nodes    int
}

func (d *decoder) wrong(n *yaml.Node, path, what, instead string) {
	d.bad[path] = true
	if len(d.problems) > enoughProblems {
		return
	}
	d.problems = append(d.problems, Problem{
		Position: d.position(n), Path: path, What: what, Instead: instead,
	})
}

func (d *decoder) position(n *yaml.Node) Position {
	return Position{File: d.file, Line: n.Line, Column: n.Column}
}

// decode fills v, which must be settable, from n.
func (d *decoder) decode(n *yaml.Node, v reflect.Value, path string, rule fieldRule, depth int) {
	if d.spent(n, path) {
		return
	}
	if depth > maxDepth {
		d.wrong(n, path, fmt.Sprintf("values are nested more than %d deep", maxDepth), "write no alias within its own anchor")
		return
	}
	d.at[path] = d.position(n)
	if n.Kind == yaml.AliasNode {
		d.decode(n.Alias, v, path, rule, depth+1)
		return
	}
	if n.Style&yaml.TaggedStyle != 0 {
		d.wrong(n, path, "an explicit tag is not understood here", "write the value without "+quoted(n.Tag))
		return
	}
	if n.ShortTag() == "!!null" {
		d.wrong(n, path, name(path)+" has no value", "write one, or remove the key")
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if text, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		d.text(n, text, path)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.mapping(n, v, path, depth)
	case reflect.Slice:
		d.sequence(n, v, path, rule, depth)
	default:
		d.scalar(n, v, path, rule)
	}
}

// spent counts a value or key, and tells whether the file has too many.
func (d *decoder) spent(n *yaml.Node, path string) bool {
	d.nodes++
	if d.nodes == maxNodes+1 {
		d.bad[""] = true // what is missing now would be called so for nothing
		d.wrong(n, path, fmt.Sprintf("the file has more than %d keys and values, aliases followed", maxNodes), "write a shorter file, or fewer aliases")
	}
	return d.nodes > maxNodes
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, path string, depth int) {
	if n.Kind != yaml.MappingNode {
		d.wrong(n, path, fmt.Sprintf("%s is %s, not a mapping", name(path), kind(n)), "write keys: "+strings.Join(keysOf(v.Type()), ", "))
		return
	}
	fields := fieldsOf(v.Type())
	first := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, value := n.Content[i], n.Content[i+1]
		if d.spent(k, path) {
			return
		}
		if k.Kind != yaml.ScalarNode || k.Style&yaml.TaggedStyle != 0 {
			d.wrong(k, join(path, "?"), "a key is "+kind(k), "write plain words as keys")
			continue
		}
		child := join(path, k.Value)
		field, known := fields[k.Value]
		switch earlier := first[k.Value]; {
		case !known:
			d.unknownKey(k, path, keysOf(v.Type()))
		case earlier != nil:
			d.wrong(k, child, fmt.Sprintf("key %s stands twice, first in line %d", quoted(k.Value), earlier.Line), "remove one of them")
		default:
			first[k.Value] = k
			d.decode(value, v.Field(field.index), child, field.rule, depth+1)
		}
	}
	for _, key := range keysOf(v.Type()) {
		if child := join(path, key); fields[key].rule.required && first[key] == nil && !d.bad[child] {
			d.wrong(n, child, fmt.Sprintf("%s has no %s", orFile(path), key), fmt.Sprintf("write %s: and its value", key))
		}
	}
}

// unknownKey also marks the key that was probably meant, so that it is not
// called missing too.
func (d *decoder) unknownKey(k *yaml.Node, path string, known []string) {
	instead := oneOf(known)
	if near := nearest(k.Value, known); near != "" {
		d.bad[join(path, near)] = true
		instead = fmt.Sprintf("did you mean %q?", near)
	} else if k.Value == "<<" {
		instead = "write the keys out, merging is not supported"
	}
	d.wrong(k, join(path, "?"), fmt.Sprintf("unknown key %s in %s", quoted(k.Value), orFile(path)), instead)
}

func (d *decoder) sequence(n *yaml.Node, v reflect.Value, path string, rule fieldRule, depth int) {
	if n.Kind != yaml.SequenceNode {
		what := fmt.Sprintf("%s is %s, not a list", name(path), kind(n))
		if n.Kind == yaml.ScalarNode {
			d.wrong(n, path, what, fmt.Sprintf("write [%s]", strings.Trim(quoted(n.Value), `"`)))
		} else {
			d.wrong(n, path, what, "write its entries in [ ] or each on a line after -")
		}
		return
	}
	if len(n.Content) == 0 && rule.notEmpty {
		d.wrong(n, path, name(path)+" is empty", "write at least one entry, or remove the key")
		return
	}
	// An empty list stays apart from one that was not written.
	v.Set(reflect.MakeSlice(v.Type(), min(len(n.Content), maxNodes), min(len(n.Content), maxNodes)))
	for i, entry := range n.Content {
		if i >= v.Len() {
			break
		}
		d.decode(entry, v.Index(i), fmt.Sprintf("%s[%d]", path, i), rule, depth+1)
	}
}

func (d *decoder) text(n *yaml.Node, v encoding.TextUnmarshaler, path string) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!bool" {
		d.wrong(n, path, fmt.Sprintf("%s is %s, not a single value", name(path), kind(n)), "write a single value")
		return
	}
	var m mistake
	if err := v.UnmarshalText([]byte(n.Value)); errors.As(err, &m) {
		d.wrong(n, path, m.what, m.instead)
	} else if err != nil {
		d.wrong(n, path, err.Error(), "")
	}
}

func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path string, rule fieldRule) {
	tag := n.ShortTag()
	switch {
	case n.Kind != yaml.ScalarNode:
		d.wrong(n, path, fmt.Sprintf("%s is %s, not a single value", name(path), kind(n)), "write a single value")
	case v.Kind() == reflect.Bool:
		if tag != "!!bool" || (n.Value != "true" && n.Value != "false") {
			d.wrong(n, path, fmt.Sprintf("%s is %s, not true or false", name(path), quoted(n.Value)), "write true or false, without quotes")
			return
		}
		v.SetBool(n.Value == "true")
	case v.Kind() == reflect.Int:
		i, err := strconv.ParseInt(n.Value, 10, 32)
		if tag != "!!int" || err != nil {
			d.wrong(n, path, fmt.Sprintf("%s is %s, not a whole number", name(path), quoted(n.Value)), "write decimal digits, without quotes")
			return
		}
		if what, instead := rule.outside(i); what != "" {
			d.wrong(n, path, name(path)+" "+what, instead)
			return
		}
		v.SetInt(i)
	default:
		d.str(n, v, path, rule)
	}
}

func (d *decoder) str(n *yaml.Node, v reflect.Value, path string, rule fieldRule) {
	switch tag := n.ShortTag(); {
	case tag != "!!str" && tag != "!!timestamp":
		d.wrong(n, path, fmt.Sprintf("%s is %s, not text", name(path), kind(n)), fmt.Sprintf("write it in quotes: %s", quoted(n.Value)))
	case n.Value == "" && !rule.mayBeEmpty:
		d.wrong(n, path, name(path)+" is empty", "write a value, or remove the key")
	case len(rule.enum) > 0 && !slices.Contains(rule.enum, n.Value):
		instead := oneOf(rule.enum)
		if near := nearest(n.Value, rule.enum); near != "" {
			instead = fmt.Sprintf("did you mean %q?", near)
		}
		d.wrong(n, path, fmt.Sprintf("%s cannot be %s", name(path), quoted(n.Value)), instead)
	case strings.ContainsFunc(n.Value, func(r rune) bool { return r < ' ' || r == 0x7f }):
		d.wrong(n, path, name(path)+" contains a control character", "write it without")
	default:
		v.SetString(n.Value)
	}
}

// kind names what a node is.
func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	switch n.ShortTag() {
	case "!!bool":
		return "true or false"
	case "!!int", "!!float":
		return "a number"
	case "!!null":
		return "nothing"
	}
	return "text"
}

// join extends a path by a key.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// name is the last part of a path, for messages.
func name(path string) string {
	if path == "" {
		return "the file"
	}
	return path[strings.LastIndexByte(path, '.')+1:]
}

func orFile(path string) string {
	if path == "" {
		return "the file"
	}
	return path
}
