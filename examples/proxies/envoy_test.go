package proxies_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extauthzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3" // types that the file names
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/tls_inspector/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"
	"google.golang.org/protobuf/types/known/anypb"

	"go.yaml.in/yaml/v4"
)

// validated is what Envoy's own rules look at.
type validated interface{ ValidateAll() error }

// readEnvoy reads the example as Envoy would: no unknown field, no value out of
// bounds, in embedded messages too.
func readEnvoy(t *testing.T) *bootstrapv3.Bootstrap {
	t.Helper()
	text, err := os.ReadFile("../envoy/envoy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	var b bootstrapv3.Bootstrap
	if err := protojson.Unmarshal(asJSON, &b); err != nil {
		t.Fatal(err)
	}
	err = protorange.Range(b.ProtoReflect(), func(v protopath.Values) error {
		at := v.Index(-1)
		if at.Step.Kind() != protopath.AnyExpandStep && at.Step.Kind() != protopath.RootStep {
			return nil
		}
		m, ok := at.Value.Message().Interface().(validated)
		if !ok {
			return fmt.Errorf("%v cannot be validated", v.Path)
		}
		return m.ValidateAll()
	})
	if err != nil {
		t.Fatal(err)
	}
	return &b
}

func unpack[M proto.Message](t *testing.T, from *anypb.Any, into M) M {
	t.Helper()
	if err := from.UnmarshalTo(into); err != nil {
		t.Fatal(err)
	}
	return into
}

// managers are the HTTP connection managers of both listeners, and their filters.
func managers(t *testing.T, b *bootstrapv3.Bootstrap) (all []*hcmv3.HttpConnectionManager, asks []*extauthzv3.ExtAuthz) {
	t.Helper()
	for _, l := range b.GetStaticResources().GetListeners() {
		for _, chain := range l.GetFilterChains() {
			m := unpack(t, chain.GetFilters()[0].GetTypedConfig(), &hcmv3.HttpConnectionManager{})
			all = append(all, m)
			asks = append(asks, unpack(t, m.GetHttpFilters()[0].GetTypedConfig(), &extauthzv3.ExtAuthz{}))
		}
	}
	return all, asks
}

// TestEnvoyFile holds what a line less would cost.
func TestEnvoyFile(t *testing.T) {
	t.Parallel()
	b := readEnvoy(t)
	all, asks := managers(t, b)
	if len(all) != 2 {
		t.Fatalf("got %d listeners, want one for HTTPS and one for HTTP", len(all))
	}
	for i, m := range all {
		a := asks[i]
		for what, ok := range map[string]bool{
			"refuses if Wiretight is away":    !a.GetFailureModeAllow() && a.GetStatusOnError().GetCode() == 503,
			"forgets the route":               a.GetClearRouteCache(),
			"tells of certificate and name":   a.GetIncludePeerCertificate() && a.GetIncludeTlsSession(),
			"leaves headers apart":            a.GetEncodeRawHeaders(),
			"sends all headers, no body":      a.GetAllowedHeaders() == nil && a.GetDisallowedHeaders() == nil && a.GetWithRequestBody() == nil,
			"asks the cluster":                a.GetGrpcService().GetEnvoyGrpc().GetClusterName() == "wiretight",
			"waits a while only":              a.GetGrpcService().GetTimeout().AsDuration() > 0,
			"takes the peer for the client":   m.GetUseRemoteAddress().GetValue() && m.GetXffNumTrustedHops() == 0,
			"leaves paths alone":              !m.GetNormalizePath().GetValue() && !m.GetMergeSlashes() && m.GetPathWithEscapedSlashesAction() == hcmv3.HttpConnectionManager_KEEP_UNCHANGED,
			"no underscores":                  m.GetCommonHttpProtocolOptions().GetHeadersWithUnderscoresAction() == corev3.HttpProtocolOptions_REJECT_REQUEST,
			"believes no certificate header":  m.GetForwardClientCertDetails() == hcmv3.HttpConnectionManager_SANITIZE,
			"asks before it routes":           len(m.GetHttpFilters()) == 2 && strings.HasSuffix(m.GetHttpFilters()[1].GetTypedConfig().GetTypeUrl(), ".Router"),
			"bounds the wait for the headers": m.GetRequestHeadersTimeout().AsDuration() > 0,
		} {
			if !ok {
				t.Errorf("listener %d does not do this any more: %s", i, what)
			}
		}
		for _, host := range m.GetRouteConfig().GetVirtualHosts() {
			for _, r := range host.GetRoutes() {
				if len(r.GetTypedPerFilterConfig()) > 0 || r.GetRoute().GetPrefixRewrite() != "" || r.GetRoute().GetRegexRewrite() != nil || r.GetRoute().GetRetryPolicy() != nil {
					t.Errorf("route %v goes around Wiretight, rewrites, or asks twice", r)
				}
			}
		}
	}
	chain := b.GetStaticResources().GetListeners()[0].GetFilterChains()[0]
	context := unpack(t, chain.GetTransportSocket().GetTypedConfig(), &tlsv3.DownstreamTlsContext{})
	if v := context.GetCommonTlsContext().GetTlsParams().GetTlsMinimumProtocolVersion(); v < tlsv3.TlsParameters_TLSv1_2 {
		t.Errorf("got TLS from %v, want 1.2", v)
	}
}

// envoyAsks builds the question as an Envoy with this file does, and applies the
// answer to the client's headers as Envoy does.
type envoyAsks struct {
	t      *testing.T
	client authv3.AuthorizationClient
	scheme string
}

// told is what becomes of a request: a status, and the headers that go on.
type told struct {
	status int
	answer http.Header
	header http.Header
	body   string
}

func (e *envoyAsks) ask(r request) (told, error) {
	raw := &corev3.HeaderMap{}
	sent := http.Header{}
	add := func(name, value string) {
		raw.Headers = append(raw.Headers, &corev3.HeaderValue{Key: strings.ToLower(name), RawValue: []byte(value)})
		if !strings.HasPrefix(name, ":") {
			sent.Add(name, value)
		}
	}
	from, method, target, authority := orElse(r.From, stranger()), orElse(r.Method, "GET"), orElse(r.Target, "/items"), orElse(r.Host, host)
	for i, v := range []string{":method", method, ":path", target, ":authority", authority, ":scheme", e.scheme} {
		if i%2 == 1 {
			add([]string{":method", ":path", ":authority", ":scheme"}[i/2], v)
		}
	}
	for i := 0; i+1 < len(r.Header); i += 2 {
		switch name := strings.ToLower(r.Header[i]); name {
		case "x-forwarded-proto", "x-forwarded-client-cert": // use_remote_address and SANITIZE
		default:
			add(name, r.Header[i+1])
		}
	}
	add("x-forwarded-for", from) // appended: the last is the peer
	add("x-forwarded-proto", e.scheme)
	q := &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source: &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
			Address: from, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: 40000},
		}}}},
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Method: method, Path: target, Host: authority, Scheme: e.scheme, Protocol: "HTTP/2", HeaderMap: raw,
		}},
	}}
	if e.scheme == "https" {
		q.Attributes.TlsSession = &authv3.AttributeContext_TLSSession{Sni: host}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	res, err := e.client.Check(ctx, q)
	if err != nil {
		return told{status: http.StatusServiceUnavailable}, err // status_on_error
	}
	if denied := res.GetDeniedResponse(); denied != nil || res.GetStatus().GetCode() != 0 {
		out := told{status: int(denied.GetStatus().GetCode()), answer: http.Header{}, body: denied.GetBody()}
		for _, h := range denied.GetHeaders() {
			out.answer.Add(h.GetHeader().GetKey(), h.GetHeader().GetValue())
		}
		return out, nil
	}
	out := told{status: 200, header: sent}
	for _, h := range res.GetOkResponse().GetHeaders() {
		out.header.Set(h.GetHeader().GetKey(), h.GetHeader().GetValue())
	}
	for _, name := range res.GetOkResponse().GetHeadersToRemove() {
		out.header.Del(name)
	}
	return out, nil
}

