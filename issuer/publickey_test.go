package issuer_test

import (
	"encoding/json"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// publicKey finds a key of a set with another library's eyes.
func publicKey(t testing.TB, set, kid string) any {
	t.Helper()
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(set), &keys); err != nil {
		t.Fatal(err)
	}
	found := keys.Key(kid)
	if len(found) != 1 || !found[0].Valid() || found[0].Use != "sig" || !found[0].IsPublic() {
		t.Fatalf("got %d usable public keys for kid %s, want 1", len(found), kid)
	}
	return found[0].Key
}
