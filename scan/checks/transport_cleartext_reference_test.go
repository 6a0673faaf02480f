package checks

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/wiretight/wiretight/internal/redact"
)

// documents serves bodies by path.
func documents(bodies map[string]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, ok := bodies[r.URL.Path]
		if !ok {
			answer(w, http.StatusNotFound, `{"detail":"Not Found"}`)
			return
		}
		answer(w, http.StatusOK, body)
	}
}

func openAPI(server, token string) string {
	return fmt.Sprintf(`{"openapi":"3.1.0","$schema":"http://json-schema.org/x","info":{"title":"T","version":"1",
		"contact":{"url":"http://contact.example"},"license":{"name":"L","url":"http://license.example"}},
		"servers":[{"url":%q}],"paths":{"/items":{"get":{"responses":{"200":{"description":"OK"}}}}},
		"components":{"securitySchemes":{"oauth":{"type":"oauth2","flows":{"password":{"tokenUrl":%q,"scopes":{}}}}}}}`, server, token)
}

func TestTransportCleartextReference(t *testing.T) {
	t.Parallel()
	found := map[string]map[string]string{
		"a server":       {"/openapi.json": openAPI("http://api.example.com", "/token")},
		"tokenUrl":       {"/openapi.json": openAPI("/", "http://id.example.com/token")},
		"ws://":          {"/openapi.json": openAPI("ws://api.example.com", "/token")},
		"{region}":       {"/openapi.json": openAPI("http://{region}.example.com:{port}", "/token")},
		"jwks_uri":       {"/.well-known/openid-configuration": `{"issuer":"https://id.example","jwks_uri":"http://id.example/jwks"}`},
		"issuer":         {"/.well-known/openid-configuration": `{"issuer":"http://id.example","jwks_uri":"https://id.example/jwks"}`},
		"token_endpoint": {"/.well-known/oauth-authorization-server": `{"issuer":"https://id.example","token_endpoint":"http://id.example/t"}`},
		"Swagger 2": {"/swagger.json": `{"swagger":"2.0","info":{"title":"Swagger 2","version":"1"},"host":"api.example.com","schemes":["http"],
			"paths":{"/items":{"get":{"responses":{"200":{"description":"OK"}}}}}}`},
	}
	for name, bodies := range found {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := name
			if name == "Swagger 2" {
				want = "http://api.example.com"
			}
			mustFind(t, serve(t, server{Handler: documents(bodies)}), transportCleartextReference, want, "curl")
		})
	}
	local := documents(map[string]string{"/openapi.json": openAPI("http://localhost:8000", "http://127.0.0.1/token")})
	mustPass(t, serve(t, server{Handler: local}), transportCleartextReference)
	strict := serve(t, server{Handler: local})
	strict.Config.Strict = true
	mustFind(t, strict, transportCleartextReference, "localhost:8000", "127.0.0.1")
	mustPass(t, serve(t, server{Handler: documents(map[string]string{"/openapi.json": openAPI("https://api.example.com", "/token")})}), transportCleartextReference)
	mustSkip(t, serve(t, server{Handler: documents(nil)}), transportCleartextReference)
}

// A token that names its keys by a URL in clear is a reference as well.
func TestTransportCleartextReferenceOfToken(t *testing.T) {
	t.Parallel()
	f := serve(t, server{Handler: documents(nil)})
	f.Token = "eyJhbGciOiJSUzI1NiIsImprdSI6Imh0dHA6Ly9pZC5leGFtcGxlL2p3a3MifQ.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
	f.Config.Token = redact.NewText(f.Token)
	mustFind(t, f, transportCleartextReference, "jku of the token")
}
