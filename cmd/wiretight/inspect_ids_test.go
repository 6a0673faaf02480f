package main

import (
	"testing"

	"github.com/wiretight/wiretight/internal/catalog"
)

func TestInspectedChecksAreInTheCatalogue(t *testing.T) {
	t.Parallel()
	for _, c := range tokenChecks {
		if _, ok := catalog.Lookup(c.id); !ok {
			t.Errorf("%s is not in the catalogue", c.id)
		}
	}
}
