package checks

import (
	"crypto/md5"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/wiretight/wiretight/internal/catalog"
)

func randomID(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}

func TestIDPattern(t *testing.T) {
	t.Parallel()
	start := time.Unix(1_790_000_000, 0)
	at := func(n int) time.Time { return start.Add(time.Duration(n) * 300 * time.Millisecond) }
	sum := func(s string) string { h := md5.Sum([]byte(s)); return hex.EncodeToString(h[:]) }
	tests := []struct {
		name string
		id   func(n int) string
		want string // empty: no pattern
	}{
		{"a counter", func(n int) string { return fmt.Sprint(4711 + n) }, "same step, 1"},
		{"a counter down", func(n int) string { return fmt.Sprint(9000 - 3*n) }, "same step, -3"},
		{"a counter with a name", func(n int) string { return fmt.Sprintf("tok-%06d", n) }, "same step, 1"},
		{"a counter in hexadecimal", func(n int) string { return fmt.Sprintf("%08x", 0xabcdef+n*17) }, "same step, 17"},
		{"other users in between", func(n int) string { return fmt.Sprint(1000 + n*n*3 + n) }, "less than a thousand"},
		{"seconds", func(n int) string { return fmt.Sprint(at(n*7).Unix() + int64(n%2)) }, "seconds"},
		{"milliseconds", func(n int) string { return fmt.Sprint(at(n*n*20).UnixMilli() + 17*int64(n*n)) }, "milliseconds"},
		{"microseconds in hexadecimal", func(n int) string { return fmt.Sprintf("%x", at(n*n).UnixMicro()+int64(n*n*n*97)) }, "microseconds"},
		{"the same each time", func(int) string { return "alice" }, "twice"},
		{"one twice", func(n int) string { return "a9f3" + fmt.Sprint(n/2) }, "twice"},
		{"UUIDs of the time", func(n int) string { return fmt.Sprintf("%s-9c1e-11ef-8b2a-0242ac120002", randomID(4)) }, "UUIDs made of the time"},
		{"UUIDs of the time, version 6", func(n int) string {
			return fmt.Sprintf("1ef9c1e0-%s-6%s-8b2a-0242ac120002", randomID(2), randomID(2)[:3])
		}, "UUIDs made of the time"},
		{"hashes of a counter", func(n int) string { return sum(fmt.Sprint(100 + n)) }, "hashes"},
		{"hashes of the time", func(n int) string { return sum(fmt.Sprint(at(n * 10).Unix())) }, "hashes"},
		{"six digits", func(int) string {
			b := randomID(3)
			return fmt.Sprintf("%06d", int(b[0])*7919+int(b[1])*104729+int(b[2])*1299709+int(b[3])*15485863)[:6]
		}, "bits"},
		{"eight random letters", func(int) string { return strings.ToLower(rand.Text()[:8]) }, "bits"},
		{"32 random bits in a long form", func(int) string { return "session:00000000:" + randomID(4) + ":v1" }, "bits"},

		{"UUIDs at random", func(int) string { return uuidOf("4") }, ""},
		{"UUIDs of version 7", func(n int) string {
			ms := fmt.Sprintf("%012x", at(n).UnixMilli())
			return ms[:8] + "-" + ms[8:] + uuidOf("7")[13:]
		}, ""},
		{"ULIDs", func(n int) string { return "01JD5Z7K" + fmt.Sprintf("%02d", n) + rand.Text()[:16] }, ""},
		{"128 bits in base64", func(int) string { b := make([]byte, 16); rand.Read(b); return base64.RawURLEncoding.EncodeToString(b) }, ""},
		{"128 bits in hexadecimal", func(int) string { return randomID(16) }, ""},
		{"random with a name and a time", func(n int) string { return fmt.Sprintf("alice.%d.%s", at(n).Unix(), randomID(16)) }, ""},
		{"random of various lengths", func(n int) string { return randomID(16 + n%3) }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var ids []identifier
			for n := range enoughLogins {
				ids = append(ids, identifier{tt.id(n), start, at(enoughLogins * enoughLogins * 20)})
			}
			got := idPattern(ids)
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q, for %v", got, tt.want, ids)
			}
		})
	}
}

// uuidOf is a random UUID that says it is of a version.
func uuidOf(version string) string {
	h := randomID(16)
	return h[:8] + "-" + h[8:12] + "-" + version + h[13:16] + "-a" + h[17:20] + "-" + h[20:]
}

