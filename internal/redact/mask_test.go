package redact_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/wiretight/wiretight/internal/redact"
)

var shown = redact.Token(token)

const pem = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEICANARY\nAwEHoUQDQgAE\n-----END EC PRIVATE KEY-----"

func TestMaskTokens(t *testing.T) {
	t.Parallel()
	half := redact.Token(signed)
	for _, test := range []struct{ name, in, want string }{
		{"alone", token, shown},
		{"in a sentence", "refused " + token + ", expired", "refused " + shown + ", expired"},
		{"at the end of a sentence", "refused " + token + ".", "refused " + shown + "."},
		{"without signature", "got " + signed + ".\n", "got " + half + ".\n"},
		{"without the second dot", "got " + signed + " only", "got " + half + " only"},
		{"payload of another kind", "eyJhbGciOiJub25lIn0.e30.x", redact.Token("eyJhbGciOiJub25lIn0.e30.x")},
		{"detached payload", "(eyJhbGciOiJub25lIn0..c2ln)", "(" + redact.Token("eyJhbGciOiJub25lIn0..c2ln") + ")"},
		{"encrypted", "got " + jwe + "!", "got " + redact.Token(jwe) + "!"},
		{"encoded dots", "x=" + strings.ReplaceAll(token, ".", "%2E"), "x=" + shown},
		{"encoded dots, small", "x=" + strings.ReplaceAll(token, ".", "%2e"), "x=" + shown},
		{"twice encoded dots", "x=" + strings.ReplaceAll(token, ".", "%252E"), "x=" + shown},
		{"dots as JSON escapes", strings.ReplaceAll(token, ".", `\u002e`), shown},
		{"dots as HTML references", strings.ReplaceAll(token, ".", "&#46;"), shown},
		{"in a URL", "GET /x?t=" + token + "&y=1 HTTP/1.1", "GET /x?t=" + shown + "&y=1 HTTP/1.1"},
		{"in a path", "/verify/" + token + "/now", "/verify/" + shown + "/now"},
		{"in JSON", `{"t":"` + token + `"}`, `{"t":"` + shown + `"}`},
		{"in JSON within JSON", `"{\"t\":\"` + token + `\"}"`, `"{\"t\":\"` + shown + `\"}"`},
		{"after an escaped line end", `a\n` + token + `\nb`, `a\n` + shown + `\nb`},
		{"after an encoded space", "a%20" + token + "%20b", "a%20" + shown + "%20b"},
		{"after an encoded equals sign", "a%3D" + token + "%26b", "a%3D" + shown + "%26b"},
		{"after an underline", "jwt_" + token, "jwt_" + shown},
		{"after a letter", "x" + token, "x" + shown},
		{"two", token + " " + token, shown + " " + shown},
		{"among invalid UTF-8", "\xff" + token + "\xfe", "\xff" + shown + "\xfe"},
		{"behind a false start", "eyJ eyJeyJ " + token, "eyJ eyJeyJ " + shown},
		{"masked already", "token " + shown + " twice", "token " + shown + " twice"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			checkMask(t, test.in, test.want)
		})
	}
}

func TestMaskCredentials(t *testing.T) {
	t.Parallel()
	basic := base64.StdEncoding.EncodeToString([]byte("alice:hunter2"))
	for _, test := range []struct{ name, in, want string }{
		{"bearer", "sent Bearer abc123 twice", "sent Bearer [redacted] twice"},
		{"any case", "bEaReR abc123", "bEaReR [redacted]"},
		{"all small letters", "Bearer topsecret", "Bearer [redacted]"},
		{"bearer token", "Bearer " + token, "Bearer " + shown},
		{"bearer token in a header", "Authorization: Bearer " + token, "Authorization: Bearer " + shown},
		{"form encoded", "Bearer+a1b2c3%2Bd4+next", "Bearer+[redacted]+next"},
		{"percent encoded", "Bearer%20a1b2c3%3D%3D&x", "Bearer%20[redacted]&x"},
		{"several spaces", "Bearer \t abc/+~._-=", "Bearer \t [redacted]"},
		{"quoted", `Bearer "abc"`, `Bearer "[redacted]"`},
		{"DPoP", "DPoP abcdef", "DPoP [redacted]"},
		{"basic", "Basic " + basic, "Basic [redacted]"},
		{"basic without padding", "basic " + strings.TrimRight(basic, "="), "basic [redacted]"},
		{"basic, cut off", "Basic YWxpY2U6aHVudGVyMg=x1", "Basic [redacted]"},
		{"masked already", "Bearer " + shown, "Bearer " + shown},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			checkMask(t, test.in, test.want)
		})
	}
}

