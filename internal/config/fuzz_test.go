package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/internal/config"
)

// FuzzParse holds the parser to three things for any bytes: it does not panic;
// what it takes has known keys only, each once, and is one that the guard
// takes; and what it refuses has a line for each mistake, without control bytes.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*.yaml", "testdata/err/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("got %d files, %v; want %s", len(files), err, pattern)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	dir := f.TempDir() // without files: only what names none is taken
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Parse("fuzz.yaml", data, dir, config.Flags{})
		if err != nil {
			checkProblems(t, err)
			return
		}
		var root yaml.Node
		if err := yaml.Load(data, &root, yaml.WithUniqueKeys()); err != nil {
			t.Fatalf("accepted what YAML refuses: %v\n%s", err, data)
		}
		if key := unknown(root.Content[0], reflect.TypeFor[config.File]()); key != "" {
			t.Fatalf("accepted the unknown key %q in\n%s", key, data)
		}
		cfg := c.Guard
		if c.Issuer.Enabled {
			cfg.Tokens.Issuers = append(cfg.Tokens.Issuers, c.Issuer.Accepted(localKeys()))
		}
		if ps := guard.Check(cfg); len(ps) > 0 {
			t.Fatalf("accepted what the guard refuses: %v\n%s", ps, data)
		}
	})
}

func checkProblems(t *testing.T, err error) {
	t.Helper()
	var ps config.Problems
	if !errors.As(err, &ps) || len(ps) == 0 {
		t.Fatalf("got %v, want Problems", err)
	}
	for _, p := range ps {
		if p.What == "" || !strings.HasPrefix(p.String(), "fuzz.yaml") {
			t.Errorf("got %q, want a position and what is wrong", p)
		}
		if strings.ContainsFunc(p.String(), func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Errorf("got control bytes in %q", p)
		}
	}
}

// unknown looks for a key that the type does not have, by other means than the
// parser under test.
func unknown(n *yaml.Node, typ reflect.Type) string {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	switch {
	case n.Kind == yaml.SequenceNode && typ.Kind() == reflect.Slice:
		for _, entry := range n.Content {
			if key := unknown(entry, typ.Elem()); key != "" {
				return key
			}
		}
	case n.Kind == yaml.MappingNode && typ.Kind() == reflect.Struct:
		seen := map[string]bool{}
		for i := 0; i < len(n.Content); i += 2 {
			key := n.Content[i].Value
			var field *reflect.StructField
			for j := range typ.NumField() {
				if f := typ.Field(j); f.Tag.Get("yaml") == key {
					field = &f
				}
			}
			if field == nil || seen[key] {
				return key
			}
			seen[key] = true
			if key := unknown(n.Content[i+1], field.Type); key != "" {
				return key
			}
		}
	case n.Kind == yaml.MappingNode:
		return n.Content[0].Value
	}
	return ""
}