// FuzzIDPattern looks for values that break it.
func FuzzIDPattern(f *testing.F) {
	f.Add("1", "2", "3")
	f.Add("abc-1", "abc-11", "abc-")
	f.Add("", "a", "\xff\x00")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		now := time.Now()
		ids := []identifier{{a, now, now}, {b, now, now}, {c, now, now}}
		why := idPattern(ids)
		if (a == b || b == c || a == c) && why == "" {
			t.Errorf("got no pattern for %q, %q, %q, want that one came twice", a, b, c)
		}
	})
}

func TestSensitiveClaims(t *testing.T) {
	t.Parallel()
	tests := []struct {
		claims string
		want   string // the claim; empty: none
		worst  catalog.Severity
	}{
		{`{"password":"hunter22"}`, "password", catalog.High},
		{`{"user":{"data":[{"passwordHash":"0192023a7bbd73250516f069df18b500"}]}}`, "user.data[].passwordHash", catalog.High},
		{`{"totpSecret":"JBSWY3DPEHPK3PXP"}`, "totpSecret", catalog.High},
		{`{"https://example.com/api_key":"abc"}`, "api_key", catalog.High},
		{`{"note":"$argon2id$v=19$m=65536"}`, "note", catalog.High},
		{`{"h":"pbkdf2_sha256$260000$abc"}`, "h", catalog.High},
		{`{"aws":"AKIAIOSFODNN7EXAMPLE"}`, "aws", catalog.High},
		{`{"dsn":"postgres://app:secret@db/app"}`, "dsn", catalog.High},
		{`{"pay":"4111 1111 1111 1111"}`, "pay", catalog.High},
		{`{"n":"378282246310005"}`, "n", catalog.High},
		{`{"ssn":123456789}`, "ssn", catalog.High},
		{`{"cvv":"123"}`, "cvv", catalog.High},
		{`{"birthdate":"1990-01-01"}`, "birthdate", catalog.Medium},
		{`{"address":{"street_address":"1 Main St"}}`, "address", catalog.Medium},
		{`{"email":"a@example.com"}`, "email", catalog.Low},
		{`{"email":"a@example.com","pin":"1234"}`, "pin", catalog.High},

		{`{"sub":"a@example.com","name":"Alice","email_verified":true,"scope":"read"}`, "", ""},
		{`{"password_changed":true,"pwd_exp":1790000000,"passwordless":"yes"}`, "", ""},
		{`{"password":"","secret":null,"password_hash":"********","api_key":false}`, "", ""},
		{`{"n":"4111 1111 1111 1112","jti":"1234567890123456","iat":1790000000000}`, "", ""},
		{`{"cnf":{"jkt":"x","secret":"y"}}`, "", ""},
		{`{"token_use":"access","key":"v","session_state":"s","card_type":"visa","picture":"https://example.com/a.png"}`, "", ""},
	}
	for _, tt := range tests {
		d := json.NewDecoder(strings.NewReader(tt.claims))
		d.UseNumber()
		var claims map[string]any
		if err := d.Decode(&claims); err != nil {
			t.Fatal(err)
		}
		var s sensitive
		s.object("", claims, 0)
		all := strings.Join(s.lines, "\n")
		if tt.want == "" && all != "" || !strings.Contains(all, tt.want) || s.worst != tt.worst {
			t.Errorf("%s: got %q, %q, want %q, %q", tt.claims, all, s.worst, tt.want, tt.worst)
		}
		for _, v := range []string{"hunter22", "JBSWY3", "4111 1111", "example.com", "1990-01"} {
			if strings.Contains(all, v) && !strings.Contains(tt.want, "api_key") {
				t.Errorf("%s: the lines show a value: %q", tt.claims, all)
			}
		}
	}
}

func FuzzSensitiveClaims(f *testing.F) {
	f.Add(`{"a":{"b":[1,"4111111111111111",null,{"pwd":"x"}]}}`)
	f.Add(`{"":"","/":":","a:":"x"}`)
	f.Fuzz(func(t *testing.T, text string) {
		var claims map[string]any
		if json.Unmarshal([]byte(text), &claims) != nil {
			return
		}
		var s sensitive
		s.object("", claims, 0)
		if (len(s.lines) > 0) != (s.worst != "") || len(s.lines) > maxSensitive {
			t.Errorf("got %d lines of severity %q", len(s.lines), s.worst)
		}
	})
}
