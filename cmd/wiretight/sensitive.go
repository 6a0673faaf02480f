package main

import (
	"encoding/json"
	"regexp"
	"strings"
)

// Names of claims, in small letters without punctuation.
var (
	secretNames = []string{
		"password", "passwd", "passphrase", "pwd", "passwordhash", "hashedpassword", "secret", "apikey", "privatekey",
		"accesskey", "secretkey", "cvv", "cvc", "pin", "creditcard", "cardnumber", "pan", "ssn", "totpseed", "recoverycode",
	}
	personalNames = []string{
		"socialsecuritynumber", "nationalid", "passportnumber", "taxid", "birthdate", "dateofbirth", "dob", "address",
		"homeaddress", "phonenumber", "phone", "iban", "gender", "religion", "ethnicity",
	}
	// secretValues are the shapes of password hashes, keys and tokens.
	secretValues = regexp.MustCompile(`^\$(2[abxy]|argon2id?|argon2[di]|pbkdf2[^$]*|scrypt|[156y])\$|-----BEGIN [A-Z ]*PRIVATE KEY|^(AKIA|ASIA)[0-9A-Z]{16}$|^(sk|rk)_(live|test)_|^gh[pousr]_[0-9A-Za-z]{20}|^xox[abprs]-|^AIza[0-9A-Za-z_-]{35}$|eyJ[0-9A-Za-z_-]+\.[0-9A-Za-z_-]+\.`)
	socialNumber = regexp.MustCompile(`^[0-9]{3}-[0-9]{2}-[0-9]{4}$`)
	cardNumber   = regexp.MustCompile(`^(4[0-9]{12}([0-9]{3})?|5[1-5][0-9]{14}|2[2-7][0-9]{14}|3[47][0-9]{13}|6(011|5[0-9]{2})[0-9]{12})$`)
)

// maxNesting bounds how deep sensitive looks.
const maxNesting = 16

// sensitive classifies a claim: "secret", "personal" or nothing. Whether it
// is, the name may tell or the value; both are looked for within objects too.
func sensitive(name string, value json.RawMessage, depth int) string {
	if depth > maxNesting {
		return ""
	}
	var v any
	if err := json.Unmarshal(value, &v); err != nil {
		return ""
	}
	switch v := v.(type) {
	case map[string]any, []any:
		return nested(name, value, depth)
	case string:
		if v == "" {
			return ""
		}
		if secretValues.MatchString(v) || socialNumber.MatchString(v) || isCard(v) {
			return "secret"
		}
	case float64:
		if !identifies(name) && isCard(string(value)) {
			return "secret"
		}
	default:
		return ""
	}
	return byName(name)
}

func nested(name string, value json.RawMessage, depth int) string {
	worst := ""
	note := func(name string, value json.RawMessage) {
		if c := sensitive(name, value, depth+1); c != "" && worst != "secret" {
			worst = c
		}
	}
	var list []json.RawMessage
	if err := json.Unmarshal(value, &list); err == nil {
		for _, v := range list {
			note(name, v)
		}
		return worst
	}
	ms, err := readMembers(value)
	if err != nil {
		return ""
	}
	for _, m := range ms {
		note(m.name, m.value)
	}
	if worst == "" && len(ms) > 0 {
		return byName(name)
	}
	return worst
}

// byName judges the name alone.
func byName(name string) string {
	plain := strings.Map(func(r rune) rune {
		switch {
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		}
		return -1
	}, name)
	for _, s := range secretNames {
		if plain == s || len(s) > 4 && strings.HasSuffix(plain, s) {
			return "secret"
		}
	}
	for _, s := range personalNames {
		if plain == s {
			return "personal"
		}
	}
	return ""
}

// identifies tells whether a claim holds identifiers, which may look like
// anything.
func identifies(name string) bool {
	switch name {
	case "jti", "sub", "sid", "iat", "exp", "nbf", "auth_time":
		return true
	}
	return false
}

// isCard tells whether digits are the number of a payment card: one of the
// issuers' ranges, and a right check digit (Luhn).
func isCard(s string) bool {
	digits := strings.NewReplacer(" ", "", "-", "").Replace(s)
	if !cardNumber.MatchString(digits) {
		return false
	}
	sum := 0
	for i := range len(digits) {
		n := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			if n *= 2; n > 9 {
				n -= 9
			}
		}
		sum += n
	}
	return sum%10 == 0
}
