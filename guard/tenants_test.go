package guard_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wiretight/wiretight/guard"
)

// TestTenantsAreKeptApart has two tenants storm one guard over HTTP/1.1 and
// HTTP/2: requests that are answered, cancelled, refused and aborted, in
// pipelines that are cut at any byte, before an upstream that answers, stalls,
// breaks off and says more than it should. What is kept of a request for the
// next one must never show: every answer says who it is for.
//
// WIRETIGHT_STORM is how long, as a duration.
func TestTenantsAreKeptApart(t *testing.T) {
	t.Parallel()
	long := 2 * time.Second
	if v := os.Getenv("WIRETIGHT_STORM"); v != "" {
		var err error
		if long, err = time.ParseDuration(v); err != nil {
			t.Fatal(err)
		}
	}
	f := newFixture(t, func(c *guard.Config) { c.Tokens.Forward = guard.ForwardClaims })
	f.upstream.streams(echoTenant)
	s := &storm{t: t, f: f, until: time.Now().Add(long)}
	var all sync.WaitGroup
	for i := range 12 {
		who := []string{"alice", "bob"}[i%2]
		token := "Bearer " + f.mint(map[string]any{"sub": who})
		random := rand.New(rand.NewPCG(uint64(i), 1))
		switch i % 6 {
		case 0, 1:
			all.Go(func() { s.pipelines(who, token, random) })
		default:
			c := f.client(i%6 < 4, nil)
			for n := range 4 {
				all.Go(func() { s.requests(c, who, token, rand.New(rand.NewPCG(uint64(i), uint64(n+2)))) })
			}
		}
	}
	all.Wait()
	if s.right.Load() == 0 || s.broken.Load() == 0 {
		t.Errorf("%d answers were whole and %d were not, want some of both", s.right.Load(), s.broken.Load())
	}
	t.Logf("%d answers were whole, %d were not", s.right.Load(), s.broken.Load())
}

// echoTenant says who is asking, in header and body, in one of many ways.
func echoTenant(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	said := r.Header.Get("X-Auth-Subject") + " " + r.Header.Get("X-Who") + " " + string(body) + "\n"
	w.Header().Set("X-Tenant", strings.TrimSpace(said))
	switch r.URL.Query().Get("how") {
	case "length":
		w.Header().Set("Content-Length", strconv.Itoa(len(said)))
	case "chunks":
		_ = http.NewResponseController(w).Flush()
	case "short":
		w.Header().Set("Content-Length", strconv.Itoa(len(said)+100))
		_, _ = io.WriteString(w, said)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case "broken chunks":
		_, _ = io.WriteString(w, said)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case "nothing":
		panic(http.ErrAbortHandler)
	case "slow":
		select {
		case <-time.After(rand.N(250 * time.Millisecond)): // servers look for the client after 100
		case <-r.Context().Done():
		}
	case "error":
		w.WriteHeader(http.StatusTeapot)
	case "large":
		for range 5000 {
			_, _ = io.WriteString(w, said)
		}
		return
	case "hints":
		w.Header().Set("Link", "<"+strings.Fields(said)[0]+">")
		w.WriteHeader(http.StatusEarlyHints)
	}
	_, _ = io.WriteString(w, said)
}

var ways = []string{"length", "chunks", "short", "broken chunks", "nothing", "slow", "error", "large", "hints", ""}

type storm struct {
	t             *testing.T
	f             *fixture
	until         time.Time
	right, broken atomic.Int64
}

// judge looks whether an answer is for who asked with that body.
func (s *storm) judge(who, body string, res *http.Response) {
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	other := map[string]string{"alice": "bob", "bob": "alice"}[who]
	if strings.Contains(string(got), other) || strings.Contains(fmt.Sprint(res.Header), other) {
		s.t.Errorf("%s got an answer to %s: %v %.200q", who, other, res.Header, got)
	}
	if err != nil {
		s.broken.Add(1)
		return
	}
	if res.StatusCode != 200 && res.StatusCode != http.StatusTeapot {
		return
	}
	said := who + " " + who + " " + body
	if tenant := res.Header.Get("X-Tenant"); tenant != strings.TrimSpace(said) || strings.ReplaceAll(string(got), said+"\n", "") != "" || len(got) == 0 {
		s.t.Errorf("%s with %q got %q and %.200q", who, body, tenant, got)
	}
	s.right.Add(1)
}

// requests sends one after the other over a client's connections.
func (s *storm) requests(c *http.Client, who, token string, random *rand.Rand) {
	for i := 0; time.Now().Before(s.until); i++ {
		body := ""
		method := "GET"
		if random.IntN(2) == 0 {
			method, body = "POST", fmt.Sprintf("%s-%d", who, i)
		}
		r := s.f.request("https", method, "/x?how="+strings.ReplaceAll(ways[random.IntN(len(ways))], " ", "+"), body, "X-Who", who)
		if random.IntN(8) != 0 {
			r.Header.Set("Authorization", token)
		}
		if random.IntN(5) == 0 {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), -1
		}
		ctx, cancel := context.WithCancel(s.t.Context())
		if random.IntN(4) == 0 {
			time.AfterFunc(time.Duration(random.IntN(5000))*time.Microsecond, cancel)
		}
		res, err := c.Do(r.WithContext(ctx))
		if err != nil {
			s.broken.Add(1)
		} else {
			s.judge(who, body, res)
		}
		cancel()
	}
}

// pipelines sends several requests at once and cuts the last one anywhere.
func (s *storm) pipelines(who, token string, random *rand.Rand) {
	for time.Now().Before(s.until) {
		var text strings.Builder
		var bodies []string
		for i := range 1 + random.IntN(6) {
			body := fmt.Sprintf("%s-%d", who, i)
			fmt.Fprintf(&text, "POST /x?how=%s HTTP/1.1\r\nHost: %s\r\nX-Who: %s\r\nContent-Length: %d\r\n",
				strings.ReplaceAll(ways[random.IntN(len(ways))], " ", "+"), testHost, who, len(body))
			if random.IntN(8) != 0 {
				text.WriteString("Authorization: " + token + "\r\n")
			}
			text.WriteString("\r\n" + body)
			bodies = append(bodies, body)
		}
		said := text.String()
		if random.IntN(2) == 0 {
			said = said[:random.IntN(len(said))]
		}
		c, err := tls.Dial("tcp", s.f.addr, &tls.Config{InsecureSkipVerify: true, ServerName: testHost, NextProtos: []string{"http/1.1"}})
		if err != nil {
			s.t.Error(err)
			return
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(c, said)
		if random.IntN(3) == 0 {
			_ = c.NetConn().Close()
		} else {
			_ = c.CloseWrite()
		}
		in := bufio.NewReader(c)
		for _, body := range bodies {
			res, err := http.ReadResponse(in, nil)
			for err == nil && res.StatusCode < 200 {
				res, err = http.ReadResponse(in, nil)
			}
			if err != nil {
				s.broken.Add(1)
				break
			}
			s.judge(who, body, res)
		}
		_ = c.Close()
	}
}
