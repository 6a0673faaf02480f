package token

// KeyName is what may be shown of a key: nothing that it is made of.
type KeyName struct {
	// ID is the kid, as the key set writes it; empty if there is none.
	ID string
	// Algorithms are those that the key can verify.
	Algorithms []string
}

// Names lists the keys of the set in its order. A nil set has none.
func (ks *KeySet) Names() []KeyName {
	if ks == nil {
		return nil
	}
	names := make([]KeyName, len(ks.keys))
	for i, k := range ks.keys {
		names[i].ID = k.id
		for _, a := range algorithms {
			if k.serves(a) {
				names[i].Algorithms = append(names[i].Algorithms, a.name)
			}
		}
	}
	return names
}
