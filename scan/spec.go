package scan

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// The bounds of an API's description. The documents are read leniently and lazily
// by hand: references to elsewhere are never followed, those within are counted,
// and a mistake in one operation does not hide the others.
const (
	maxSpec       = 8 << 20
	maxOperations = 2000
	maxMembers    = 20_000
	maxElements   = 1000
	maxRefs       = 8
)

var specMethods = []string{"get", "head", "options", "post", "put", "patch", "delete", "trace"}

// ParseSpec reads OpenAPI 3.0, 3.1 or Swagger 2.0, in JSON or YAML, of at most 8
// MiB (of YAML, 2 MiB). name is for the Spec's URL, and where it is a URL,
// relative servers start there. The URLs of operations are on origin.
func ParseSpec(name string, data []byte, origin *url.URL) (*Spec, error) {
	if len(data) > maxSpec {
		return nil, fmt.Errorf("the API description is over %d MiB", maxSpec>>20)
	}
	text := data
	if trimmed := bytes.TrimSpace(data); len(trimmed) == 0 || trimmed[0] != '{' {
		var err error
		if text, err = yamlToJSON(data); err != nil {
			return nil, err
		}
	}
	root, err := readMembers(text)
	if err != nil {
		return nil, fmt.Errorf("read the API description: %w", err)
	}
	version := cmp.Or(str(root["openapi"]), str(root["swagger"]))
	if version == "" || root["paths"] == nil && root["webhooks"] == nil && root["components"] == nil {
		return nil, errors.New("the document is no API description: it has no openapi or swagger member, or no paths")
	}
	s := &Spec{URL: name, Raw: data, JSON: text, Version: version}
	r := &specReader{root: root, spec: s, origin: origin}
	r.read()
	return s, nil
}

type specReader struct {
	root   rawObject
	spec   *Spec
	origin *url.URL
	prefix string
	bad    int // parts that could not be read
	outer  int // references that lead elsewhere
}

func (r *specReader) read() {
	info := r.object(r.root["info"])
	r.spec.Title, r.spec.APIVersion = str(info["title"]), str(info["version"])
	r.servers()
	r.schemes()
	r.prefix = basePath(r.spec.Servers, r.spec.URL)
	r.paths()
	var notes []string
	if r.outer > 0 {
		notes = append(notes, fmt.Sprintf("%d references to other documents were not followed", r.outer))
	}
	if r.bad > 0 {
		notes = append(notes, fmt.Sprintf("%d parts could not be read", r.bad))
	}
	r.spec.Note = strings.Join(append(notes, r.spec.Note), "; ")
	r.spec.Note = strings.TrimSuffix(r.spec.Note, "; ")
}

// object reads a JSON object and follows references to within the document.
func (r *specReader) object(raw json.RawMessage) rawObject {
	for range maxRefs {
		if len(raw) == 0 {
			return nil
		}
		o, err := readMembers(raw)
		if err != nil {
			r.bad++
			return nil
		}
		ref := str(o["$ref"])
		if ref == "" {
			return o
		}
		path, ok := strings.CutPrefix(ref, "#/")
		if !ok {
			r.outer++
			return nil
		}
		raw = r.lookup(strings.Split(path, "/"))
	}
	r.bad++
	return nil
}

func (r *specReader) lookup(path []string) json.RawMessage {
	at := r.root
	for i, part := range path {
		if decoded, err := url.PathUnescape(part); err == nil {
			part = decoded
		}
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		raw := at[part]
		if i == len(path)-1 || raw == nil || i > maxShapeDepth {
			return raw
		}
		var err error
		if at, err = readMembers(raw); err != nil {
			return nil
		}
	}
	return nil
}

func (r *specReader) list(raw json.RawMessage) []json.RawMessage {
	if len(raw) == 0 {
		return nil
	}
	l, err := readElements(raw)
	if err != nil {
		r.bad++
	}
	return l
}

func (r *specReader) servers() {
	if strings.HasPrefix(r.spec.Version, "2") {
		host, base := str(r.root["host"]), str(r.root["basePath"])
		for _, scheme := range r.list(r.root["schemes"]) {
			if host != "" {
				r.spec.Servers = append(r.spec.Servers, str(scheme)+"://"+host+base)
			}
		}
		if len(r.spec.Servers) == 0 && base != "" {
			r.spec.Servers = []string{base}
		}
		return
	}
	for _, raw := range r.list(r.root["servers"]) {
		o := r.object(raw)
		u := str(o["url"])
		for name, v := range r.object(o["variables"]) {
			u = strings.ReplaceAll(u, "{"+name+"}", str(r.object(v)["default"]))
		}
		if u != "" && len(r.spec.Servers) < 50 {
			r.spec.Servers = append(r.spec.Servers, u)
		}
	}
}

// basePath is the path of the first server, without a slash at the end.
func basePath(servers []string, at string) string {
	if len(servers) == 0 {
		return ""
	}
	u, err := url.Parse(servers[0])
	if err != nil {
		return ""
	}
	if from, err := url.Parse(at); err == nil && from.Host != "" {
		u = from.ResolveReference(u)
	}
	return strings.TrimRight(u.EscapedPath(), "/")
}

