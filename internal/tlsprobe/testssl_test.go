package tlsprobe_test

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/tlsprobe"
)

// testssl runs testssl.sh on addr with the given sections, and returns its
// findings by id.
func testssl(t *testing.T, addr string, args ...string) map[string]string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	report := filepath.Join(dir, "report.json")
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	args = append([]string{"--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--ip", "127.0.0.1", "--jsonfile", report}, args...)
	cmd := exec.CommandContext(ctx, need(t, "testssl", "testssl.sh"), append(args, host+":"+port)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	text, rerr := os.ReadFile(report)
	if rerr != nil {
		t.Fatalf("no report: %v (%v)\n%s", rerr, err, out)
	}
	var list []struct{ ID, Severity, Finding string }
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatalf("read report: %v", err)
	}
	found := make(map[string]string)
	for _, f := range list {
		found[f.ID] = f.Severity + " " + f.Finding
	}
	return found
}

// comparison counts what both had a verdict on.
type comparison struct {
	t     *testing.T
	found map[string]string
	n     int
}

// check compares a verdict of ours with that of a finding: yes and no are what
// its text contains. A finding with neither is no verdict.
func (c *comparison) check(id string, ours bool, yes, no string) {
	c.t.Helper()
	text, ok := c.found[id]
	if !ok || strings.HasPrefix(text, "WARN ") {
		c.t.Logf("%s: testssl.sh has no verdict: %q", id, text)
		return
	}
	var theirs bool
	switch {
	case no != "" && strings.Contains(text, no):
	case strings.Contains(text, yes):
		theirs = true
	case no == "": // whatever else it says
	default:
		c.t.Logf("%s: testssl.sh has no verdict: %q", id, text)
		return
	}
	c.n++
	if ours != theirs {
		c.t.Errorf("%s: got %v, testssl.sh says %q", id, ours, text)
	}
}

func (c *comparison) protocolsAndSuites(s tlsprobe.Survey) {
	c.t.Helper()
	for id, v := range map[string]tlsprobe.Version{
		"SSLv2": tlsprobe.SSL2, "SSLv3": tlsprobe.SSL3, "TLS1": tlsprobe.TLS10,
		"TLS1_1": tlsprobe.TLS11, "TLS1_2": tlsprobe.TLS12, "TLS1_3": tlsprobe.TLS13,
	} {
		c.check(id, s.Versions[v].Verdict == acc, "offered", "not offered")
	}
	takes := func(class tlsprobe.Class) bool { return s.Classes[class].Verdict == acc }
	c.check("cipherlist_NULL", takes(tlsprobe.ClassNULL), "offered", "not offered")
	c.check("cipherlist_aNULL", takes(tlsprobe.ClassAnon), "offered", "not offered")
	c.check("cipherlist_EXPORT", takes(tlsprobe.ClassExport), "offered", "not offered")
	c.check("cipherlist_LOW", takes(tlsprobe.ClassDES) || takes(tlsprobe.ClassRC4), "offered", "not offered")
	c.check("cipherlist_3DES_IDEA", takes(tlsprobe.Class3DES), "offered", "not offered")
	c.check("secure_renego", s.Renegotiation.Verdict == acc, " supported", "VULNERABLE")
	if s.Downgrade.Fallback.Verdict != na {
		c.check("fallback_SCSV", s.Downgrade.Fallback.Verdict == ref, "OK supported", "not supported")
	}
}

func (c *comparison) chain(chain tlsprobe.Chain) {
	c.t.Helper()
	leaf, ok := chain.Leaf()
	if !ok {
		c.t.Fatalf("no certificate: %v", chain.Outcome)
	}
	severe := func(id, good string) {
		c.t.Helper()
		text := c.found[id]
		if text == "" {
			c.t.Errorf("%s: testssl.sh says nothing", id)
			return
		}
		weak := !strings.HasPrefix(text, "INFO ") && !strings.HasPrefix(text, "OK ")
		c.n++
		if weak != (good != "") {
			c.t.Errorf("%s: got %q, testssl.sh says %q", id, good, text)
		}
	}
	severe("cert_keySize", leaf.WeakKey())
	severe("cert_signatureAlgorithm", leaf.WeakSignature())
	c.check("cert_trust", chain.NameMatches, "OK Ok via SAN", "")
	c.check("cert_chain_of_trust", chain.Trust == tlsprobe.Trusted, "passed", "failed")
	c.check("cert_chain_of_trust", chain.Trust == tlsprobe.SelfSigned, "self signed", "")
	c.check("cert_expirationStatus", chain.Lifetime == tlsprobe.Expired, "expired", "")
}

func TestSameVerdictsAsTestssl(t *testing.T) {
	t.Parallel()
	c := newCerts(t)
	chainPEM, chainKey := c.ec.files(t, c.mid)
	rootPEM, _ := c.root.files(t)
	_, weakPEM, weakKey := selfSigned(t, "-newkey", "rsa:1024", "-sha1")
	tests := []struct {
		name  string
		addr  string
		args  []string
		chain bool
		least int
	}{
		{
			"JDK with everything", jdk(t, keyStore(t, map[string]*authority{"rsa": c.rsa}), "-Dnone=", offer{"SSLv3,TLSv1,TLSv1.1,TLSv1.2,TLSv1.3", "all"})[0],
			[]string{"-p", "-s", "-R"},
			false, 12,
		},
		{
			"OpenSSL with everything and a weak certificate", openssl(t, "-www", "-cert", weakPEM, "-key", weakKey, "-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"),
			[]string{"-p", "-s", "-Z", "-R", "-S"},
			true, 19,
		},
		{
			"OpenSSL with little and a good chain", openssl(t, "-www", "-cert", chainPEM, "-key", chainKey, "-cert_chain", chainPEM, "-cipher", "ECDHE+AESGCM"),
			[]string{"-p", "-s", "-R", "-S", "--add-ca", rootPEM},
			true, 18,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			begin := time.Now()
			p := probe(tt.addr)
			p.Timeout = 20 * time.Second // a cold JVM
			p.Roots = pool(c.root)
			s := p.Survey(t.Context())
			ours := time.Since(begin)
			begin = time.Now()
			cmp := &comparison{t: t, found: testssl(t, tt.addr, tt.args...)}
			cmp.protocolsAndSuites(s)
			if tt.chain {
				cmp.chain(s.Chains.SNI)
			}
			if cmp.n < tt.least {
				t.Errorf("compared %d verdicts, want at least %d", cmp.n, tt.least)
			}
			t.Logf("%d verdicts compared; %d connections in %v, testssl.sh took %v", cmp.n, s.Connections, ours, time.Since(begin))
			if t.Failed() {
				explain(t, s)
			}
		})
	}
}
