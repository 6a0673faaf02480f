package token_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/c2sp/wycheproof"

	"github.com/wiretight/wiretight/internal/token"
)

type vectors struct {
	NumberOfTests int
	TestGroups    []struct {
		Comment         string
		Public, Private json.RawMessage
		Tests           []struct {
			TcID    int `json:"tcId"`
			Comment string
			JWS     json.RawMessage
			JWE     json.RawMessage
			Result  string
			Flags   []string
		}
	}
}

func readVectors(t *testing.T, name string) vectors {
	t.Helper()
	data, err := fs.ReadFile(wycheproof.TestVectors, name)
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// keysOf makes the set that a group's key would be to a guard. Symmetric keys
// come through NewSecret, as an operator would configure them.
func keysOf(public, private json.RawMessage) (*token.KeySet, error) {
	if len(public) == 0 {
		public = private
	}
	var one struct {
		Keys        []json.RawMessage
		Kty, K, Kid string
		Alg, Use    string
	}
	if err := json.Unmarshal(public, &one); err != nil {
		return nil, err
	}
	if one.Keys != nil {
		ks, _, err := token.ParseJWKS(public)
		if err == nil || len(one.Keys) != 1 {
			return ks, err
		}
		return keysOf(one.Keys[0], nil)
	}
	if one.Kty == "oct" {
		k, err := base64.RawURLEncoding.DecodeString(one.K)
		if err != nil {
			return nil, err
		}
		ks, err := token.NewSecret(k, []string{one.Alg})
		if err != nil && token.IsPublished(k) && len(k) >= 32 {
			// One group's key is 32 equal bytes, which no operator gets through.
			ks, err = token.DangerouslyNewSecret(k, []string{one.Alg})
		}
		if err != nil {
			return nil, err
		}
		return token.NameSecret(ks, one.Kid), nil
	}
	ks, _, err := token.ParseJWKS([]byte(`{"keys":[` + string(public) + `]}`))
	return ks, err
}

// deviations are the vectors that are judged otherwise than they are labelled,
// each with its reason.
var deviations = map[string]struct{ want, reason string }{
	"json_web_signature/259": {"invalid", emptyPayload},
	"json_web_signature/264": {"invalid", emptyPayload},
	"json_web_signature/268": {"invalid", emptyPayload},
	"json_web_signature/272": {"invalid", emptyPayload},
	"json_web_signature/320": {"invalid", emptyPayload},
	"json_web_signature/325": {"invalid", emptyPayload},
	"json_web_signature/346": {"invalid", otherAlg},
	"json_web_signature/350": {"invalid", otherAlg},
	"json_web_signature/347": {"invalid", noSuchAlg},
	"json_web_signature/351": {"invalid", noSuchAlg},
	"json_web_signature/372": {"invalid", notBase64},
	"json_web_signature/373": {"invalid", notBase64},
	"json_web_key/2":         {"invalid", symmetricSet},
	"json_web_crypto/48":     {"invalid", symmetricSet},
	"json_web_signature/367": {"valid", lostPadding},
	"json_web_signature/370": {"valid", lostPadding},
}

const vector357 = "eyJraWQiOiJoczI1Ni1rZXkiLCJhbGciOiJIUzI1NiJ9.VGVzdA.c1LROH7eNQwUT8KMVEO52VC3WZ9e_AnDWbZ7aMmowV8"

const (
	emptyPayload = "an empty payload is no set of claims"
	otherAlg     = "the token says PS384, its key says PS256; a key serves only the algorithm it names"
	noSuchAlg    = "the key says ES521, which no standard knows (P-521 goes with ES512)"
	notBase64    = "a question mark stands in the base64url; the vector's own MAC ignores it"
	symmetricSet = "symmetric keys in a key set are never used"
	lostPadding  = "the token is byte for byte the valid one of vector 357: its padding was lost when the vectors were made"
)

func TestWycheproof(t *testing.T) {
	t.Parallel()
	deviated := 0
	for _, file := range []string{
		"json_web_signature_test.json", "json_web_key_test.json", "json_web_crypto_test.json",
		"json_web_encryption_test.json",
	} {
		v := readVectors(t, file)
		ran := 0
		for _, group := range v.TestGroups {
			ks, keyErr := keysOf(group.Public, group.Private)
			for _, test := range group.Tests {
				ran++
				name := fmt.Sprintf("%s/%d", strings.TrimSuffix(file, "_test.json"), test.TcID)
				if len(test.JWE) > 0 {
					if _, err := token.Parse(text(test.JWE), token.Limits{}); err == nil {
						t.Errorf("%s: an encrypted token was accepted", name)
					}
					continue
				}
				raw, err := text(test.JWS), keyErr
				if err == nil {
					err = token.VerifySignature(raw, ks, token.Algorithms())
					slow, _ := ks.Slow()
					if again := token.VerifySignature(raw, slow, token.Algorithms()); (again == nil) != (err == nil) {
						t.Errorf("%s: got %v with the faster arithmetic, %v without", name, err, again)
					}
				}
				want := test.Result
				if d, ok := deviations[name]; ok {
					if want == d.want {
						t.Errorf("%s is listed as a deviation but is none", name)
					}
					if d.reason == lostPadding && raw != vector357 {
						t.Errorf("%s is not the token of vector 357", name)
					}
					want = d.want
					deviated++
				}
				if got := map[bool]string{true: "valid", false: "invalid"}[err == nil]; got != want {
					t.Errorf("%s (%s, %s %v): got %s, want %s: %v",
						name, group.Comment, test.Comment, test.Flags, got, want, err)
				}
			}
		}
		if ran != v.NumberOfTests {
			t.Errorf("%s: ran %d vectors of %d", file, ran, v.NumberOfTests)
		}
		t.Logf("%s: %d vectors", file, ran)
	}
	if deviated != len(deviations) {
		t.Errorf("met %d deviations of %d", deviated, len(deviations))
	}
}

// text returns a vector's token: a string, or JSON serialization as it stands.
func text(v json.RawMessage) string {
	var s string
	if json.Unmarshal(v, &s) == nil {
		return s
	}
	return string(v)
}
