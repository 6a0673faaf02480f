package config_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/invopop/jsonschema"
	validator "github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/wiretight/wiretight/internal/config"
	"github.com/wiretight/wiretight/internal/token"
)

var update = flag.Bool("update", false, "rewrite schema.json and the golden files")

// generate makes the schema from File: its types, tags and comments.
func generate(t *testing.T) []byte {
	t.Helper()
	r := &jsonschema.Reflector{
		FieldNameTag: "yaml", RequiredFromJSONSchemaTags: true, ExpandedStruct: true, Anonymous: true,
		Mapper: scalarSchema,
		Namer: func(t reflect.Type) string {
			return strings.ToLower(strings.TrimSuffix(t.Name(), "File"))
		},
	}
	if err := r.AddGoComments("github.com/wiretight/wiretight/internal/config", "./", jsonschema.WithFullComment()); err != nil {
		t.Fatal(err)
	}
	s := r.Reflect(&config.File{})
	s.Title = "wiretight.yaml"
	s.Description = "Configuration of wiretight guard. What it leaves out is at its strictest."
	notEmpty(s)
	for _, d := range s.Definitions {
		d.Description = "" // of the Go type; users read those of the keys
		notEmpty(d)
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

// notEmpty refuses empty text wherever a field does not permit it.
func notEmpty(s *jsonschema.Schema) {
	one := uint64(1)
	for pair := s.Properties.Oldest(); pair != nil; pair = pair.Next() {
		p := pair.Value
		p.Description = strings.Join(strings.Fields(p.Description), " ")
		if p.Items != nil {
			p = p.Items
		}
		if p.Type == "string" && p.MinLength == nil && p.Enum == nil && p.Pattern == "" {
			p.MinLength = &one
		}
	}
}

func scalarSchema(t reflect.Type) *jsonschema.Schema {
	pattern := func(p string) *jsonschema.Schema {
		return &jsonschema.Schema{Type: "string", Pattern: p}
	}
	switch t {
	case reflect.TypeFor[config.Duration]():
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{
			pattern(`^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`),
			{Const: 0},
		}}
	case reflect.TypeFor[config.Size]():
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{
			pattern(`^[0-9]+ ?(B|KiB|MiB|GiB)?$`),
			{Type: "integer", Minimum: "0"},
		}}
	case reflect.TypeFor[config.Rate]():
		return pattern(`^0*[1-9][0-9]*/[smh]$`)
	case reflect.TypeFor[config.Addr]():
		return pattern(`^([0-9.]*|localhost|\[[0-9A-Fa-f:.]+(%[^\]]+)?\]):[0-9]{1,5}$`)
	case reflect.TypeFor[config.Algorithm]():
		s := &jsonschema.Schema{Type: "string"}
		for _, alg := range append(token.Algorithms(), "Ed25519") {
			s.Enum = append(s.Enum, alg)
		}
		return s
	}
	return nil
}

func TestSchemaIsFresh(t *testing.T) {
	want := generate(t)
	if *update {
		if err := os.WriteFile("schema.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(want), string(config.Schema())); diff != "" {
		t.Errorf("schema.json is stale, run go generate ./internal/config (-want +got):\n%s", diff)
	}
}

func compileSchema(t *testing.T) *validator.Schema {
	t.Helper()
	doc, err := validator.UnmarshalJSON(bytes.NewReader(config.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := validator.NewCompiler()
	if err := c.AddResource("wiretight.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("wiretight.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSchemaDescribesEveryKey(t *testing.T) {
	t.Parallel()
	var root map[string]any
	if err := json.Unmarshal(config.Schema(), &root); err != nil {
		t.Fatal(err)
	}
	objects := map[string]any{"file": root}
	for name, def := range root["$defs"].(map[string]any) {
		objects[name] = def
	}
	if len(objects) < 15 {
		t.Fatalf("got %d objects, want one for each section", len(objects))
	}
	for name, object := range objects {
		o := object.(map[string]any)
		if o["additionalProperties"] != false {
			t.Errorf("%s: unknown keys are allowed", name)
		}
		for key, p := range o["properties"].(map[string]any) {
			if d, _ := p.(map[string]any)["description"].(string); d == "" {
				t.Errorf("%s.%s: got no description", name, key)
			}
		}
	}
}

// TestSchemaAgreesWithParser holds the schema to the parser: what the parser
// takes, the schema takes; mistakes of form are refused by both.
func TestSchemaAgreesWithParser(t *testing.T) {
	t.Parallel()
	s := compileSchema(t)
	good, err := filepath.Glob("testdata/good/*.yaml")
	if err != nil || len(good) < 5 {
		t.Fatalf("got %d good files, %v; want at least 5", len(good), err)
	}
	for _, file := range good {
		if err := s.Validate(asJSON(t, read(t, file))); err != nil {
			t.Errorf("%s: schema refuses it: %v", file, err)
		}
	}
	for name, text := range map[string]string{
		"unknown key":           "lisen: :8443",
		"unknown key deep":      "tokens: {issuers: [{isuer: x}]}",
		"wrong type":            "hosts: api.example.com",
		"text for a flag":       `tls: {dev: "true"}`,
		"unknown mode":          "mode: watch",
		"unknown rule":          "observe: [everything]",
		"unknown risk":          "accept_risk: [jwt.alg-none]",
		"algorithm none":        "tokens: {issuers: [{issuer: a, algorithms: [none]}]}",
		"duration without unit": "store_staleness: 5",
		"rate without unit":     "rate_limit: {login: 10}",
		"rate of nothing":       "rate_limit: {login: 0/m}",
		"port alone":            "listen: 8443",
		"port too large":        "redirect_port: 70000",
		"negative cache":        "tokens: {cache: -1}",
		"upstream without url":  "upstreams: [{name: app}]",
		"nothing":               "store:",
		"empty name":            `hosts: [""]`,
	} {
		if s.Validate(asJSON(t, []byte(text))) == nil {
			t.Errorf("%s: the schema takes %q", name, text)
		}
		if _, err := config.Parse("bad.yaml", []byte(text), t.TempDir(), config.Flags{}); err == nil {
			t.Errorf("%s: the parser takes %q", name, text)
		}
	}
}

func asJSON(t *testing.T, text []byte) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := validator.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
