package extauthz_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc/codes"
)

// form is how Envoy writes the client's headers.
type form string

const (
	merged form = "headers"
	raw    form = "header_map"
)

// question is what Envoy would send about a request.
func question(a ask, f form) *authv3.CheckRequest {
	r := &authv3.AttributeContext_HttpRequest{
		Id: "1", Method: orElse(a.method, "GET"), Scheme: orElse(a.scheme, "https"), Host: orElse(a.host, testHost),
		Path: orElse(a.target, "/items"), Protocol: "HTTP/2", Size: -1,
	}
	all := [][2]string{
		{":method", r.Method},
		{":path", r.Path},
		{":authority", r.Host},
		{":scheme", r.Scheme},
		{"x-forwarded-proto", r.Scheme},
		{"x-request-id", "5c1e1a"},
	}
	for i := 0; i+1 < len(a.header); i += 2 {
		all = append(all, [2]string{strings.ToLower(a.header[i]), a.header[i+1]})
	}
	if f == raw {
		r.HeaderMap = &corev3.HeaderMap{}
		for _, h := range all {
			r.HeaderMap.Headers = append(r.HeaderMap.Headers, &corev3.HeaderValue{Key: h[0], RawValue: []byte(h[1])})
		}
	} else {
		r.Headers = map[string]string{}
		for _, h := range all {
			switch before, twice := r.Headers[h[0]]; {
			case twice && h[0] == "cookie":
				r.Headers[h[0]] = before + "; " + h[1]
			case twice:
				r.Headers[h[0]] = before + "," + h[1]
			default:
				r.Headers[h[0]] = h[1]
			}
		}
	}
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source:      &authv3.AttributeContext_Peer{Address: socket(orElse(a.client, "127.0.0.1"))},
		Destination: &authv3.AttributeContext_Peer{Address: socket("10.0.0.1")},
		Request:     &authv3.AttributeContext_Request{Http: r},
		ContextExtensions: map[string]string{
			"subject": "root", // whoever configures Envoy may say what he likes, we do not listen
		},
	}}
}

func socket(address string) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address: address, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: 4711},
	}}}
}

// decision is an answer of Check as a client would see it.
type decision struct {
	reply
	set    map[string]string // headers that Envoy sets for the upstream
	remove []string          // and those that it removes
}

// check asks over gRPC.
func (b *bed) check(q *authv3.CheckRequest) decision {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	res, err := authv3.NewAuthorizationClient(b.envoy).Check(ctx, q)
	if err != nil {
		b.t.Fatalf("Check: %v", err)
	}
	return b.read(res)
}

func (b *bed) read(res *authv3.CheckResponse) (d decision) {
	b.t.Helper()
	switch r := res.GetHttpResponse().(type) {
	case *authv3.CheckResponse_OkResponse:
		if code := codes.Code(res.GetStatus().GetCode()); code != codes.OK {
			b.t.Fatalf("got %v beside ok_response", code)
		}
		d.status, d.header = 200, b.headers(r.OkResponse.GetResponseHeadersToAdd())
		d.remove = r.OkResponse.GetHeadersToRemove()
		d.set = map[string]string{}
		for _, h := range r.OkResponse.GetHeaders() {
			if h.GetAppendAction() != corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD || appends(h) {
				b.t.Errorf("got %v, want every identity header to overwrite", h)
			}
			d.set[h.GetHeader().GetKey()] = h.GetHeader().GetValue()
		}
	case *authv3.CheckResponse_DeniedResponse:
		want := codes.PermissionDenied
		if d.status = int(r.DeniedResponse.GetStatus().GetCode()); d.status == 401 {
			want = codes.Unauthenticated
		}
		if code := codes.Code(res.GetStatus().GetCode()); code != want {
			b.t.Errorf("got %v, want %v", code, want)
		}
		d.header, d.body = b.headers(r.DeniedResponse.GetHeaders()), r.DeniedResponse.GetBody()
	default:
		b.t.Fatalf("got %v, want one of the two responses", res)
	}
	return d
}

// headers applies options to an answer that has none yet.
func (b *bed) headers(options []*corev3.HeaderValueOption) http.Header {
	h := http.Header{}
	for _, o := range options {
		name := o.GetHeader().GetKey()
		if name != strings.ToLower(name) {
			b.t.Errorf("got header %q, want lower case", name)
		}
		if appends(o) {
			h.Add(name, o.GetHeader().GetValue())
		} else {
			h.Set(name, o.GetHeader().GetValue())
		}
	}
	return h
}

// appends reads the option by its name: the published accessor is deprecated,
// but Envoys in use look at it.
func appends(o *corev3.HeaderValueOption) bool {
	m := o.ProtoReflect()
	value := m.Get(m.Descriptor().Fields().ByName("append")).Message()
	return value.Get(value.Descriptor().Fields().ByName("value")).Bool()
}

// certificateOf writes a certificate as Envoy does.
func certificateOf(pem []byte) string { return url.PathEscape(string(pem)) }

// has reports whether Envoy is told to remove a header.
func (d decision) has(name string) bool { return slices.Contains(d.remove, name) }

func TestCheckForms(t *testing.T) {
	t.Parallel()
	b := newBed(t, nil)
	good := "Bearer " + b.mint(nil)
	for _, f := range []form{merged, raw} {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			got := b.check(question(ask{header: []string{"Authorization", good}}, f))
			if got.status != 200 || len(got.set) != 0 || len(got.remove) != 0 {
				t.Errorf("got %+v, want 200 that changes nothing", got)
			}
			got = b.check(question(ask{}, f))
			if got.status != 401 || got.detail() != "Not authenticated" || got.header.Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("got %+v, want 401", got)
			}
			got = b.check(question(ask{header: []string{"Authorization", good, "Authorization", good}}, f))
			if got.status != 400 || got.detail() != "Invalid request" {
				t.Errorf("got %+v, want 400 for two tokens", got)
			}
			got = b.check(question(ask{header: []string{"Authorization", "Basic eDp5", "Authorization", good}}, f))
			if got.status != 400 {
				t.Errorf("got %+v, want 400 for two credentials", got)
			}
		})
	}
}

// bedQuestion is a question that a test spoils.
type bedQuestion struct{ *authv3.CheckRequest }

func (q *bedQuestion) http() *authv3.AttributeContext_HttpRequest {
	return q.GetAttributes().GetRequest().GetHttp()
}

func session(sni string) *authv3.AttributeContext_TLSSession {
	return &authv3.AttributeContext_TLSSession{Sni: sni}
}

// count sums the series of a metric that have the labels, given as name, value.
func count(t *testing.T, b *bed, name string, labels ...string) (sum float64) {
	t.Helper()
	families, err := b.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			have := map[string]string{}
			for _, l := range m.GetLabel() {
				have[l.GetName()] = l.GetValue()
			}
			matches := true
			for i := 0; i+1 < len(labels); i += 2 {
				matches = matches && have[labels[i]] == labels[i+1]
			}
			if matches {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}
