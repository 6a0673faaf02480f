package store_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wiretight/wiretight/internal/store"
)

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	noCA := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(noCA, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, url, want string }{
		{"empty", "", "write bolt://PATH"},
		{"unknown scheme", "postgres://u:hunter2@h/db", "write bolt://PATH"},
		{"no scheme", "user:hunter2@host:6379", "write bolt://PATH"},
		{"upper case", "REDIS://h", "write bolt://PATH"},
		{"memory with more", "memory://x", "write memory:"},
		{"bolt without slashes", "bolt:state.db", "write bolt://directory/state.db"},
		{"bolt without path", "bolt://", "names no file"},
		{"bolt directory", "bolt://data/", "names no file"},
		{"redis without host", "redis://", "write redis://"},
		{"redis opaque", "redis:h:6379", "write redis://"},
		{"slash in the password", "redis://u:hunter2/x@h:6379", "write redis://"},
		{"space in the password", "redis://u:hunter2 x@h:6379", "write redis://"},
		{"bad escape", "redis://u:hunter2%zz@h:6379", "write redis://"},
		{"hash in the password", "redis://u:hunter2#x@h:6379", "write redis://"},
		{"control byte", "redis://u:hunter2\x00@h", "write redis://"},
		{"port zero", "redis://h:0", "write redis://"},
		{"port too large", "redis://h:65536", "write redis://"},
		{"user alone", "redis://hunter2@h", "user but no password"},
		{"database", "redis://:hunter2@h/hunter2", "write redis://host:port/0"},
		{"verification off", "rediss://:hunter2@h?skip_verify=true", "unknown option"},
		{"option twice", "rediss://:hunter2@h?ca=a&ca=b", "write it once"},
		{"bad query", "rediss://:hunter2@h?%zz", "write redis://"},
		{"CA without TLS", "redis://:hunter2@h?ca=x.pem", "write rediss://"},
		{"certificate without TLS", "redis://:hunter2@h?cert=x.pem&key=y.pem", "write rediss://"},
		{"certificate without key", "rediss://:hunter2@h?cert=x.pem", "cert=FILE&key=FILE"},
		{"certificate missing", "rediss://:hunter2@h?cert=/nonexistent.pem&key=/nonexistent.pem", "nonexistent.pem"},
		{"empty option", "rediss://:hunter2@h?ca=", "ca=…"},
		{"option that is a password", "redis://:x@h?hunter2", "the options are addr, ca"},
		{"address without host", "redis://:hunter2@h?addr=:6379", "addr=host:port"},
		{"address with a password", "redis://:hunter2@h?addr=u:hunter2@g:6379", "addr=host:port"},
		{"address with a path", "redis://:hunter2@h?addr=g:6379/1", "addr=host:port"},
		{"address with a bad port", "redis://:hunter2@h?addr=g:hunter2", "addr=host:port"},
		{"address twice", "redis://:hunter2@h?addr=h:6379", "each server once"},
		{"too many addresses", "redis://:hunter2@h" + manyAddresses(100), "at most 100"},
		{"database of a Cluster", "redis://:hunter2@h/1?addr=g", "only database 0"},
		{"two masters", "redis://:hunter2@h?master_set=a&master_set=b", "write it once"},
		{"password without Sentinel", "redis://h?sentinel_password=hunter2", "master_set=NAME"},
		{"user without password", "redis://h?master_set=m&sentinel_user=hunter2", "sentinel_password"},
		{"wait for none", "redis://:hunter2@h?wait=0", "wait=1"},
		{"wait for many", "redis://:hunter2@h?wait=17", "from 1 to 16"},
		{"wait for what", "redis://:hunter2@h?wait=hunter2", "wait=1"},
		{"prefix with a tag", "redis://:hunter2@h?prefix={hunter2}", "prefix that is no name"},
		{"CA missing", "rediss://:hunter2@h?ca=/nonexistent.pem", "nonexistent.pem"},
		{"CA empty", "rediss://:hunter2@h?ca=" + noCA, "no certificate"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, err := store.Open(t.Context(), test.url, nil)
			if err == nil {
				s.Close()
				t.Fatalf("Open(%q): got nil, want an error with %q", test.url, test.want)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("Open(%q): got error %q, want one with %q", test.url, err, test.want)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("Open(%q): error shows the password: %q", test.url, err)
			}
		})
	}
}

func manyAddresses(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%caddr=g%d", "?&"[min(i, 1)], i)
	}
	return b.String()
}

