package scan

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/wiretight/wiretight/internal/tlsprobe"
)

// Run scans. The error says that the configuration or the list of checks cannot
// be used; a target that cannot be reached is a Report that is Incomplete. When
// ctx ends, so does the scan, and the Report has what was found until then.
func Run(ctx context.Context, c Config, checks []Check) (*Report, error) {
	t, err := newTarget(ctx, c)
	if err != nil {
		return nil, err
	}
	s, err := newSchedule(t, checks)
	if err != nil {
		return nil, err
	}
	life, cancel := context.WithCancel(ctx)
	t.life = life
	defer t.close(cancel)
	started, began := t.now(), time.Now()
	incomplete := t.Mask(s.carryOut(ctx, life))
	r := s.report()
	r.Started, r.DurationMS, r.Incomplete = started.UTC(), time.Since(began).Milliseconds(), incomplete
	r.Requests, _ = t.budget.spent()
	r.rate()
	return r, nil
}

// carryOut scans, and says why the scan is not complete. ctx is the caller's, life
// the scan's own.
func (s *schedule) carryOut(ctx, life context.Context) (incomplete string) {
	t := s.target
	err := t.locate(life)
	if err == nil {
		err = t.explore(life)
	}
	if err != nil {
		incomplete = reachError(err)
		s.abandon(incomplete)
		return incomplete
	}
	t.done.Go(func() { t.Secret(life) }) // the guessing takes a while
	s.run(life)
	if ctx.Err() != nil {
		return interrupted(ctx)
	}
	if _, err := t.budget.spent(); err != nil {
		return err.Error()
	}
	return t.surface.fault
}

func reachError(err error) string {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) && !errors.As(err, new(net.Error)) {
		return "the scan was interrupted"
	}
	return "the target cannot be reached: " + err.Error()
}

func interrupted(ctx context.Context) string {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return "the scan ran out of time"
	}
	return "the scan was interrupted"
}

// newTarget checks the configuration, all of it at once.
func newTarget(ctx context.Context, c Config) (*Target, error) {
	t := &Target{config: c, life: ctx}
	var errs []error
	u, err := targetURL(c.URL)
	if err != nil {
		errs = append(errs, err)
		u = &url.URL{}
	}
	t.base = *u
	resolve, err := readResolve(c.Resolve)
	errs = append(errs, err)
	if c.LoginData != "" && c.LoginJSON != "" {
		errs = append(errs, errors.New("login data is given twice; give either a form or JSON"))
	}
	if c.LoginURL != "" && c.LoginData == "" && c.LoginJSON == "" {
		errs = append(errs, errors.New("the login URL needs login data: a form or JSON"))
	}
	for _, s := range []string{c.LoginURL, c.RefreshURL, c.LogoutURL} {
		if s == "" {
			continue
		}
		if v, err := t.base.Parse(s); err != nil || !strings.EqualFold(v.Hostname(), t.base.Hostname()) {
			errs = append(errs, fmt.Errorf("%q is not on the target's host; write a path, as /auth/login", s))
		}
	}
	if c.Rate < 0 || c.Timeout < 0 || c.MaxRequests < 0 {
		errs = append(errs, errors.New("rate, timeout and the number of requests cannot be negative"))
	}
	if len(c.OpenAPIData) > maxSpec {
		errs = append(errs, fmt.Errorf("%s: the API description is over %d MiB", c.OpenAPI, maxSpec>>20))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	t.prepare(resolve)
	return t, nil
}

// prepare makes what needs no request.
func (t *Target) prepare(resolve map[string]string) {
	port := t.base.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[t.base.Scheme]
	}
	t.addr = net.JoinHostPort(t.base.Hostname(), port)
	rate := t.config.Rate
	if rate == 0 && !loopbackName(t.base.Hostname()) {
		rate = defaultRate
	}
	requests := t.config.MaxRequests
	if requests == 0 {
		requests = defaultRequests
	}
	t.budget = newBudget(requests, rate)
	t.wire = &wire{
		dial: t.dialer(resolve, false), roots: t.config.CA, now: t.now, name: t.base.Hostname(),
		cache: tls.NewLRUClientSessionCache(32), idle: map[endpoint][]*connection{},
	}
	t.outside = &wire{dial: t.dialer(resolve, true), now: t.now}
	for _, secret := range [][]byte{t.config.Token.Reveal(), t.config.OtherToken.Reveal(), t.config.ExpiredToken.Reveal()} {
		t.secrets.keep(string(secret))
	}
	t.secrets.hide(string(t.config.Secret.Reveal()))
	t.hideLogin()
}