func TestMaskKeys(t *testing.T) {
	t.Parallel()
	quoted, _ := json.Marshal(pem)
	jwk := `{"kty":"EC","crv":"P-256","x":"eHh4","d":"CaNaRyPrIvAtE"}`
	for _, test := range []struct{ name, in, want string }{
		{"PEM", "key:\n" + pem + "\nend", "key:\n[redacted]\nend"},
		{"PEM in JSON", string(quoted), `"[redacted]"`},
		{"PEM in a query", "k=" + url.QueryEscape(pem) + "&x", "k=[redacted]&x"},
		{"PEM without an end", "key " + pem[:60], "key [redacted]"},
		{"PEM of OpenSSH", "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----", "[redacted]"},
		{"JWK", jwk, strings.Replace(jwk, "CaNaRyPrIvAtE", "[redacted]", 1)},
		{"password of a URL", "dial redis://:hunter2@db:6379/0", "dial redis://:[redacted]@db:6379/0"},
		{"password of a named user", "postgres://app:p%40ss@db/x", "postgres://app:[redacted]@db/x"},
		{"password with a slash", `parse "redis://:pa/ss@db": invalid`, `parse "redis://:[redacted]@db": invalid`},
		{"token as the name of a user", "https://" + token + ":x@host/", "https://" + shown + ":[redacted]@host/"},
		{"URL in a URL", "http://a/?u=ftp://b:c@d/", "http://a/?u=ftp://b:[redacted]@d/"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			checkMask(t, test.in, test.want)
		})
	}
}

