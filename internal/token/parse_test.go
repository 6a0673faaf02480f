package token_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/internal/token"
)

// joined makes a token of two JSON texts; its signature is only well-formed.
func joined(header, payload string) string {
	return b64(header) + "." + b64(payload) + ".c2ln"
}

const plainHeader = `{"alg":"HS256"}`

func TestParseRefusesForm(t *testing.T) {
	t.Parallel()
	good := joined(plainHeader, `{"sub":"ab"}`) // 12 bytes: no trailing bits
	parts := strings.Split(good, ".")
	for _, test := range []struct{ name, raw, reason string }{
		{"nothing", "", "empty"},
		{"one part", parts[0], "three parts"},
		{"two parts", parts[0] + "." + parts[1], "three parts"},
		{"four parts", good + ".c2ln", "three parts"},
		{"trailing dot", good + ".", "three parts"},
		{"leading dot", "." + good, "three parts"},
		{"encrypted", good + "." + good[:4] + ".QQ", "JWE"},
		{"many dots", strings.Repeat(".", 5000), "three parts"},
		{"JSON serialization", `{"payload":"e30","signatures":[]}`, "JSON serialization"},
		{"JSON after space", " \n{\"a\":1}", "JSON serialization"},
		{"no header", "." + parts[1] + ".c2ln", "empty header"},
		{"no payload", parts[0] + "..c2ln", "empty header or payload"},
		{"no signature", parts[0] + "." + parts[1] + ".", "no signature"},
		{"line feed in header", parts[0][:4] + "\n" + parts[0][4:] + "." + parts[1] + ".c2ln", "line break"},
		{"carriage return in payload", parts[0] + "." + parts[1][:4] + "\r" + parts[1][4:] + ".c2ln", "line break"},
		{"line break after signature", good + "\r\n", "line break"},
		{"space before", " " + good, "header is not canonical"},
		{"space after", good + " ", "signature is not canonical"},
		{"tab inside", parts[0] + "." + parts[1] + ".c2\tln", "signature is not canonical"},
		{"padding", parts[0] + "." + parts[1] + ".c2ln====", "signature is not canonical"},
		{"one padding", joined(plainHeader, `{"a":1}`)[:len(parts[0])+1] + "eyJhIjoxfQ==.c2ln", "payload is not canonical"},
		{"standard alphabet", parts[0] + "." + parts[1] + ".+/8A", "signature is not canonical"},
		{"trailing bits", parts[0] + "." + parts[1] + ".QR", "signature is not canonical"},
		{"impossible length", parts[0] + "." + parts[1] + ".c2lnA", "signature is not canonical"},
		{"percent", parts[0] + "." + parts[1] + ".c2ln%3D", "signature is not canonical"},
		{"NUL", parts[0] + "." + parts[1] + ".c2\x00ln", "signature is not canonical"},
		{"not ASCII", parts[0] + "." + parts[1] + ".c2lé", "signature is not canonical"},
		{"too long", joined(plainHeader, `{"a":"`+strings.Repeat("x", 8<<10)+`"}`), "longer than the limit"},
		{"bearer scheme left on", "Bearer " + good, "header is not canonical"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := token.Parse(test.raw, token.Limits{})
			refused(t, err, token.RuleToken, test.reason)
		})
	}
	if _, err := token.Parse(good, token.Limits{}); err != nil {
		t.Errorf("the token that the cases are made of: got %v, want nil", err)
	}
}

