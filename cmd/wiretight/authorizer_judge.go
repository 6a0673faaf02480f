package main

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/wiretight/wiretight/internal/extauthz"
)

// What a line of the check says.
const (
	fine    = "ok"
	forgets = "forgets"
	fakes   = "fakes"
	unknown = "unknown"
)

// finding is one line of the check.
type finding struct {
	state, about, remark string
	mend                 [][2]string // proxy and what to write there
}

// judgement compares what was sent with what the proxy said of it.
type judgement struct {
	t     *trial
	seen  map[string][]extauthz.Seen
	envoy bool
	all   []finding
}

func (j *judgement) add(state, about, remark string) {
	f := finding{state: state, about: about, remark: remark}
	for _, m := range mends[about] {
		if (m[0] == "Envoy") == j.envoy {
			f.mend = append(f.mend, m)
		}
	}
	j.all = append(j.all, f)
}

// shot is what was sent under a mark.
func (j *judgement) shot(mark string) *shot {
	for i := range j.t.sent {
		if j.t.sent[i].mark == mark {
			return &j.t.sent[i]
		}
	}
	return &shot{}
}

// said is what the proxy said under a name of the request of that mark. It is
// false where the proxy did not ask.
func (j *judgement) said(mark, name string) (values []string, asked bool) {
	s := j.seen[mark]
	if len(s) == 0 {
		return nil, false
	}
	return s[0].Said[name], true
}

// judge makes the lines of what the guard has seen.
func (t *trial) judge(seen []extauthz.Seen) []finding {
	j := &judgement{t: t, seen: map[string][]extauthz.Seen{}}
	for _, s := range seen {
		j.seen[s.Mark] = append(j.seen[s.Mark], s)
		j.envoy = j.envoy || s.Envoy
	}
	if !j.asking(seen) {
		return j.all
	}
	j.method()
	j.exactly("X-Forwarded-Proto", t.url.Scheme, "")
	j.exactly("X-Forwarded-Host", t.url.Host, "DPoP proofs are for the host with its port")
	j.uri()
	j.client()
	for _, h := range passedOn {
		j.passes(h[0], h[1])
	}
	j.refusals()
	j.identity()
	j.add(unknown, "authorizer away", "cannot be tried from here: stop the guard once, and see that the proxy refuses")
	return j.all
}

// asking judges whether the proxy asks at all, and once.
func (j *judgement) asking(seen []extauthz.Seen) bool {
	if len(seen) == 0 {
		j.add(forgets, "the question", fmt.Sprintf("the proxy answered %d and did not ask this guard, or neither passed %s nor the query on",
			j.shot("get").status, extauthz.MarkHeader))
		return false
	}
	for _, s := range seen {
		if !s.Trusted {
			j.add(forgets, "trusted_peers", "the proxy asks from "+s.Asker+", which is not in authorizer.trusted_peers")
			return false
		}
	}
	for mark, s := range j.seen {
		if len(s) > 1 {
			j.add(fakes, "the question", fmt.Sprintf("the proxy asked %d times about one request (%s), which uses up what is good for one use", len(s), mark))
			return true
		}
	}
	j.add(fine, "the question", "asked once about each request")
	return true
}

// method tries several.
func (j *judgement) method() {
	const name = "X-Forwarded-Method"
	if j.forged(name) {
		return
	}
	for _, mark := range []string{"get", "post", "put", "head"} {
		got, asked := j.said(mark, name)
		want := j.shot(mark).method
		switch {
		case !asked:
			j.add(forgets, name, "the proxy did not ask about "+want)
		case len(got) == 0 || got[0] == "":
			j.add(forgets, name, "it is not sent")
		case !slices.Equal(got, []string{want}):
			j.add(fakes, name, fmt.Sprintf("it says %q of %s", got, want))
		default:
			continue
		}
		return
	}
	j.add(fine, name, "GET, POST, PUT and HEAD arrive as such")
}

// forged judges whether a client can write what the proxy should.
func (j *judgement) forged(name string) bool {
	got, asked := j.said("fake", name)
	honest, _ := j.said("get", name)
	switch {
	case asked && len(honest) == 0 && len(got) > 0:
		j.add(forgets, name, "it is not set, so that what a client sends is taken for the proxy's word")
	case asked && len(got) > 1 && name != "X-Forwarded-For":
		j.add(fakes, name, "what the client sends comes along beside the proxy's own")
	case asked && len(got) > 0 && strings.HasSuffix(got[len(got)-1], faked[name]):
		j.add(fakes, name, "what the client sends is passed on as the proxy's word")
	default:
		return false
	}
	return true
}

// exactly judges a header that must have one value.
func (j *judgement) exactly(name, want, why string) {
	if j.forged(name) {
		return
	}
	got, _ := j.said("get", name)
	switch {
	case len(got) == 0 || got[0] == "":
		j.add(forgets, name, "it is not sent")
	case !slices.Equal(got, []string{want}):
		if why != "" {
			why = "; " + why
		}
		j.add(fakes, name, fmt.Sprintf("it says %q, but %q was sent%s", got, want, why))
	default:
		j.add(fine, name, want)
	}
}