func TestMaskParameters(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, in, want string }{
		{"query", "/cb?access_token=abc&state=1#x", "/cb?access_token=[redacted]&state=1#x"},
		{"form", "username=bob&password=hunter2&x=1", "username=bob&password=[redacted]&x=1"},
		{"form with encoded separators in the value", "password=a%26b%3Dc%22d&x=1", "password=[redacted]&x=1"},
		{"camel case", "?accessToken=abc", "?accessToken=[redacted]"},
		{"upper case", "API_KEY=abc make", "API_KEY=[redacted] make"},
		{"prefixed", "DB_PASSWORD=abc x-csrf-token=def", "DB_PASSWORD=[redacted] x-csrf-token=[redacted]"},
		{"authorization code", "/cb?code=SplxlOBeZQQYbYS6WxSbIA&state=1", "/cb?code=[redacted]&state=1"},
		{"own cookies", "__Host-refresh=abc; __Host-x=1", "__Host-refresh=[redacted]; __Host-x=1"},
		{"in a URL in a URL", "?u=https%3A%2F%2Fx%3Ftoken%3Dabc%26y%3D1&z", "?u=https%3A%2F%2Fx%3Ftoken%3D[redacted]%26y%3D1&z"},
		{"JSON", `{"password":"hun\"ter2","n":1}`, `{"password":"[redacted]","n":1}`},
		{"JSON with spaces", `{ "client_secret" : "abc" }`, `{ "client_secret" : "[redacted]" }`},
		{"JSON number", `{"password":1234,"n":1}`, `{"password":[redacted],"n":1}`},
		{"JSON list", `{"set-cookie":["a=b","c=d]"],"n":1}`, `{"set-cookie":["[redacted]"],"n":1}`},
		{"JSON object", `{"credentials":{"user":"a","x":{"y":"}"}},"n":1}`, `{"credentials":"[redacted]","n":1}`},
		{"JSON in JSON", `"{\"password\":\"a\\\"b\\\\\",\"n\":1}"`, `"{\"password\":\"[redacted]\",\"n\":1}"`},
		{"JSON in JSON in JSON", `\\\"password\\\":\\\"abc\\\",\\\"n\\\":1`, `\\\"password\\\":\\\"[redacted]\\\",\\\"n\\\":1`},
		{"JSON that breaks off", `{"password":"hunter2`, `{"password":"[redacted]`},
		{"JSON in a query", "q=%7B%22password%22%3A%22hunter2%22%7D", "q=%7B%22password%22%3A%22[redacted]%22%7D"},
		{"ampersand as JSON escape", `"/?token=abc\u0026x=1"`, `"/?token=[redacted]\u0026x=1"`},
		{"Python", `{'password': 'hunter2', 'n': 1}`, `{'password': '[redacted]', 'n': 1}`},
		{"Ruby", `{"password"=>"hunter2"}`, `{"password"=>"[redacted]"}`},
		{"YAML", "password: hunter2\nuser: bob", "password: [redacted]\nuser: bob"},
		{"INI", "password = hunter2\nuser = bob", "password = [redacted]\nuser = bob"},
		{"random token after a colon", "token: a1b2c3d4e5f6g7h8 x", "token: [redacted] x"},
		{"header", "Cookie: a=b; c=d\r\nHost: x", "Cookie: [redacted]\r\nHost: x"},
		{"header without space", "Cookie:a=b; c=d\r\nHost: x", "Cookie:[redacted]\r\nHost: x"},
		{"header of an unknown scheme", "Authorization: Digest username=\"bob\", response=\"abc\"\nHost: x", "Authorization: [redacted]\nHost: x"},
		{"header in quotes", "curl -H 'Cookie: a=\"b\"; c=d' https://x/", "curl -H 'Cookie: [redacted]' https://x/"},
		{"header after an escaped line end", `GET /\r\nCookie: a=b; c=d`, `GET /\r\nCookie: [redacted]`},
		{"header as Go prints it", "map[Authorization:[Token abc] Cookie:[a=b]c; d=e] Host:[x]]", "map[Authorization:[redacted] Cookie:[redacted] Host:[x]]"},
		{"header as assignment", "authorization=Digest abc123 x=1", "authorization=[redacted] x=1"},
		{"struct as Go prints it", "{User:bob Password:hunter2 N:1}", "{User:bob Password:[redacted] N:1}"},
		{"JWT as value", `{"access_token":"` + token + `"}`, `{"access_token":"` + shown + `"}`},
		{"JWT in a query", "?token=" + token + "&x", "?token=" + shown + "&x"},
		{"masked already", "token=" + shown + " password=[redacted]&x", "token=" + shown + " password=[redacted]&x"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			checkMask(t, test.in, test.want)
		})
	}
}