func TestParseRefusesJSON(t *testing.T) {
	t.Parallel()
	deep := func(n int) string {
		return `{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
	}
	for _, test := range []struct{ name, payload, reason string }{
		{"array", `[]`, "not a JSON object"},
		{"string", `"sub"`, "not a JSON object"},
		{"null", `null`, "not a JSON object"},
		{"space only", `  `, "not a JSON object"},
		{"byte order mark", "\ufeff{}", "not a JSON object"},
		{"not UTF-8", "{\"sub\":\"\xff\"}", "not valid UTF-8"},
		{"overlong UTF-8", "{\"sub\":\"\xc0\xaf\"}", "not valid UTF-8"},
		{"surrogate in UTF-8", "{\"sub\":\"\xed\xa0\x80\"}", "not valid UTF-8"},
		{"high surrogate alone", `{"a":"\ud800"}`, "half a character"},
		{"low surrogate alone", `{"a":"\udc00"}`, "half a character"},
		{"surrogate and other escape", `{"a":"\ud800\u0041"}`, "half a character"},
		{"surrogate and short escape", `{"a":"\ud800\u00"}`, "not valid JSON"},
		{"cut escape", `{"a":"\u12`, "not valid JSON"},
		{"unknown escape", `{"a":"\x41"}`, "not valid JSON"},
		{"control character", "{\"a\":\"\n\"}", "not valid JSON"},
		{"control character after escape", "{\"a\":\"\\n\x01\"}", "not valid JSON"},
		{"cut object", `{"a":1`, "not valid JSON"},
		{"cut string", `{"a":"b`, "not valid JSON"},
		{"cut name", `{"a`, "not valid JSON"},
		{"no colon", `{"a" 1}`, "not valid JSON"},
		{"no value", `{"a":}`, "not valid JSON"},
		{"end after colon", `{"a":`, "not valid JSON"},
		{"trailing comma", `{"a":1,}`, "not valid JSON"},
		{"trailing comma in array", `{"a":[1,]}`, "not valid JSON"},
		{"cut array", `{"a":[1`, "not valid JSON"},
		{"bare name", `{a:1}`, "not valid JSON"},
		{"single quotes", `{'a':1}`, "not valid JSON"},
		{"comment", `{"a":1/**/}`, "not valid JSON"},
		{"text after", `{}{}`, "not valid JSON"},
		{"NUL after", "{}\x00", "not valid JSON"},
		{"leading zero", `{"a":01}`, "not valid JSON"},
		{"plus", `{"a":+1}`, "not valid JSON"},
		{"bare point", `{"a":.5}`, "not valid JSON"},
		{"ending point", `{"a":5.}`, "not valid JSON"},
		{"bare exponent", `{"a":5e}`, "not valid JSON"},
		{"bare minus", `{"a":-}`, "not valid JSON"},
		{"hexadecimal", `{"a":0x10}`, "not valid JSON"},
		{"NaN", `{"exp":NaN}`, "not valid JSON"},
		{"Infinity", `{"exp":-Infinity}`, "not valid JSON"},
		{"wrong word", `{"a":nul}`, "not valid JSON"},
		{"capital word", `{"a":True}`, "not valid JSON"},
		{"too deep", deep(16), "nested too deeply"},
		{"absurdly deep", deep(2500), "nested too deeply"},
		{"objects too deep", strings.Repeat(`{"a":`, 17) + "1" + strings.Repeat("}", 17), "nested too deeply"},
		{"member twice", `{"sub":"a","sub":"b"}`, "twice"},
		{"member twice, same value", `{"sub":"a","sub":"a"}`, "twice"},
		{"member twice through an escape", `{"sub":"a","s\u0075b":"b"}`, "twice"},
		{"member twice through surrogates", `{"😀":1,"\ud83d\ude00":2}`, "twice"},
		{"member twice below", `{"a":{"b":1,"b":2}}`, "twice"},
		{"member twice in an array", `{"a":[0,{"b":1,"c":[],"b":2}]}`, "twice"},
		{"empty name twice", `{"":1,"":2}`, "twice"},
		{"member twice among many", manyMembers(100, `,"m5":0`), "twice"},
		{"member twice among many below", `{"a":` + manyMembers(100, `,"m5":0`) + `}`, "twice"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := token.Parse(joined(plainHeader, test.payload), token.Limits{})
			refused(t, err, token.RuleToken, "payload ")
			refused(t, err, token.RuleToken, test.reason)
			_, err = token.Parse(joined(test.payload, `{}`), token.Limits{})
			refused(t, err, token.RuleToken, "header ")
			refused(t, err, token.RuleToken, test.reason)
		})
	}
}