// TestEnvoyAsks puts the questions to the guard with the example's configuration.
func TestEnvoyAsks(t *testing.T) {
	t.Parallel()
	readEnvoy(t)
	b := newBed(t, "envoy", nil)
	conn, err := grpc.NewClient(b.ip+":9182", grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	client := authv3.NewAuthorizationClient(conn)
	https, plain := &envoyAsks{t, client, "https"}, &envoyAsks{t, client, "http"}
	good := bearer(b.mint(nil))
	h := b.newHolder()
	burnt := b.mint(nil)
	once := b.mint(nil)
	faked := append(slices.Clone(good), "X-Auth-Subject", "root", "x-auth-scopes", "root", "X-Auth.Subject", "root", "X-Forwarded-Host", "root.example", "X-Original-Url", "/root", "X-Forwarded-User", "root")
	cors := []string{"Origin", "https://app.example.com", "Access-Control-Request-Method", "GET"}
	for _, c := range []struct {
		name string
		by   *envoyAsks
		r    request
		want int
	}{
		{"good token", https, request{Header: faked}, 200},
		{"no token", https, request{}, 401},
		{"expired", https, request{Header: bearer(b.mint(map[string]any{"iat": 1700000000, "exp": 1700000300}))}, 401},
		{"wrong audience", https, request{Header: bearer(b.mint(map[string]any{"aud": "else"}))}, 401},
		{"two tokens", https, request{Header: append(slices.Clone(good), good...)}, 400},
		{"scope", https, request{Target: "/admin/users", Header: good}, 403},
		{"method", https, request{Method: "PUT", Target: "/admin/users", Header: good}, 405},
		{"other host", https, request{Host: "evil.example", Header: good}, 400},
		{"public", https, request{Target: "/public/x"}, 200},
		{"encoded slash", https, request{Target: "/public/..%2fadmin"}, 400},
		{"encoded dots", https, request{Target: "/public/%2e%2e/admin", Header: good}, 400},
		{"two slashes", https, request{Target: "//admin", Header: good}, 400},
		{"semicolon", https, request{Target: "/public;/../admin", Header: good}, 400},
		{"faked path", https, request{Target: "/admin/users", Header: append(slices.Clone(good), "X-Forwarded-Uri", "/public/x", "X-Envoy-Original-Path", "/public/x")}, 403},
		{"DPoP", https, request{Header: h.headers("GET", "https://"+host+"/items")}, 200},
		{"DPoP for another host", https, request{Header: h.headers("GET", "https://evil.example/items")}, 401},
		{"preflight", https, request{Method: "OPTIONS", Header: cors}, 204},
		{"preflight of another origin", https, request{Method: "OPTIONS", Header: []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "GET"}}, 403},
		{"once", https, request{Method: "POST", Target: "/pay", Header: bearer(once)}, 200},
		{"twice", https, request{Method: "POST", Target: "/pay", Header: bearer(once)}, 401},
		{"plain HTTP", plain, request{}, 308},
		{"plain HTTP with a token", plain, request{Header: append(bearer(burnt), "X-Forwarded-Proto", "https")}, 403},
		{"a burnt token", https, request{Header: bearer(burnt)}, 401},
	} {
		got, err := c.by.ask(c.r)
		if err != nil || got.status != c.want {
			t.Errorf("%s: got %+v, %v, want %d", c.name, got, err, c.want)
		}
		if c.want == 401 && got.answer.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: got no challenge", c.name)
		}
		if c.name == "good token" {
			if subject := got.header.Get("X-Auth-Subject"); subject != "alice" {
				t.Errorf("the application gets the subject %q, want alice", subject)
			}
			for name, values := range got.header {
				if strings.Contains(strings.Join(values, " "), "root") || name == "Authorization" {
					t.Errorf("the application gets the client's own %s %q", name, values)
				}
			}
		}
	}
	b.stopGuard()
	if got, err := https.ask(request{Target: "/public/x"}); err == nil || got.status != 503 {
		t.Errorf("got %+v, %v with nobody to ask, want an error, which Envoy answers with 503", got, err)
	}
}
