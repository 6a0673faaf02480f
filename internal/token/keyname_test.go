package token_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wiretight/wiretight/internal/token"
)

// TestNames shows of a key what it is called and verifies, and nothing else.
func TestNames(t *testing.T) {
	t.Parallel()
	ks, _, err := token.ParseJWKS([]byte(`{"keys":[
		{"kty":"OKP","crv":"Ed25519","kid":"ed","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
		{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}
	]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []token.KeyName{{ID: "ed", Algorithms: []string{"EdDSA"}}, {Algorithms: []string{"ES256"}}}
	if diff := cmp.Diff(want, ks.Names()); diff != "" {
		t.Error(diff)
	}
	secret, err := token.NewSecret([]byte("5f2b1f1f0a6d4c7e9b3a8d2c6e1f4a7b"), []string{"HS256"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]token.KeyName{{Algorithms: []string{"HS256"}}}, secret.Names()); diff != "" {
		t.Error(diff)
	}
	var none *token.KeySet
	if got := none.Names(); got != nil {
		t.Errorf("got %v of no set, want none", got)
	}
}
