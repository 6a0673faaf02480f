package issuer_test

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/wiretight/wiretight/guard"
	"github.com/wiretight/wiretight/issuer"
)

// page is one tab on the example's page.
type page struct {
	t   *testing.T
	ctx context.Context
	url string
}

// openBrowser starts Chromium and opens the example in a first tab.
func openBrowser(t *testing.T, url string) *page {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("chromium is missing; install it with: apt-get install chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("ignore-certificate-errors", true), chromedp.Flag("disable-dev-shm-usage", true), chromedp.WSURLReadTimeout(time.Minute))
	allocated, cancelAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancelAllocator)
	tab, cancelTab := chromedp.NewContext(allocated)
	t.Cleanup(func() { _ = chromedp.Cancel(tab); cancelTab() })
	p := &page{t, tab, url}
	p.open()
	return p
}

// tab opens the example in one more tab of the same browser.
func (p *page) tab() *page {
	p.t.Helper()
	ctx, cancel := chromedp.NewContext(p.ctx)
	p.t.Cleanup(cancel)
	other := &page{p.t, ctx, p.url}
	other.open()
	return other
}

func (p *page) open() {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, chromedp.Navigate(p.url+"/")); err != nil {
		p.t.Fatalf("open the page: %v", err)
	}
	p.eventually(`document.body.dataset.ready === "true"`)
}

// evaluate runs an expression of the page's and waits for what it promises.
func evaluate[T any](p *page, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 2*patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Errorf("run %s: %v", expression, err)
	}
	return v
}

func (p *page) login(password string) {
	p.t.Helper()
	evaluate[bool](p, `(() => { username.value = "alice"; password.value = "`+password+`"; document.querySelector("#login button").click(); return true })()`)
}

// wants calls the API and waits for its answer on the page.
func (p *page) wants(answer string) {
	p.t.Helper()
	p.eventually(`document.getElementById("inside").hidden === false`)
	evaluate[bool](p, `(() => { answer.textContent = ""; document.getElementById("call").click(); return true })()`)
	p.eventually(`answer.textContent === "` + answer + `"`)
}

// eventually waits until an expression is true.
func (p *page) eventually(expression string) {
	p.t.Helper()
	eventually(p.t, expression, func() bool { return evaluate[bool](p, `Boolean(`+expression+`)`) })
}

// script runs asynchronous code with the page's session and returns its text.
func (p *page) script(code string) string {
	p.t.Helper()
	return evaluate[string](p, "(async () => { const session = await import('/session.js'); "+code+" })()")
}

// TestBrowserExample is examples/browser in Chromium: two tabs, one session.
// There is no grace: tabs that collide would end the session.
func TestBrowserExample(t *testing.T) {
	t.Parallel()
	for _, cookie := range []bool{false, true} {
		name := "access token in memory"
		if cookie {
			name = "access token in a cookie"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGuarded(t, func(c *issuer.Config) { c.AccessCookie, c.RefreshGrace = cookie, 0 }, func(c *guard.Config) {
				c.Tokens.Sources = []string{"header", "cookie:__Host-access"}
				c.Routes = append(c.Routes, guard.Route{Path: "/", Public: true}, guard.Route{Path: "/page.js", Public: true}, guard.Route{Path: "/session.js", Public: true})
			})
			first := openBrowser(t, g.server.URL)
			first.login("wrong password")
			first.eventually(`document.getElementById("problem").textContent === "Wrong username or password"`)
			first.login(testPassword)
			first.wants("items of alice")
			first.noTokens(cookie)

			second := first.tab() // finds the session
			second.wants("items of alice")
			first.wants("items of alice")

			// Both renew at once, several times each.
			renew := `let ok = 0; await Promise.all([1, 2, 3, 4].map(async () => { if (await session.refresh()) ok++ })); return String(ok)`
			results := make([]string, 2)
			each(2, func(i int) { results[i] = []*page{first, second}[i].script(renew) })
			if results[0] != "4" || results[1] != "4" {
				t.Errorf("got %v refreshes that succeeded, want 4 in each tab", results)
			}
			first.wants("items of alice")
			second.wants("items of alice")
			second.noTokens(cookie)

			// A reload has nothing in memory and still finds the session.
			first.open()
			first.wants("items of alice")

			evaluate[bool](second, `(() => { document.getElementById("logout").click(); return true })()`)
			for _, p := range []*page{first, second} {
				p.eventually(`!document.getElementById("outside").hidden`)
				if got := p.script(`return String((await session.call('/items')).status)`); got != "401" {
					t.Errorf("after logout a tab gets %s, want 401", got)
				}
			}
		})
	}
}

// noTokens looks for tokens wherever a script of an attacker could.
func (p *page) noTokens(cookie bool) {
	p.t.Helper()
	got := p.script(`
		const globals = Object.keys(window).map((k) => { try { return k + JSON.stringify(window[k]) } catch { return k } }).join()
		const bases = (await indexedDB.databases()).map((d) => d.name).join()
		const caches = (await window.caches.keys()).join()
		return [document.cookie, JSON.stringify(localStorage), JSON.stringify(sessionStorage), bases, caches, document.documentElement.outerHTML, location.href, globals].join('\n')`)
	for _, shape := range []string{"eyJ", "wtr_", "__Host-"} {
		if strings.Contains(got, shape) {
			p.t.Errorf("a script finds something that begins with %s", shape)
		}
	}
	if !cookie {
		return
	}
	// Not even in the answers that the page itself gets.
	if body := p.script(`return await (await fetch('/auth/refresh', { method: 'POST' })).text()`); strings.Contains(body, "eyJ") || !strings.Contains(body, "expires_in") {
		p.t.Errorf("the answer to a refresh is %s, want it without a token", shorten(body))
	}
}
