package keyset_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/net/dns/dnsmessage"
)

// names is all of the DNS that the tests have. Names of .test are dialled;
// others go by the proxy.
var names = map[string][4]byte{
	"issuer.test.":     {127, 0, 0, 1},
	"metadata.test.":   {169, 254, 169, 254},
	"alibaba.test.":    {100, 100, 100, 200},
	"everywhere.test.": {0, 0, 0, 0},
	"multicast.test.":  {224, 0, 0, 1},
}

const proxyPassword = "canary-proxy-password"

var (
	proxied     atomic.Int64 // CONNECT requests that were let through
	proxyTarget atomic.Value // address that the proxy connects to, a string
)

func TestMain(m *testing.M) {
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: dialDNS}
	proxy := httptest.NewServer(http.HandlerFunc(connect))
	for _, name := range []string{"HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy", "NO_PROXY", "no_proxy"} {
		if err := os.Unsetenv(name); err != nil {
			panic(err)
		}
	}
	set := map[string]string{
		"HTTPS_PROXY": "http://user:" + proxyPassword + "@" + proxy.Listener.Addr().String(),
		"NO_PROXY":    ".test",
	}
	for name, value := range set {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}

// connect is a proxy that leads every name to proxyTarget.
func connect(w http.ResponseWriter, r *http.Request) {
	target, _ := proxyTarget.Load().(string)
	if _, pass, _ := parseProxyAuth(r); r.Method != http.MethodConnect || pass != proxyPassword || target == "" {
		http.Error(w, "refused", http.StatusForbidden)
		return
	}
	proxied.Add(1)
	up, err := net.Dial("tcp", target)
	if err != nil {
		http.Error(w, "down", http.StatusBadGateway)
		return
	}
	defer func() { _ = up.Close() }()
	down, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = down.Close() }()
	if _, err := io.WriteString(down, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(up, buf)
		_ = up.Close()
	}()
	_, _ = io.Copy(down, up)
}

func parseProxyAuth(r *http.Request) (user, pass string, ok bool) {
	as := &http.Request{Header: http.Header{"Authorization": r.Header.Values("Proxy-Authorization")}}
	return as.BasicAuth()
}

// dialDNS answers from names, in TCP's framing (RFC 1035 §4.2.2).
func dialDNS(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	go func() {
		defer func() { _ = server.Close() }()
		for answerDNS(server) == nil {
		}
	}()
	return client, nil
}

func answerDNS(conn net.Conn) error {
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return err
	}
	packed := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, packed); err != nil {
		return err
	}
	var msg dnsmessage.Message
	if err := msg.Unpack(packed); err != nil {
		return err
	}
	if len(msg.Questions) != 1 {
		return fmt.Errorf("%d questions", len(msg.Questions))
	}
	msg.Response, msg.RecursionAvailable, msg.Additionals = true, true, nil
	q := msg.Questions[0]
	a, known := names[q.Name.String()]
	switch {
	case !known:
		msg.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA:
		msg.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1},
			Body:   &dnsmessage.AResource{A: a},
		}}
	}
	packed, err := msg.Pack()
	if err != nil {
		return err
	}
	_, err = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(packed))), packed...))
	return err
}
