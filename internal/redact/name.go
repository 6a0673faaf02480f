package redact

import "strings"

// nameMax is how much of a name is looked at, from its end.
const nameMax = 64

// naming says what the name of a value tells about it.
type naming uint8

const (
	// ordinary values may be seen.
	ordinary naming = iota
	// worded names are also words of everyday sentences.
	worded
	// secret values must not be seen.
	secret
	// header values must not be seen, to the end of their line.
	header
)

// nameEnds has the last letters of all names that are not ordinary, so that
// most names are told by one look.
const nameEnds = "dehlnprsty"

// headerSuffixes end the names of headers whose whole line is secret, and
// secretSuffixes the names of secrets, written small and without _ and -.
var headerSuffixes = []string{"authorization", "cookie"}

var secretSuffixes = []string{
	"token", "secret", "password", "passwd", "passphrase", "apikey", "privatekey",
	"secretkey", "accesskey", "credential", "credentials", "sessionid", "assertion",
}

// nameOf classifies a name, whatever its case and punctuation.
func nameOf(name string) naming {
	if name == "" || strings.IndexByte(nameEnds, name[len(name)-1]|0x20) < 0 {
		return ordinary
	}
	var buf [nameMax]byte
	plain := buf[:0]
	for i := max(0, len(name)-nameMax); i < len(name); i++ {
		switch c := name[i]; {
		case 'A' <= c && c <= 'Z':
			plain = append(plain, c|0x20)
		case isAlnum(c):
			plain = append(plain, c)
		}
	}
	switch string(plain) {
	case "token", "secret", "credential", "credentials", "assertion", "jwt", "otp", "pwd":
		return worded
	case "xapikey", "xauthtoken":
		return header
	case "codeverifier", "devicecode", "samlresponse", "samlrequest", "xamzsignature",
		"jsessionid", "phpsessid", "hostrefresh", "hostaccess", "hostfingerprint":
		return secret
	case "plaintexttoken": // a setting, not a value
		return ordinary
	}
	for _, suffix := range headerSuffixes {
		if endsWith(plain, suffix) {
			return header
		}
	}
	for _, suffix := range secretSuffixes {
		if endsWith(plain, suffix) {
			return secret
		}
	}
	return ordinary
}

func endsWith(b []byte, suffix string) bool {
	return len(b) >= len(suffix) && string(b[len(b)-len(suffix):]) == suffix
}

// privateMember tells whether name is a private member of a JWK (RFC 7518 §6).
func privateMember(name string) bool {
	switch name {
	case "d", "p", "q", "dp", "dq", "qi", "k":
		return true
	}
	return false
}

// secretValue returns what may be seen of a value that is secret by its name.
// A JWT stays recognisable, alone or behind a scheme.
func secretValue(value string) string {
	switch value {
	case "", "true", "false", "null", "nil", "<nil>", Redacted:
		return value
	}
	scheme, rest := "", value
	if before, after, found := strings.Cut(value, " "); found && isScheme(before) {
		scheme, rest = before+" ", after
	}
	switch {
	case rest == Redacted || len(rest) > 0 && maskedLen(rest) == len(rest):
		return value
	case isToken(rest):
		return scheme + maskedToken(rest)
	}
	return Redacted
}
