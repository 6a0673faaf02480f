package lab

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// OpenAPI describes the API in OpenAPI 3.1, whoever may fetch it. server is its
// own URL.
func (l *Lab) OpenAPI(server string) []byte {
	if l.has[CleartextReference] {
		server = "http://api.lab.example"
	}
	tokenURL := "/token"
	if l.has[CleartextReference] {
		tokenURL = server + tokenURL
	}
	schemes := map[string]any{
		"bearer": map[string]any{"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
		"password": map[string]any{"type": "oauth2", "flows": map[string]any{"password": map[string]any{
			"tokenUrl": tokenURL, "scopes": map[string]string{"read": "read", "write": "write"},
		}}},
	}
	if l.has[EncodedPassword] {
		schemes["basic"] = map[string]any{"type": "http", "scheme": "basic"}
	}
	paths := map[string]any{}
	for pattern, ops := range l.operations() {
		if pattern = strings.ReplaceAll(pattern, "{$}", ""); strings.HasPrefix(pattern, "/.") {
			continue
		}
		described := map[string]any{}
		for _, op := range ops {
			if op.summary != "" {
				described[strings.ToLower(op.method)] = l.describe(pattern, op)
			}
		}
		if len(described) > 0 {
			paths[pattern] = described
		}
	}
	doc, err := json.MarshalIndent(map[string]any{
		"openapi":    "3.1.0",
		"info":       map[string]string{"title": "Lab", "version": "1.4.2"},
		"servers":    []map[string]string{{"url": server}},
		"paths":      paths,
		"components": map[string]any{"securitySchemes": schemes},
	}, "", "  ")
	if err != nil {
		panic("lab: a description of our own always encodes: " + err.Error())
	}
	return doc
}

func (l *Lab) describe(pattern string, op operation) map[string]any {
	ok := "200"
	if op.method == http.MethodPost && pattern == "/items" {
		ok = "201"
	}
	d := map[string]any{
		"summary": op.summary, "operationId": strings.ToLower(op.method) + strings.NewReplacer("/", "_", "{", "", "}", "").Replace(pattern),
		"responses": map[string]any{ok: map[string]string{"description": "OK"}},
	}
	if op.secured {
		security := []map[string][]string{{"bearer": {}}, {"password": {}}}
		if l.has[EncodedPassword] {
			security = append(security, map[string][]string{"basic": {}})
		}
		d["security"] = security
		d["responses"].(map[string]any)["401"] = map[string]string{"description": "Not authenticated"}
	}
	object := func(names ...string) map[string]any {
		properties := map[string]any{}
		for _, n := range names {
			properties[n] = map[string]string{"type": "string"}
		}
		return map[string]any{"schema": map[string]any{"type": "object", "required": names, "properties": properties}}
	}
	body := func(kinds ...string) func(names ...string) {
		return func(names ...string) {
			content := map[string]any{}
			for _, k := range kinds {
				content[k] = object(names...)
			}
			d["requestBody"] = map[string]any{"required": true, "content": content}
		}
	}
	switch op.method + " " + pattern {
	case "POST /login":
		body("application/json", "application/x-www-form-urlencoded")("username", "password")
	case "POST /token":
		body("application/x-www-form-urlencoded")("grant_type", "username", "password")
	case "POST /refresh":
		body("application/json")("refresh_token")
	case "POST /items":
		body("application/json")("name")
	case "GET /items/{id}":
		d["parameters"] = []any{map[string]any{"name": "id", "in": "path", "required": true, "schema": map[string]any{"type": "integer"}, "example": 1}}
	case "GET /login":
		d["parameters"] = []any{
			map[string]any{"name": "username", "in": "query", "schema": map[string]string{"type": "string"}},
			map[string]any{"name": "password", "in": "query", "schema": map[string]string{"type": "string"}},
		}
	}
	return d
}

func (l *Lab) openapi(w http.ResponseWriter, r *http.Request, _ *caller) {
	scheme := "http://"
	if l.secure(r) {
		scheme = "https://"
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(l.OpenAPI(scheme + r.Host)) // the client is gone: nobody left to tell
}

func (l *Lab) docs(w http.ResponseWriter, _ *http.Request, _ *caller) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, `<!doctype html><title>Lab - Swagger UI</title><div id="swagger-ui"></div>
<script>const ui = SwaggerUIBundle({url: "/openapi.json", dom_id: "#swagger-ui"})</script>
`) // the client is gone: nobody left to tell
}
