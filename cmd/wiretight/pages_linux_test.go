package main

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const smapsOfThisProgram = `00400000-00d5c000 r-xp 00000000 fe:00 41 /opt/wire tight/bin
Size:               9584 kB
Rss:                4144 kB
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd ex mr mw me
00d5c000-016dd000 r--p 0095c000 fe:00 41 /opt/wire tight/bin
Rss:                7236 kB
Anonymous:             4 kB
Swap:                  0 kB
016dd000-01778000 rw-p 012dd000 fe:00 41 /opt/wire tight/bin
Anonymous:             0 kB
Swap:                  0 kB
01778000-037bf000 rw-p 00000000 00:00 0
Anonymous:             0 kB
Swap:                  0 kB
7f0000000000-7f0000001000 r--p 00000000 fe:00 42 /lib/bin
Anonymous:             0 kB
Swap:                  0 kB
7f0000002000-7f0000003000 r--s 00000000 fe:00 41 /opt/wire tight/bin
Anonymous:             0 kB
Swap:                  0 kB
7f0000004000-7f0000005000 r--p 00000000 fe:00 41 /opt/wire tight/bin
Anonymous:             0 kB
Swap:                  0 kB
7f0000006000-7f0000007000 r--p 00000000 fe:00 41 /opt/wire tight/bin
Rss:                   4 kB
7f0000008000-7f0000009000 r--p 00000000 fe:00 41 /opt/wire tight/bin
Anonymous:             0 kB
Swap:                  4 kB
`

// TestCleanMappings holds that nothing is dropped that would not come back as
// it was: what can be written to, what was changed, what belongs to others, and
// what nothing is known of.
func TestCleanMappings(t *testing.T) {
	t.Parallel()
	got, err := cleanMappings(strings.NewReader(smapsOfThisProgram), "/opt/wire tight/bin")
	if err != nil {
		t.Fatal(err)
	}
	want := []mapping{{0x400000, 0xd5c000}, {0x7f0000004000, 0x7f0000005000}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(mapping{})); diff != "" {
		t.Error(diff)
	}
	for _, broken := range []string{"x-y r--p 0 0 0 /bin", "2-1 r--p 0 0 0 /bin", "12 r--p 0 0 0 /bin"} {
		if got, err := cleanMappings(strings.NewReader(broken), "/bin"); err == nil {
			t.Errorf("%q: got %v, want an error", broken, got)
		}
	}
}

// TestDropPages drops the pages of this very program, which goes on.
func TestDropPages(t *testing.T) {
	t.Parallel()
	want := sha256.Sum256([]byte("text"))
	for range 3 {
		if err := dropPages(); err != nil {
			t.Fatal(err)
		}
		if got := sha256.Sum256([]byte("text")); got != want {
			t.Errorf("got %x, want %x", got, want)
		}
	}
}

func FuzzCleanMappings(f *testing.F) {
	f.Add(smapsOfThisProgram, "/opt/wire tight/bin")
	f.Add("1-2 r--p 0 0 0 /bin\nAnonymous: 0 kB\n", "/bin")
	f.Fuzz(func(t *testing.T, smaps, program string) {
		all, err := cleanMappings(strings.NewReader(smaps), program)
		if err != nil {
			return
		}
		for _, m := range all {
			if m.start > m.end || !strings.Contains(smaps, program) {
				t.Errorf("got %v", m)
			}
		}
	})
}
