package scan_test

import (
	"fmt"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/scan"
)

var origin = &url.URL{Scheme: "https", Host: "api.test"}

func TestParseSpec(t *testing.T) {
	t.Parallel()
	type op struct {
		Method, URL      string
		Secured, Guessed bool
		Scopes           []string
	}
	tests := []struct {
		name    string
		text    string
		version string
		servers []string
		want    []op
	}{
		{
			"OpenAPI 3.1 with its own and global security",
			`{"openapi":"3.1.0","info":{"title":"T","version":"1"},"security":[{"b":["read"]}],"paths":{
			 "/a":{"get":{}},"/b":{"get":{"security":[]},"post":{"security":[{"b":["write"]},{"c":["write","more"]}]}},
			 "/c":{"get":{"security":[{},{"b":[]}]}}}}`,
			"3.1.0", nil,
			[]op{
				{"GET", "https://api.test/a", true, false, []string{"read"}},
				{"GET", "https://api.test/b", false, false, nil},
				{"POST", "https://api.test/b", true, false, []string{"write", "more"}},
				{"GET", "https://api.test/c", false, false, nil},
			},
		},
		{
			"parameters, by reference too",
			`{"openapi":"3.0.3","paths":{"/i/{id}/{name}/{u}":{"parameters":[{"$ref":"#/components/parameters/id"}],
			 "get":{"parameters":[{"name":"name","in":"path","schema":{"$ref":"#/components/schemas/n"}},{"name":"u","in":"path","schema":{"type":"string","format":"uuid"}},
			 {"name":"q","in":"query","required":true,"schema":{"type":["null","integer"],"minimum":5}},{"name":"o","in":"query","schema":{"type":"string"}}]}}},
			 "components":{"parameters":{"id":{"name":"id","in":"path","required":true,"example":7}},"schemas":{"n":{"type":"string","enum":["x y"]}}}}`,
			"3.0.3", nil,
			[]op{{"GET", "https://api.test/i/7/x%20y/00000000-0000-4000-8000-000000000001?q=5", false, true, nil}},
		},
		{
			"Swagger 2 with a base path",
			`{"swagger":"2.0","host":"h.test","basePath":"/v2","schemes":["http","https"],"paths":{"/p/{petId}":{"get":{"security":[{"k":[]}],
			 "parameters":[{"name":"petId","in":"path","required":true,"type":"integer"}]}}},"securityDefinitions":{"k":{"type":"apiKey","in":"header","name":"X-Key"}}}`,
			"2.0",
			[]string{"http://h.test/v2", "https://h.test/v2"},
			[]op{{"GET", "https://api.test/v2/p/1", true, true, nil}},
		},
		{
			"YAML with an anchor",
			"openapi: 3.0.0\ninfo: {title: T, version: 1.0}\nservers:\n  - url: /api/{v}\n    variables: {v: {default: v1}}\nx: &get\n  security: [{b: [r]}]\npaths:\n  /a:\n    get: *get\n  /b:\n    get: *get\n",
			"3.0.0",
			[]string{"/api/v1"},
			[]op{{"GET", "https://api.test/api/v1/a", true, false, []string{"r"}}, {"GET", "https://api.test/api/v1/b", true, false, []string{"r"}}},
		},
		{
			"mistakes in one operation",
			`{"openapi":"3.0.0","paths":{"/a":{"get":[]},"/b":7,"no":{"get":{}},"/c":{"get":{"parameters":[7,{"$ref":"https://evil.test/x"}]}}}}`,
			"3.0.0", nil,
			[]op{{"GET", "https://api.test/a", false, false, nil}, {"GET", "https://api.test/c", false, false, nil}},
		},
		{
			"cycles",
			`{"openapi":"3.0.0","paths":{"/a":{"$ref":"#/paths/~1b"},"/b":{"$ref":"#/paths/~1a"},"/c/{x}":{"get":{"parameters":[{"name":"x","in":"path","schema":{"$ref":"#/components/schemas/s"}}]}}},
			 "components":{"schemas":{"s":{"$ref":"#/components/schemas/s"}}}}`,
			"3.0.0", nil,
			[]op{{"GET", "https://api.test/c/1", false, true, nil}},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, err := scan.ParseSpec("https://api.test/openapi.json", []byte(test.text), origin)
			if err != nil {
				t.Fatal(err)
			}
			if s.Version != test.version || !slices.Equal(s.Servers, test.servers) {
				t.Errorf("got version %q, servers %q, want %q, %q", s.Version, s.Servers, test.version, test.servers)
			}
			var got []op
			for _, o := range s.Operations {
				got = append(got, op{o.Method, o.URL, o.Secured, o.Guessed, o.Scopes})
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("operations (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSpecSchemes(t *testing.T) {
	t.Parallel()
	s, err := scan.ParseSpec("x", []byte(`{"openapi":"3.0.0","paths":{},"components":{"securitySchemes":{
		"a":{"type":"http","scheme":"Bearer"},"k":{"type":"apiKey","in":"cookie","name":"sid"},
		"o":{"type":"oauth2","flows":{"password":{"tokenUrl":"/token","refreshUrl":"/r"},"authorizationCode":{"authorizationUrl":"http://id/a","tokenUrl":"http://id/t"}}},
		"z":{"type":"openIdConnect","openIdConnectUrl":"http://id/.well-known/openid-configuration"}}}}`), origin)
	if err != nil {
		t.Fatal(err)
	}
	want := []scan.Scheme{
		{Name: "a", Type: "http", HTTP: "bearer"},
		{Name: "k", Type: "apiKey", In: "cookie", Parameter: "sid"},
		{Name: "o", Type: "oauth2", TokenURL: "/token", RefreshURL: "/r", AuthorizationURL: "http://id/a", Password: true},
		{Name: "z", Type: "openIdConnect", OpenIDURL: "http://id/.well-known/openid-configuration"},
	}
	if diff := cmp.Diff(want, s.Schemes); diff != "" {
		t.Errorf("schemes (-want +got):\n%s", diff)
	}
}

func TestBrokenSpecs(t *testing.T) {
	bombs := "openapi: 3.0.0\na: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for i := 'b'; i < 'k'; i++ {
		bombs += fmt.Sprintf("%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", i, i, i-1, i-1, i-1, i-1, i-1, i-1, i-1, i-1, i-1, i-1)
	}
	tests := map[string]string{
		"empty":            "",
		"page":             "<html><body>openapi</body></html>",
		"half":             `{"openapi":"3.0.0","paths":{"/a":{`,
		"no paths":         `{"openapi":"3.0.0"}`,
		"other JSON":       `{"hello":"world"}`,
		"array":            `[1,2]`,
		"20 MB":            `{"openapi":"3.0.0","paths":{"/a":{}},"x":"` + strings.Repeat("x", 20<<20) + `"}`,
		"20 MB of YAML":    "openapi: 3.0.0\npaths: {}\nx: " + strings.Repeat("x", 20<<20),
		"many in YAML":     "openapi: 3.0.0\npaths: {}\nx: [" + strings.Repeat("{},", 300_000) + "]",
		"aliases":          bombs + "paths: *j\n",
		"YAML in a circle": "openapi: 3.0.0\npaths: &p\n  /a: *p\n",
		"deep YAML":        "openapi: 3.0.0\npaths: " + strings.Repeat("[", 10000),
		"many members":     `{"openapi":"3.0.0","paths":{` + strings.Repeat(`"/a":1,`, 5) + members(400_000) + `}}`,
	}
	for name, text := range tests { // not side by side: memory is measured
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			began := time.Now()
			s, err := scan.ParseSpec("x", []byte(text), origin)
			runtime.ReadMemStats(&after)
			if err == nil && len(s.Operations) > 0 {
				t.Errorf("got %d operations, want none", len(s.Operations))
			}
			if err == nil && s.Note == "" {
				t.Error("got neither error nor note")
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
			if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 100<<20 {
				t.Errorf("the heap grew by %d MiB", grown>>20)
			}
		})
	}
}

func members(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"/%x":{},`, i)
	}
	return b.String() + `"/z":{}`
}

func FuzzParseSpec(f *testing.F) {
	f.Add(description)
	f.Add("openapi: 3.0.0\npaths:\n  /a/{x}:\n    get: {parameters: [{name: x, in: path, schema: {type: integer}}]}\n")
	f.Add(`{"swagger":"2.0","basePath":"/v","paths":{"/a":{"$ref":"#/paths/~1a"}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := scan.ParseSpec("https://api.test/openapi.json", []byte(text), origin)
		if err != nil {
			return
		}
		for _, o := range s.Operations {
			u, err := url.Parse(o.URL)
			if err != nil {
				continue // Do refuses it
			}
			if u.Scheme != "https" || u.Host != "api.test" {
				t.Errorf("got URL %q, want it on the target", o.URL)
			}
		}
	})
}
