package main

import "testing"

// TestNearbyFile: without -c and --upstream every verb means ./wiretight.yaml,
// so that a revocation reaches the guard that was started beside it.
func TestNearbyFile(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.config("store: bolt://elsewhere/state.db")
	g := b.start("--mode", "enforce")
	raw := b.mint(map[string]any{"jti": "nearby"})
	g.want(200, "/", raw)
	if code, out := b.verb("revoke", "--jti", "nearby"); code != 0 {
		t.Fatalf("got exit %d, %q, want 0", code, out)
	}
	g.want(401, "/", raw)
	g.stop()
	if code, out := b.verb("revoke", "--jti", "another"); code != 0 {
		t.Errorf("without a guard: got exit %d, %q, want 0", code, out)
	}

	b.write("wiretight.yaml", []byte("{{{"))
	if code, out := b.verb("revoke", "--jti", "nearby"); code != exitUsage {
		t.Errorf("with a broken file: got exit %d, %q, want %d", code, out, exitUsage)
	}
	b.launch(nil).end(exitUsage)
}
