package extauthz_test

import (
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/wiretight/wiretight/internal/extauthz"
)

// FuzzCheckRequest holds the decoder against the published type: whatever that
// reads must be read here, and in the same way. Of what it does not read,
// nothing that is looked at here may hold what no text can.
func FuzzCheckRequest(f *testing.F) {
	for _, form := range []form{merged, raw} {
		q := question(ask{method: "POST", client: "::1", header: []string{"Authorization", "Bearer x", "Cookie", "a=b", "Cookie", "c=d"}}, form)
		q.Attributes.TlsSession = session(testHost)
		q.Attributes.Source.Certificate = "-----BEGIN%20CERTIFICATE-----"
		m, err := proto.Marshal(q)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(m)
		f.Add(append(m, m...))
	}
	f.Add([]byte("\x0a\x02\x22\x00"))
	f.Add([]byte("\x0a\x0a\x22\x08\x12\x06\x1a\x04\x0a\x00\x12\x00"))
	f.Fuzz(func(t *testing.T, m []byte) {
		var want authv3.CheckRequest
		theirs := proto.Unmarshal(m, &want)
		got, ours := extauthz.ParseCheckRequest(m)
		if theirs != nil {
			return
		}
		if ours != nil {
			t.Fatalf("the published type reads what is refused here: %v", ours)
		}
		if d := cmp.Diff(fieldsOf(&want), got); d != "" {
			t.Errorf("read differently (-published +here):\n%s", d)
		}
	})
}

// fieldsOf is what a question needs of the published type.
func fieldsOf(q *authv3.CheckRequest) extauthz.Fields {
	a := q.GetAttributes()
	h := a.GetRequest().GetHttp()
	out := extauthz.Fields{
		Method: h.GetMethod(), Path: h.GetPath(), Host: h.GetHost(), Scheme: h.GetScheme(), HTTP: h != nil,
		Headers: h.GetHeaders(), Socket: a.GetSource().GetAddress().GetSocketAddress() != nil,
		Address: a.GetSource().GetAddress().GetSocketAddress().GetAddress(), Certificate: a.GetSource().GetCertificate(),
		SNI: a.GetTlsSession().GetSni(),
	}
	for _, v := range h.GetHeaderMap().GetHeaders() {
		value := v.GetValue()
		if len(v.GetRawValue()) > 0 {
			value = string(v.GetRawValue())
		}
		out.Raw = append(out.Raw, [2]string{v.GetKey(), value})
	}
	return out
}