func manyMembers(n int, last string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"m%d":%d`, i, i)
	}
	return "{" + b.String()[1:] + last + "}"
}

func TestParseAcceptsJSON(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, payload string }{
		{"empty object", `{}`},
		{"space everywhere", " \t\r\n{ \"a\" : [ 1 , { } , [ ] ] , \"b\" : null } \n"},
		{"all escapes", `{"a":"\"\\\/\b\f\n\r\té😀"}`},
		{"numbers", `{"a":[0,-0,1.5,-2e10,3E+4,5.0e-1]}`},
		{"same name in different objects", `{"a":{"b":1},"c":{"b":1},"b":[{"b":1},{"b":1}]}`},
		{"names that differ in case", `{"a":1,"A":2}`},
		{"many members", manyMembers(100, "")},
		{"the deepest", `{"a":` + strings.Repeat("[", 15) + strings.Repeat("]", 15) + `}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			parsed, err := token.Parse(joined(plainHeader, test.payload), token.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if got := string(parsed.Payload()); got != test.payload {
				t.Errorf("got payload %q, want %q", got, test.payload)
			}
		})
	}
}

func TestParseLimits(t *testing.T) {
	t.Parallel()
	raw := joined(plainHeader, `{"a":[[1]]}`)
	for _, test := range []struct {
		name   string
		limits token.Limits
		reason string
	}{
		{"just long enough", token.Limits{MaxSize: len(raw)}, ""},
		{"one byte short", token.Limits{MaxSize: len(raw) - 1}, "longer than the limit"},
		{"just deep enough", token.Limits{MaxDepth: 3}, ""},
		{"one level short", token.Limits{MaxDepth: 2}, "nested too deeply"},
		{"negative limits are the defaults", token.Limits{MaxSize: -1, MaxDepth: -1}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := token.Parse(raw, test.limits)
			if test.reason != "" {
				refused(t, err, token.RuleToken, test.reason)
			} else if err != nil {
				t.Errorf("got %v, want nil", err)
			}
		})
	}
}

func TestParseRefusesHeader(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, header, reason string }{
		{"no alg", `{"typ":"JWT"}`, "no alg"},
		{"alg null", `{"alg":null}`, "alg"},
		{"alg number", `{"alg":256}`, "alg"},
		{"alg empty", `{"alg":""}`, "alg"},
		{"alg array", `{"alg":["HS256"]}`, "alg"},
		{"alg twice", `{"alg":"none","alg":"HS256"}`, "twice"},
		{"alg twice through an escape", `{"alg":"HS256","\u0061lg":"none"}`, "twice"},
		{"alg with control character", `{"alg":"HS256\u0000"}`, "alg"},
		{"typ number", `{"alg":"HS256","typ":1}`, "typ"},
		{"typ empty", `{"alg":"HS256","typ":""}`, "typ"},
		{"kid number", `{"alg":"HS256","kid":1}`, "kid"},
		{"kid null", `{"alg":"HS256","kid":null}`, "kid"},
		{"kid empty", `{"alg":"HS256","kid":""}`, "kid"},
		{"kid object", `{"alg":"HS256","kid":{"$ne":""}}`, "kid"},
		{"kid with line break", `{"alg":"HS256","kid":"a\nb"}`, "kid"},
		{"kid too long", `{"alg":"HS256","kid":"` + strings.Repeat("k", 513) + `"}`, "kid"},
		{"crit", `{"alg":"HS256","crit":["exp"],"exp":1}`, "critical"},
		{"crit empty", `{"alg":"HS256","crit":[]}`, "critical"},
		{"b64", `{"alg":"HS256","b64":false}`, "member b64"},
		{"b64 true", `{"alg":"HS256","b64":true}`, "member b64"},
		{"zip", `{"alg":"HS256","zip":"DEF"}`, "member zip"},
		{"enc", `{"alg":"dir","enc":"A256GCM"}`, "member enc"},
		{"p2c", `{"alg":"HS256","p2c":1000000}`, "member p2c"},
		{"p2s", `{"alg":"HS256","p2s":"AA"}`, "member p2s"},
		{"jwk", `{"alg":"HS256","jwk":{"kty":"oct","k":"AA"}}`, "member jwk"},
		{"jwk null", `{"alg":"HS256","jwk":null}`, "member jwk"},
		{"jku", `{"alg":"RS256","jku":"https://evil.example/jwks"}`, "member jku"},
		{"x5u", `{"alg":"RS256","x5u":"https://evil.example/x5u"}`, "member x5u"},
		{"x5c", `{"alg":"RS256","x5c":["AA"]}`, "member x5c"},
		{"x5c through an escape", `{"alg":"RS256","x5\u0063":["AA"]}`, "member x5c"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := token.Parse(joined(test.header, `{}`), token.Limits{})
			refused(t, err, token.RuleToken, test.reason)
		})
	}
}