// uri judges whether path and query arrive as they were sent.
func (j *judgement) uri() {
	const name = "X-Forwarded-Uri"
	if j.forged(name) {
		return
	}
	for _, mark := range []string{"get", "query"} {
		got, asked := j.said(mark, name)
		want := j.shot(mark).target
		path, _, _ := strings.Cut(want, "?")
		switch {
		case !asked, slices.Equal(got, []string{want}):
			continue
		case len(got) == 0 || got[0] == "":
			j.add(forgets, name, "it is not sent")
		case got[0] == path:
			j.add(forgets, name, "the query is missing")
		default:
			j.add(fakes, name, fmt.Sprintf("it says %q, but %q was sent", unmarked(got[0], j.t.id), unmarked(want, j.t.id)))
		}
		return
	}
	j.add(fine, name, "path and query arrive as they were sent")
	for _, mark := range []string{"dots", "slashes"} {
		got, asked := j.said(mark, name)
		if s := j.shot(mark); asked && !slices.Equal(got, []string{s.target}) {
			j.add(unknown, name+" "+mark, fmt.Sprintf("the proxy normalises the path before it asks; see that it forwards %q too", unmarked(strings.Join(got, " "), j.t.id)))
		}
	}
}

// unmarked takes the mark out of a text for people.
func unmarked(s, id string) string {
	if len(s) > 200 {
		s = s[:200] + "…"
	}
	return strings.ReplaceAll(s, id+"-", "")
}

// client judges the client's address.
func (j *judgement) client() {
	const name = "X-Forwarded-For"
	if j.forged(name) {
		return
	}
	got, _ := j.said("get", name)
	last := strings.TrimSpace(lastOf(got))
	addr, err := netip.ParseAddr(last)
	switch {
	case last == "":
		j.add(forgets, name, "it is not sent, so that one attacker's failures lock out all clients")
	case err != nil:
		j.add(fakes, name, strconv.Quote(last)+" is no address")
	case addr.Unmap() != j.t.local:
		j.add(unknown, name, fmt.Sprintf("it says %s, and this machine connects from %s: is there something in between?", addr, j.t.local))
	default:
		j.add(fine, name, "ends with the client's address, whatever the client says")
	}
}

// lastOf is the last entry of a list in headers.
func lastOf(lines []string) string {
	all := strings.Join(lines, ",")
	return all[strings.LastIndexByte(all, ',')+1:]
}

// passes judges whether a client's header comes along.
func (j *judgement) passes(name, value string) {
	seen := j.seen["pass"]
	if len(seen) == 0 {
		j.add(unknown, name, "the proxy did not ask about the request with it")
		return
	}
	switch got := seen[0].Header[name]; {
	case len(got) == 0:
		j.add(forgets, name, "the client's is not passed to the authorizer")
	case !slices.Contains(got, extauthz.Digest(value)):
		j.add(fakes, name, "another value arrives than the client has sent")
	default:
		j.add(fine, name, "passed")
	}
}

// refusals judges what clients see of a no.
func (j *judgement) refusals() {
	about := "refusals"
	s, seen := j.shot("get"), j.seen["get"]
	switch {
	case len(seen) == 0 || seen[0].Status == http.StatusOK:
		j.add(unknown, about, "the URL needs no token, so that nothing was refused; try one that does")
	case s.status != seen[0].Status:
		j.add(forgets, about, fmt.Sprintf("%d was answered and the client got %d", seen[0].Status, s.status))
	case s.status == http.StatusUnauthorized && s.answered.Get("WWW-Authenticate") == "":
		j.add(forgets, about, "WWW-Authenticate is lost")
	case !strings.Contains(s.text, "urn:wiretight:problem:"):
		j.add(forgets, about, "the body is lost")
	default:
		j.add(fine, about, fmt.Sprintf("%d arrives with body and headers", s.status))
	}
	about = "Retry-After"
	s, seen = j.shot("refuse1"), j.seen["refuse1"]
	switch {
	case len(seen) == 0:
		j.add(unknown, about, "the proxy did not ask")
	case s.status != http.StatusTooManyRequests:
		j.add(forgets, about, fmt.Sprintf("429 was answered and the client got %d", s.status))
	case s.answered.Get("Retry-After") != "7":
		j.add(forgets, about, "429 arrives without it")
	default:
		j.add(fine, about, "429 arrives with it")
	}
}

// lost are the headers that tell the application who calls, and that are not among
// those that it repeats. One that repeats no names shows nothing.
func (j *judgement) lost() (names []string) {
	text := strings.ReplaceAll(strings.ToLower(j.shot("spoof").text), "_", "-")
	if seen := j.seen["spoof"]; len(seen) > 0 && strings.Contains(text, "user-agent") {
		for _, name := range seen[0].Identity {
			if strings.HasPrefix(name, "X-Auth-") && !strings.Contains(text, strings.ToLower(name)) {
				names = append(names, name)
			}
		}
	}
	return names
}

// identity judges whether the application believes what clients say of
// themselves. Only an application that repeats headers shows it.
func (j *judgement) identity() {
	const about = "identity headers"
	s, seen := j.shot("spoof"), j.seen["spoof"]
	switch {
	case strings.Contains(s.text, spoof):
		j.add(fakes, about, "the client's own reach the application")
	case len(seen) == 0 || seen[0].Status != http.StatusOK:
		j.add(unknown, about, "the request was refused; give --token-file, for a URL that repeats its request's headers")
	case j.t.token != "" && strings.Contains(s.text, j.t.token) && !slices.Contains(seen[0].Identity, "Authorization"):
		j.add(fakes, about, "the client's token reaches the application, which the authorizer would take away")
	case len(j.lost()) > 0:
		j.add(forgets, about, strings.Join(j.lost(), ", ")+" of the authorizer's answer does not reach the application")
	case strings.Contains(s.text, j.t.id):
		j.add(fine, about, "the client's own do not reach the application")
	default:
		j.add(unknown, about, "the application does not repeat its request's headers, so that nothing can be seen")
	}
}