// hideLogin keeps the login's passwords out of what is printed.
func (t *Target) hideLogin() {
	_, _ = t.loginRequest(func(name, v string) string {
		if passwordField.MatchString(name) {
			t.secrets.hide(v)
		}
		return v
	}) // a mistake shows when it is used
}

// dialer makes connections as Resolve says, and learns from the first one where
// the target is. An outside one refuses private addresses.
func (t *Target) dialer(resolve map[string]string, outside bool) func(context.Context, string, string) (net.Conn, error) {
	dial := t.config.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if other, ok := resolve[strings.ToLower(addr)]; ok && !outside {
			addr = other
		}
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		if a, ok := peer(c.RemoteAddr()); outside && (!ok || !a.IsGlobalUnicast() || a.IsPrivate()) && !t.surface.loopback {
			c.Close()
			return nil, errors.New("the address is not public")
		}
		return c, nil
	}
}

// locate notes where the target is, from a connection to it.
func (t *Target) locate(ctx context.Context) error {
	c, err := t.Dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	a, ok := peer(c.RemoteAddr())
	local, here := peer(c.LocalAddr())
	if ok && here && (a.IsLoopback() || a.IsPrivate()) {
		t.surface.local = local.String()
	}
	t.surface.loopback = ok && a.IsLoopback()
	return nil
}

// Probe asks the target's TLS through Dial. It is nil where the URL is http.
func (t *Target) Probe() *tlsprobe.Probe {
	if !t.HTTPS() {
		return nil
	}
	early := encode(Request{Header: http.Header{"Connection": {"close"}}}, t.Base())
	return &tlsprobe.Probe{Dial: t.Dial, ServerName: t.Host(), Timeout: t.timeout(), Now: t.now, Roots: t.config.CA, EarlyRequest: early}
}

// close ends everything that the scan has started.
func (t *Target) close(cancel context.CancelFunc) {
	cancel()
	t.listening.Lock()
	if t.callback != nil {
		t.callback.server.Close()
	}
	t.listening.Unlock()
	t.wire.close()
	t.done.Wait()
}

func targetURL(raw string) (*url.URL, error) {
	if raw == "" {
		return nil, errors.New("no URL; say what to scan, as https://api.example.com")
	}
	if !strings.Contains(raw, "://") {
		return nil, fmt.Errorf("%q has no scheme; write https://%s", raw, raw)
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the URL cannot be read: %w", urlCause(err))
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("the scheme %q cannot be scanned; write https:// or http://", u.Scheme)
	case u.Hostname() == "":
		return nil, errors.New("the URL has no host; write it as https://api.example.com")
	case u.User != nil:
		return nil, errors.New("the URL holds a user name or password; give a token or login data instead")
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("the URL has a query or fragment; leave it out")
	}
	return u, nil
}

// urlCause leaves out the URL, which may hold a secret.
func urlCause(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// readResolve reads HOST:PORT:ADDR, ADDR with or without a port.
func readResolve(list []string) (map[string]string, error) {
	m := map[string]string{}
	for _, s := range list {
		parts := strings.SplitN(s, ":", 3)
		if len(parts) != 3 || slices.Contains(parts, "") {
			return nil, fmt.Errorf("%q is no HOST:PORT:ADDR, as api.example.com:443:127.0.0.1", s)
		}
		addr := parts[2]
		if _, _, err := net.SplitHostPort(addr); err != nil {
			addr = net.JoinHostPort(strings.Trim(addr, "[]"), parts[1])
		}
		m[strings.ToLower(net.JoinHostPort(parts[0], parts[1]))] = addr
	}
	return m, nil
}