// TestCheckURL wants the word of Open without opening anything.
func TestCheckURL(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "state.db")
	for url, want := range map[string][]string{
		"memory:":                    nil,
		"bolt://" + missing:          nil,
		"redis://:hunter2@a":         {"a"},
		"rediss://:hunter2@a":        nil,
		"redis://127.0.0.1?addr=b:1": {"127.0.0.1", "b"},
		"redis://[::1]:7?addr=c&master_set=m&sentinel_password=p": {"::1", "c"},
	} {
		got, err := store.CheckURL(url)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("CheckURL(%q): got %q, %v, want %q", url, got, err, want)
		}
	}
	for _, url := range []string{"", "bolt:", "memory:x", "redis://h?x=1", "rediss://h?ca=/nonexistent", "http://h"} {
		if _, err := store.CheckURL(url); err == nil {
			t.Errorf("CheckURL(%q): got nil, want an error", url)
		}
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("CheckURL has made a file")
	}
}

func TestOpenBoltURL(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for url, file := range map[string]string{
		"bolt://data/state.db":             "data/state.db",
		"bolt://state.db":                  "state.db",
		"bolt://" + dir + "/absolute.db":   "absolute.db",
		"bolt://with space/100%25/a?b#c:d": "with space/100%25/a?b#c:d",
	} {
		s, err := store.Open(t.Context(), url, nil)
		opened(t, s, err)
		if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
			t.Errorf("Open(%q): got %v, want file %q", url, err, file)
		}
	}
	s, err := store.Open(t.Context(), "memory:", nil)
	if _, ok := opened(t, s, err).(*store.Memory); !ok {
		t.Errorf("Open(memory:): got %T, want *store.Memory", s)
	}
}

func TestRedisURL(t *testing.T) {
	t.Parallel()
	type parsed struct {
		address, user, password string
		database                int
		tls                     bool
	}
	for url, want := range map[string]parsed{
		"redis://h":                               {address: "h:6379"},
		"redis://h:1/":                            {address: "h:1"},
		"redis://h/3":                             {address: "h:6379", database: 3},
		"redis://:p%2Fw@h":                        {address: "h:6379", password: "p/w"},
		"rediss://user:pw@[::1]:7000/2":           {address: "[::1]:7000", user: "user", password: "pw", database: 2, tls: true},
		"rediss://redis.example.com:6380":         {address: "redis.example.com:6380", tls: true},
		"redis://h1:7000?addr=h2&addr=[::1]:7002": {address: "h1:7000,h2:6379,[::1]:7002"},
		"redis://u:p@s1:26379/2?addr=s2:26379&master_set=m&sentinel_user=s&sentinel_password=q&wait=2&prefix=a.b-c_d": {
			address: "s1:26379,s2:26379", user: "u", password: "p", database: 2,
		},
	} {
		var got parsed
		var err error
		got.address, got.user, got.password, got.database, got.tls, err = store.RedisURL(url)
		if err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", url, got, err, want)
		}
	}
}

// FuzzRedisURL looks for passwords in errors and for panics.
func FuzzRedisURL(f *testing.F) {
	for _, url := range []string{
		"redis://h", "rediss://u:SECRETSECRET@h:1/2?x", "redis://u:SECRETSECRET/x@h", "redis://SECRETSECRET",
		"redis://u:SECRETSECRET#@h", "redis://u:SECRETSECRET@[::1", "redis://h/SECRETSECRET",
		"redis://h?addr=SECRETSECRET:x&master_set=m", "redis://h?sentinel_password=SECRETSECRET", "redis://h?wait=SECRETSECRET&prefix=a",
	} {
		f.Add(url)
	}
	f.Fuzz(func(t *testing.T, url string) {
		if strings.Contains(url, "ca") || strings.Contains(url, "cert") || strings.Contains(url, "%") {
			return // might read a file that the input names
		}
		address, _, _, database, _, err := store.RedisURL(url)
		if err == nil && (address == "" || database < 0) {
			t.Errorf("RedisURL(%q): got address %q, database %d and no error", url, address, database)
		}
		if err != nil && strings.Contains(err.Error(), "SECRETSECRET") {
			t.Errorf("RedisURL(%q): error shows the password: %v", url, err)
		}
	})
}

// FuzzUnpack reads stored forms as a damaged or foreign store may give them:
// what is accepted must be exactly what would be written.
func FuzzUnpack(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(make([]byte, 7))
	f.Add(make([]byte, 8))
	f.Add([]byte("\x00\x00\x01\x90\x00\x00\x00\x00value"))
	f.Add(bytes.Repeat([]byte{0xff}, 20))
	f.Fuzz(func(t *testing.T, stored []byte) {
		r, err := store.Unpack("k", stored)
		if err != nil {
			return
		}
		var ms int64
		if !r.Expires.IsZero() {
			ms = r.Expires.UnixMilli()
		}
		if again := store.Pack(ms, r.Value); r.Value == nil || !bytes.Equal(again, stored) {
			t.Errorf("Unpack(%x): got %v, which is stored as %x", stored, r, again)
		}
	})
}
