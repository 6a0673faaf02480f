package catalog

import "slices"

//go:generate go test -run TestPagesAreFresh -update .

// All returns every entry in the order of the areas.
func All() []Entry { return slices.Concat(areas()...) }

// areas lists the entries of each area.
func areas() [][]Entry {
	return [][]Entry{
		transportEntries, tlsEntries, hostEntries, jwtEntries, refreshEntries, jwksEntries,
		cookieEntries, corsEntries, leakEntries, authEntries, supplyEntries,
	}
}

// Lookup returns the entry of a check.
func Lookup(id string) (Entry, bool) {
	for _, e := range All() {
		if e.ID == id {
			return e, true
		}
	}
	return Entry{}, false
}