func TestParseReadsHeader(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, header string
		want         token.Header
	}{
		{"alone", `{"alg":"ES256"}`, token.Header{Algorithm: "ES256", Type: "jwt"}},
		{"typ JWT", `{"alg":"ES256","typ":"JWT"}`, token.Header{Algorithm: "ES256", Type: "jwt"}},
		{"typ at+jwt", `{"typ":"at+jwt","alg":"ES256"}`, token.Header{Algorithm: "ES256", Type: "at+jwt"}},
		{"typ in full", `{"typ":"APPLICATION/AT+JWT","alg":"ES256"}`, token.Header{Algorithm: "ES256", Type: "at+jwt"}},
		{"unknown alg is told as it stands", `{"alg":"nOnE"}`, token.Header{Algorithm: "nOnE", Type: "jwt"}},
		{"RFC 9864", `{"alg":"Ed25519"}`, token.Header{Algorithm: "Ed25519", Type: "jwt"}},
		{"kid", `{"alg":"ES256","kid":"a/é"}`, token.Header{Algorithm: "ES256", Type: "jwt", KeyID: "a/é"}},
		{"hints that nobody follows", `{"alg":"ES256","x5t":"AA","cty":"JWT"}`, token.Header{Algorithm: "ES256", Type: "jwt"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			parsed, err := token.Parse(joined(test.header, `{}`), token.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, parsed.Header); diff != "" {
				t.Errorf("header differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseRefusesClaims(t *testing.T) {
	t.Parallel()
	digest := strings.Repeat("A", 43)
	for _, test := range []struct{ name, payload, reason string }{
		{"iss number", `{"iss":1}`, "claim iss"},
		{"iss array", `{"iss":["https://id.example.com/"]}`, "claim iss"},
		{"iss null", `{"iss":null}`, "claim iss"},
		{"iss empty", `{"iss":""}`, "claim iss"},
		{"sub number", `{"sub":0}`, "claim sub"},
		{"sub with line break", `{"sub":"a\r\nX-Auth-Subject: root"}`, "claim sub"},
		{"sub with NUL", `{"sub":"root\u0000"}`, "claim sub"},
		{"jti number", `{"jti":7}`, "claim jti"},
		{"client_id array", `{"client_id":[]}`, "claim client_id"},
		{"azp object", `{"azp":{}}`, "claim azp"},
		{"sid false", `{"sid":false}`, "claim sid"},
		{"aud number", `{"aud":1}`, "claim aud"},
		{"aud null", `{"aud":null}`, "claim aud"},
		{"aud empty", `{"aud":""}`, "claim aud"},
		{"aud empty array", `{"aud":[]}`, "claim aud"},
		{"aud mixed array", `{"aud":["api.example.com",1]}`, "claim aud"},
		{"aud nested array", `{"aud":[["api.example.com"]]}`, "claim aud"},
		{"aud object", `{"aud":{"api.example.com":true}}`, "claim aud"},
		{"aud with empty member", `{"aud":["api.example.com",""]}`, "claim aud"},
		{"scope number", `{"scope":1}`, "claim scope"},
		{"scope null", `{"scope":null}`, "claim scope"},
		{"scope with tab", `{"scope":"read\tadmin"}`, "claim scope"},
		{"scp mixed array", `{"scp":["read",true]}`, "claim scp"},
		{"scp with space in member", `{"scp":["read admin"]}`, "claim scp"},
		{"scope against scp", `{"scope":"read","scp":["read","admin"]}`, "contradict"},
		{"exp null", `{"exp":null}`, "claim exp"},
		{"exp string", `{"exp":"1900000000"}`, "claim exp"},
		{"exp true", `{"exp":true}`, "claim exp"},
		{"exp array", `{"exp":[1900000000]}`, "claim exp"},
		{"exp negative", `{"exp":-1}`, "claim exp"},
		{"exp minus zero", `{"exp":-0}`, "claim exp"},
		{"exp huge", `{"exp":99999999999999999999}`, "claim exp"},
		{"exp over int64", `{"exp":9223372036854775808}`, "claim exp"},
		{"exp wraps to the future", `{"exp":18446744075609551616}`, "claim exp"},
		{"exp huge exponent", `{"exp":1e400}`, "claim exp"},
		{"exp in milliseconds", `{"exp":1900000000000}`, "claim exp"},
		{"exp after the year 9999", `{"exp":253402300800}`, "claim exp"},
		{"exp after the year 9999 as float", `{"exp":2.534023008e11}`, "claim exp"},
		{"nbf string", `{"nbf":""}`, "claim nbf"},
		{"nbf negative", `{"nbf":-1e9}`, "claim nbf"},
		{"iat null", `{"iat":null}`, "claim iat"},
		{"iat object", `{"iat":{}}`, "claim iat"},
		{"cnf null", `{"cnf":null}`, "claim cnf"},
		{"cnf string", `{"cnf":"` + digest + `"}`, "claim cnf"},
		{"cnf empty", `{"cnf":{}}`, "claim cnf"},
		{"cnf unknown member", `{"cnf":{"jwk":{}}}`, "claim cnf"},
		{"cnf unknown beside known", `{"cnf":{"jkt":"` + digest + `","new":"` + digest + `"}}`, "claim cnf"},
		{"cnf jkt empty", `{"cnf":{"jkt":""}}`, "claim cnf"},
		{"cnf jkt null", `{"cnf":{"jkt":null}}`, "claim cnf"},
		{"cnf jkt short", `{"cnf":{"jkt":"` + digest[1:] + `"}}`, "claim cnf"},
		{"cnf jkt long", `{"cnf":{"jkt":"` + digest + `A"}}`, "claim cnf"},
		{"cnf jkt padded", `{"cnf":{"jkt":"` + digest + `="}}`, "claim cnf"},
		{"cnf jkt with trailing bits", `{"cnf":{"jkt":"` + digest[1:] + `B"}}`, "claim cnf"},
		{"cnf jkt with line break", `{"cnf":{"jkt":"` + digest[1:] + `\n"}}`, "claim cnf"},
		{"cnf x5t in hexadecimal", `{"cnf":{"x5t#S256":"` + strings.Repeat("ab", 32) + `"}}`, "claim cnf"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := token.Parse(joined(plainHeader, test.payload), token.Limits{})
			refused(t, err, token.RuleToken, test.reason)
		})
	}
}

func TestParseReadsClaims(t *testing.T) {
	t.Parallel()
	digest := strings.Repeat("A", 42) + "E"
	at := func(seconds, nanos int64) time.Time { return time.Unix(seconds, nanos) }
	for _, test := range []struct {
		name, payload string
		want          token.Claims
	}{
		{"none", `{}`, token.Claims{}},
		{
			"the usual",
			`{"iss":"i","sub":"s","jti":"j","client_id":"c","azp":"other","sid":"x","aud":"a","scope":"r w","exp":30,"nbf":10,"iat":20}`,
			token.Claims{
				Issuer: "i", Subject: "s", ID: "j", ClientID: "c", SessionID: "x", Audience: []string{"a"},
				Scopes: []string{"r", "w"}, Expiry: at(30, 0), NotBefore: at(10, 0), IssuedAt: at(20, 0),
			},
		},
		{"audience array", `{"aud":["a","b"]}`, token.Claims{Audience: []string{"a", "b"}}},
		{"azp", `{"azp":"c"}`, token.Claims{ClientID: "c"}},
		{"scp string", `{"scp":"r w"}`, token.Claims{Scopes: []string{"r", "w"}}},
		{"scp array", `{"scp":["r","w"]}`, token.Claims{Scopes: []string{"r", "w"}}},
		{"scope array", `{"scope":["r"]}`, token.Claims{Scopes: []string{"r"}}},
		{"scope empty", `{"scope":""}`, token.Claims{Scopes: []string{}}},
		{"scope with more spaces", `{"scope":" r  w "}`, token.Claims{Scopes: []string{"r", "w"}}},
		{"scope and scp agree", `{"scp":["w","r"],"scope":"r w"}`, token.Claims{Scopes: []string{"r", "w"}}},
		{"escapes", `{"sub":"\u00e9\ud83d\ude00\/"}`, token.Claims{Subject: "é😀/"}},
		{"escaped name", `{"s\u0075b":"x"}`, token.Claims{Subject: "x"}},
		{"fraction", `{"exp":30.25}`, token.Claims{Expiry: at(30, 250_000_000)}},
		{"long fraction", `{"exp":30.12345678987654321}`, token.Claims{Expiry: at(30, 123_456_789)}},
		{"exponent", `{"exp":1.9e9}`, token.Claims{Expiry: at(1_900_000_000, 0)}},
		{"fraction by exponent", `{"exp":305e-1}`, token.Claims{Expiry: at(30, 500_000_000)}},
		{"the epoch", `{"exp":0}`, token.Claims{Expiry: at(0, 0)}},
		{"the last second", `{"exp":253402300799}`, token.Claims{Expiry: at(253402300799, 0)}},
		{
			"every binding",
			`{"cnf":{"jkt":"` + digest + `","x5t#S256":"` + digest + `","fp#S256":"` + digest + `"}}`,
			token.Claims{Confirmation: token.Confirmation{JKT: digest, X5TS256: digest, Fingerprint: digest}},
		},
		{"other claims are left alone", `{"ISS":1,"Exp":null,"roles":[{"a":1}]}`, token.Claims{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			parsed, err := token.Parse(joined(plainHeader, test.payload), token.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, parsed.Claims); diff != "" {
				t.Errorf("claims differ (-want +got):\n%s", diff)
			}
			if got, want := parsed.Claims.Confirmation.Bound(), strings.Contains(test.payload, "cnf"); got != want {
				t.Errorf("got bound %v, want %v", got, want)
			}
		})
	}
}

func TestHas(t *testing.T) {
	t.Parallel()
	parsed, err := token.Parse(joined(plainHeader, `{"a":null,"b":{"c":1},"\u0064":0}`), token.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"a": true, "b": true, "d": true, "c": false, "": false, "A": false} {
		if got := parsed.Has(name); got != want {
			t.Errorf("Has(%q): got %v, want %v", name, got, want)
		}
	}
}

func TestReasonsHoldNoTokenText(t *testing.T) {
	t.Parallel()
	const canary = "canary-7f3a"
	for _, raw := range []string{
		joined(plainHeader, `{"`+canary+`":1,"`+canary+`":2}`),
		joined(plainHeader, `{"sub":["`+canary+`"]}`),
		joined(plainHeader, `{"cnf":{"`+canary+`":"`+canary+`"}}`),
		joined(`{"alg":"HS256","`+canary+`":`, `{}`),
		canary,
	} {
		_, err := token.Parse(raw, token.Limits{})
		if err == nil {
			t.Fatalf("%q was accepted", raw)
		}
		if strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), b64(canary)[:8]) {
			t.Errorf("reason holds text of the token: %q", err)
		}
	}
	err := verify(joined(`{"alg":"`+canary+strings.Repeat("é", 400)+`\u2028"}`, `{}`), goodPolicy("HS256"), keySet(t, "HS256"), now)
	refused(t, err, token.RuleToken, canary)
	if len(err.Error()) > 400 || strings.Contains(err.Error(), "é") {
		t.Errorf("got reason %q, want it quoted and shortened", err)
	}
}
