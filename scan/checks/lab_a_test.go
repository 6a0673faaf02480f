package checks

import (
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/internal/lab"
	"github.com/wiretight/wiretight/scan"
)

// The lab with one flaw has that finding and those that come with it, and
// without a flaw none.
func TestLabA(t *testing.T) {
	t.Parallel()
	besides := map[lab.Flaw][]string{
		lab.NoTLS:             {"transport.token-over-http", "transport.no-https-redirect", "transport.websocket-cleartext"},
		lab.RedirectDowngrade: {"host.reflected"}, // the port, an info
	}
	flaws := []lab.Flaw{
		"", lab.NoTLS, lab.TokenOverHTTP, lab.NoHTTPSRedirect, lab.RedirectDowngrade, lab.RedirectLeaksToken, lab.ForwardedProtoTrusted,
		lab.NoHSTS, lab.WeakHSTS, lab.CleartextReference, lab.WebSocketCleartext, lab.HostUnvalidated, lab.HostReflected,
		lab.JWKSWeakKey, lab.JWKSPrivateKey, lab.JWKSInconsistent,
	}
	for _, flaw := range flaws {
		t.Run("flaw "+string(flaw), func(t *testing.T) {
			t.Parallel()
			o := lab.Options{Hosts: []string{"localhost"}}
			want := []string{}
			if flaw != "" {
				o.Flaws = lab.Flaws{flaw}
				want = append([]string{string(flaw)}, besides[flaw]...)
			}
			l := lab.New(o)
			f := serve(t, server{Name: "localhost", Bare: true, Handler: http.HandlerFunc(l.ServeHTTP), Plain: http.HandlerFunc(l.ServeHTTP)})
			f.Config.LoginURL, f.Config.LoginJSON = "/login", `{"username":"alice","password":"`+lab.Users()["alice"]+`"}`
			f.Config.OpenAPI, f.Config.OpenAPIData = "lab.json", l.OpenAPI("https://localhost")
			r, err := scan.Run(t.Context(), f.Config, slices.Concat(transportChecks(), hostChecks(), tlsChecks(), jwksChecks()))
			if err != nil {
				t.Fatal(err)
			}
			got := []string{}
			for _, found := range r.Findings {
				got = append(got, found.ID)
			}
			slices.Sort(got)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" || len(r.Inconclusive) > 0 {
				t.Errorf("findings (-want +got):\n%s\ninconclusive: %v", diff, r.Inconclusive)
			}
			t.Logf("%d requests in %d ms", r.Requests, r.DurationMS)
		})
	}
}