func (r *specReader) schemes() {
	raw := r.object(r.root["components"])["securitySchemes"]
	if raw == nil {
		raw = r.root["securityDefinitions"]
	}
	all := r.object(raw)
	for _, name := range sortedKeys(all) {
		o := r.object(all[name])
		s := Scheme{
			Name: name, Type: str(o["type"]), HTTP: strings.ToLower(str(o["scheme"])),
			In: str(o["in"]), Parameter: str(o["name"]), OpenIDURL: str(o["openIdConnectUrl"]),
		}
		flows := r.object(o["flows"])
		if flow := str(o["flow"]); flow != "" { // Swagger 2
			flows = rawObject{flow: all[name]}
		}
		for _, kind := range sortedKeys(flows) {
			f := r.object(flows[kind])
			s.TokenURL = cmp.Or(s.TokenURL, str(f["tokenUrl"]))
			s.AuthorizationURL = cmp.Or(s.AuthorizationURL, str(f["authorizationUrl"]))
			s.RefreshURL = cmp.Or(s.RefreshURL, str(f["refreshUrl"]))
			if kind == "password" {
				s.Password, s.TokenURL = true, cmp.Or(str(f["tokenUrl"]), s.TokenURL)
			}
		}
		r.spec.Schemes = append(r.spec.Schemes, s)
	}
}

func (r *specReader) paths() {
	all := r.object(r.root["paths"])
	global := r.root["security"]
	for _, path := range sortedKeys(all) {
		if !strings.HasPrefix(path, "/") {
			continue
		}
		item := r.object(all[path])
		for _, method := range specMethods {
			if item[method] == nil {
				continue
			}
			if len(r.spec.Operations) >= maxOperations {
				r.spec.Note = fmt.Sprintf("only the first %d operations were read", maxOperations)
				return
			}
			r.spec.Operations = append(r.spec.Operations, r.operation(path, method, item, global))
		}
	}
}

func (r *specReader) operation(path, method string, item rawObject, global json.RawMessage) Operation {
	o := Operation{Method: strings.ToUpper(method), Path: path, FromSpec: true}
	body := r.object(item[method])
	security, own := body["security"]
	if !own {
		security = global
	}
	o.Secured, o.Scopes, o.Schemes = r.security(security)
	filled := path
	query := url.Values{}
	for _, raw := range slices.Concat(r.list(item["parameters"]), r.list(body["parameters"])) {
		p := r.object(raw)
		name, in := str(p["name"]), str(p["in"])
		if name == "" || in != "path" && !(in == "query" && string(p["required"]) == "true") {
			continue
		}
		value, certain := r.plausible(p, name)
		o.Guessed = o.Guessed || !certain
		if in == "path" {
			filled = strings.ReplaceAll(filled, "{"+name+"}", url.PathEscape(value))
		} else {
			query.Set(name, value)
		}
	}
	if unnamed.MatchString(filled) {
		filled, o.Guessed = unnamed.ReplaceAllString(filled, "1"), true
	}
	o.URL = r.origin.Scheme + "://" + r.origin.Host + r.prefix + filled
	if len(query) > 0 {
		o.URL += "?" + query.Encode()
	}
	return o
}

var unnamed = regexp.MustCompile(`\{[^{}/]*\}`)

// security reads a list of alternatives. An empty alternative makes the
// credential optional.
func (r *specReader) security(raw json.RawMessage) (secured bool, scopes, schemes []string) {
	alternatives := r.list(raw)
	secured = len(alternatives) > 0
	for _, a := range alternatives {
		names := r.object(a)
		if len(names) == 0 {
			secured = false
		}
		for _, name := range sortedKeys(names) {
			if !slices.Contains(schemes, name) {
				schemes = append(schemes, name)
			}
			for _, s := range r.list(names[name]) {
				if text := str(s); text != "" && !slices.Contains(scopes, text) {
					scopes = append(scopes, text)
				}
			}
		}
	}
	if !secured {
		scopes = nil
	}
	return secured, scopes, schemes
}

// plausible makes up a value for a parameter. certain says that the description
// gives one itself.
func (r *specReader) plausible(p rawObject, name string) (value string, certain bool) {
	schema := r.object(p["schema"])
	if schema == nil {
		schema = p // Swagger 2
	}
	for _, raw := range []json.RawMessage{p["example"], schema["example"], schema["default"], first(r.list(schema["enum"])), first(r.list(schema["examples"]))} {
		if s := scalar(raw); s != "" {
			return s, true
		}
	}
	switch kind, format := typeOf(schema), str(schema["format"]); {
	case kind == "integer" || kind == "number":
		if m := scalar(schema["minimum"]); m != "" && m != "0" {
			return m, false
		}
		return "1", false
	case kind == "boolean":
		return "true", false
	case format == "uuid" || strings.HasSuffix(strings.ToLower(name), "uuid"):
		return "00000000-0000-4000-8000-000000000001", false
	case format == "date":
		return "2024-01-01", false
	case format == "date-time":
		return "2024-01-01T00:00:00Z", false
	case format == "email":
		return "user@example.com", false
	}
	return "1", false
}

// typeOf reads type, which is a list in OpenAPI 3.1.
func typeOf(schema rawObject) string {
	if s := str(schema["type"]); s != "" {
		return s
	}
	list, _ := readElements(schema["type"])
	for _, raw := range list {
		if s := str(raw); s != "null" {
			return s
		}
	}
	return ""
}
