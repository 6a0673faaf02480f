package tlsprobe

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Suite is a cipher suite's code point.
type Suite uint16

// Signalling values that travel among the suites.
const (
	scsvRenegotiation Suite = 0x00FF // RFC 5746 §3.3
	scsvFallback      Suite = 0x5600 // RFC 7507 §2
)

// Class is a family of cipher suites that stands or falls together.
type Class string

// The classes. A suite may be in several: TLS_RSA_EXPORT_WITH_RC4_40_MD5 is in four.
const (
	ClassNULL   Class = "NULL"   // no encryption
	ClassAnon   Class = "anon"   // no authentication
	ClassExport Class = "EXPORT" // 40 and 56 bit keys
	ClassDES    Class = "DES"
	Class3DES   Class = "3DES"
	ClassRC4    Class = "RC4"
	ClassMD5    Class = "MD5" // as record authentication
	// ClassWeakDH is finite-field Diffie-Hellman in a group under 2048 bits. It
	// is decided by the server's group, not by the suite.
	ClassWeakDH Class = "DH<2048"
	// ClassNoFS is a key exchange without forward secrecy.
	ClassNoFS Class = "no forward secrecy"
	// ClassCBC is CBC with forward secrecy and a cipher of no weak class.
	ClassCBC Class = "CBC"
)

// WeakClasses lists the classes that no server should accept.
func WeakClasses() []Class {
	return []Class{ClassNULL, ClassAnon, ClassExport, ClassDES, Class3DES, ClassRC4, ClassMD5, ClassWeakDH}
}

// AllClasses lists every class that is asked for.
func AllClasses() []Class { return append(WeakClasses(), ClassNoFS, ClassCBC) }

// String returns the registered name, or the code point in hexadecimal.
func (s Suite) String() string {
	if t, ok := suites()[s]; ok {
		return t.name
	}
	return fmt.Sprintf("0x%04X", uint16(s))
}

// Classes returns the classes that the suite is in, ClassWeakDH excepted.
func (s Suite) Classes() []Class { return suites()[s].classes }

// suiteTraits is what the name of a suite tells.
type suiteTraits struct {
	name    string
	kx      string // as RSA, DHE_RSA, ECDH_anon; empty from TLS 1.3 on
	cipher  string
	classes []Class
	oldest  Version
	newest  Version
}

// ephemeralDH reports whether the server sends a finite-field group.
func (t suiteTraits) ephemeralDH() bool {
	return strings.HasPrefix(t.kx, "DHE_") || strings.HasPrefix(t.kx, "DH_anon")
}

func (t suiteTraits) usable(v Version) bool { return v >= t.oldest && v <= t.newest }

var suites = sync.OnceValue(func() map[Suite]suiteTraits {
	m := make(map[Suite]suiteTraits, len(suiteTable))
	for _, s := range suiteTable {
		m[Suite(s.id)] = traitsOf(s.name)
	}
	return m
})

// traitsOf reads a registered name. The names of the registry are regular:
// TLS_<key exchange>_WITH_<cipher>_<hash>, and TLS_<cipher>_<hash> for TLS 1.3.
func traitsOf(name string) suiteTraits {
	kx, cipher, old := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(name, "TLS_"), "SSL_"), "_WITH_")
	t := suiteTraits{name: name, kx: kx, cipher: cipher, oldest: SSL3, newest: TLS12}
	if !old {
		t.kx, t.cipher, t.oldest, t.newest = "", kx, TLS13, TLS13
		if strings.HasPrefix(kx, "SHA") { // integrity only, RFC 9150
			t.classes = []Class{ClassNULL}
		}
		return t
	}
	for _, end := range []string{"_SHA256", "_SHA384", "_CCM", "_CCM_8"} {
		if strings.HasSuffix(cipher, end) {
			t.oldest = TLS12
		}
	}
	t.classes = classesOf(kx, cipher)
	return t
}

func classesOf(kx, cipher string) []Class {
	var in []Class
	add := func(c Class, yes bool) {
		if yes {
			in = append(in, c)
		}
	}
	anon := strings.Contains(kx, "anon") || kx == "NULL"
	secret := strings.HasPrefix(kx, "ECDHE_") || strings.HasPrefix(kx, "DHE_")
	add(ClassNULL, strings.HasPrefix(cipher, "NULL"))
	add(ClassAnon, anon)
	add(ClassExport, strings.Contains(kx, "EXPORT"))
	add(ClassDES, strings.HasPrefix(cipher, "DES"))
	add(Class3DES, strings.HasPrefix(cipher, "3DES"))
	add(ClassRC4, strings.HasPrefix(cipher, "RC4"))
	add(ClassMD5, strings.HasSuffix(cipher, "_MD5"))
	weak := len(in) > 0
	add(ClassNoFS, !secret && !anon)
	add(ClassCBC, secret && !weak && strings.Contains(cipher, "_CBC_"))
	return in
}

// maxSuites is the longest list that is offered at once: known servers fail on
// lists of more than 128.
const maxSuites = 120

// suitesFor lists the suites usable with v that keep wants, the ones most
// widely spoken first, at most maxSuites.
func suitesFor(v Version, keep func(suiteTraits) bool) []Suite {
	var list []Suite
	for id, t := range suites() {
		if t.usable(v) && keep(t) {
			list = append(list, id)
		}
	}
	slices.SortFunc(list, func(a, b Suite) int {
		ta, tb := suites()[a], suites()[b]
		if d := rarity(ta) - rarity(tb); d != 0 {
			return d
		}
		return int(a) - int(b)
	})
	return list[:min(len(list), maxSuites)]
}

// rarity orders suites by how seldom they are the only common one.
func rarity(t suiteTraits) int {
	r := 0
	for rank, part := range []string{"AES_128", "AES_256", "CHACHA20", "3DES", "RC4", "DES", "CAMELLIA", "NULL"} {
		if strings.HasPrefix(t.cipher, part) {
			r = rank + 1
			break
		}
	}
	if r == 0 {
		r = 20 // ARIA, SEED, IDEA, RC2
	}
	switch {
	case strings.HasPrefix(t.kx, "ECDHE_"), t.kx == "RSA", t.kx == "":
	case strings.HasPrefix(t.kx, "DHE_"):
		r += 2
	case strings.Contains(t.kx, "anon"):
		r += 4
	default: // static DH and ECDH, EXPORT
		r += 8
	}
	return r
}