func TestMaskLeavesOrdinaryText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "ok", "a b c = d : e", "tür…straße 日本語",
		"d41d8cd98f00b204e9800998ecf8427e sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		"6ba7b810-9dad-11d1-80b4-00c04fd430c8", "v1.26.8 1.2.3-rc.1+build.5", "api.v2.example.com:8443",
		"/usr/share/keyJar.tar.gz", "org.acme.KeyJoin.run.go", "primaryKeyJoin.left.right", "monkeyJungle.example.com",
		"eyJ", "eyJhbGciOi", "eyJhbGciOi... was cut", "eyJhbGciOi… was cut",
		`Bearer error="invalid_token", error_description="The access token expired"`,
		`WWW-Authenticate: Bearer realm="x"`, "missing Bearer token", "the bearer of news", "a Bearer scheme is required",
		"basic authentication", "Basic settings saved", "Basic Constraints", "DPoP proof expired", "DPoP nonce required",
		"token: expired", "invalid token: audience mismatch", "secret: not found", "token_type=Bearer", `"token_type":"Bearer"`,
		"rule=token reason=expired", "grant_type=refresh_token&x=1", "urn:ietf:params:oauth:token-type:access_token",
		"code=404", "exit code=1 token", "?code=404", "tokens=5 max_tokens=7", "password_file=/x", "token == nil",
		`{"password":null,"token":"","secret":false}`, "access_cookie: false", "plaintext_token: burn",
		"https://example.com:8443/@user/a?b=c@d", "ssh://git@github.com/x", "http://[::1]:80/", "http://[fe80::1%25en0]:80/@",
		"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "----- begin -----", "-----BEGIN",
		`"d":"short","k":"v"`, "2026-11-21T18:50:00Z", "100% sure & 50%=half", "\xff\xfe\x00\x01",
		"{\"alg\":\"ES256\",\"typ\":\"at+jwt\"}", "key=value path=/a/b.c.d", "scope=read+write",
	} {
		if got := redact.Mask(text); got != text {
			t.Errorf("Mask(%q) = %q, want it unchanged", text, got)
		}
		b := []byte(text)
		if got := redact.MaskBytes(b); !bytes.Equal(got, b) || len(b) > 0 && &got[0] != &b[0] {
			t.Errorf("MaskBytes(%q) = %q, want the same bytes", text, got)
		}
	}
}

func checkMask(t *testing.T, in, want string) {
	t.Helper()
	got := redact.Mask(in)
	if got != want {
		t.Errorf("Mask(%q)\n got %q\nwant %q", in, got, want)
	}
	if again := redact.Mask(got); again != got {
		t.Errorf("masked twice: got %q, want %q", again, got)
	}
	given := []byte(in)
	if b := redact.MaskBytes(given); string(b) != want || string(given) != in {
		t.Errorf("MaskBytes(%q) = %q, want %q and the input left alone", in, b, want)
	}
}

func TestMaskDoesNotAllocateForOrdinaryText(t *testing.T) {
	for _, text := range []string{"GET /items/5?limit=10&page=2 HTTP/1.1 from 10.0.0.1:5000", "user: bob, key: value, dear Basic user"} {
		if n := testing.AllocsPerRun(100, func() { redact.Mask(text) }); n != 0 {
			t.Errorf("Mask(%q) allocates %v times, want 0", text, n)
		}
	}
}

func FuzzMask(f *testing.F) {
	for _, seed := range [][2]string{
		{"", ""},
		{"Authorization: Bearer ", "\r\nHost: x"},
		{`{"token":"`, `"}`},
		{"%2", "%2E"},
		{`\u00`, `\`},
		{"eyJ.", "."},
		{"https://a:b@c/?token=", "&x=1"},
		{"password=[redacted]", "]"},
		{"-----BEGIN PRIVATE KEY-----", "-----END"},
		{`\\\"cookie\\\":[\\\"`, `\\\"]`},
		{"Basic ", "=="},
		{"token: '", "'"},
		{"&#", ";"},
		{"eyJhbG…1a2b3c4d", "…"},
		{"://", ":0@"},
		{"token:", "\x10"},
		{"Cookie:{\"", "0"},
		{"token:e", "0"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		in := before + token + after
		got := redact.Mask(in)
		if strings.Contains(got, signature) && !strings.Contains(before, signature) && !strings.Contains(after, signature) {
			t.Errorf("Mask(%q) = %q, want no signature in it", in, got)
		}
		for _, text := range []string{in, before, after} {
			once := redact.Mask(text)
			if twice := redact.Mask(once); twice != once {
				t.Errorf("Mask(%q) = %q, masked again %q, want no change", text, once, twice)
			}
		}
	})
}
