package checks

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/wiretight/wiretight/internal/catalog"
)

// sensitive collects the claims that should not be in a token.
type sensitive struct {
	lines []string
	worst catalog.Severity
}

// The bounds of what is looked at.
const (
	maxClaimDepth = 8
	maxSensitive  = 20
)

// sensitiveNames are claims that are sensitive by their name, if they have a
// value. Names are compared without case, - and _.
var sensitiveNames = []struct {
	name     *regexp.Regexp
	what     string
	severity catalog.Severity
}{
	{regexp.MustCompile(`^(user|login|account|old|new|current|plain|hashed)?(password|passwd|passphrase|pwd|pass)(hash|hashed|salt|digest)?$`), "a password, or what one can be guessed from", catalog.High},
	{regexp.MustCompile(`^(client|app|api|user|shared|signing|jwt|my|auth)?secret(key|token|value)?$|^(encryption|signing|private|master|access)key$`), "a secret", catalog.High},
	{regexp.MustCompile(`^(totp|otp|mfa|twofactor|2fa)(secret|seed|key|code)?$|^(recovery|backup)codes?$|^pin(code)?$|^security(answer|question)s?$`), "a second factor", catalog.High},
	{regexp.MustCompile(`^api(key|token|secret)s?$|^(aws|gcp|azure|stripe|github)(access|secret)?(key|token|secret)(id)?$|^(db|database|mongo|redis|postgres)(url|uri|password|dsn)$|^connectionstring$`), "a key to another service", catalog.High},
	{regexp.MustCompile(`^(ssn|socialsecurity(number)?|nationalid|passport(number)?|taxid|driverslicen[sc]e|personalnumber)$`), "a number of an official document", catalog.High},
	{regexp.MustCompile(`^(credit|debit|payment|bank)?card(number|no)?$|^(pan|cvv|cvc|cvv2|iban|bankaccount|accountnumber|routingnumber)$`), "data for payments", catalog.High},
	{regexp.MustCompile(`^(birthdate|birthday|dateofbirth|dob|homeaddress|streetaddress|postaladdress|address|street|medical.*|diagnosis|religion|ethnicity|salary)$`), "personal data", catalog.Medium},
	{regexp.MustCompile(`^(email|emailaddress|mail|phone|phonenumber|mobile)$`), "a way to reach the person", catalog.Low},
}

// sensitiveValues are texts that are sensitive by their form, whatever the name.
var sensitiveValues = []struct {
	value *regexp.Regexp
	what  string
}{
	{regexp.MustCompile(`^\$(2[abxy]?|argon2(id|i|d)|scrypt|pbkdf2[a-z0-9-]*|5|6|y|1|apr1)\$`), "a password hash"},
	{regexp.MustCompile(`^(pbkdf2_sha\d+|bcrypt(_sha256)?|argon2|scrypt)\$`), "a password hash"},
	{regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----`), "a private key"},
	{regexp.MustCompile(`^(AKIA|ASIA)[0-9A-Z]{16}$|^(sk|rk)_live_[0-9A-Za-z]{10,}|^gh[pousr]_[0-9A-Za-z]{30,}|^xox[abprs]-|^AIza[0-9A-Za-z_-]{30,}$|^glpat-|^sk-[0-9A-Za-z_-]{20,}$`), "a key to another service"},
	{regexp.MustCompile(`^[a-z][a-z0-9+.-]*://[^/\s:@]*:[^/\s@]+@`), "a URL with a password"},
}

// object looks at the members of an object. The confirmation of RFC 7800 is public
// by its nature.
func (s *sensitive) object(at string, o map[string]any, depth int) {
	if depth > maxClaimDepth {
		return
	}
	for _, k := range slices.Sorted(maps.Keys(o)) {
		if k == "cnf" && at == "" {
			continue
		}
		s.value(strings.TrimPrefix(at+"."+k, "."), k, o[k], depth)
	}
}

func (s *sensitive) value(at, name string, v any, depth int) {
	switch v := v.(type) {
	case map[string]any:
		if s.named(at, name) {
			return
		}
		s.object(at, v, depth+1)
	case []any:
		for _, e := range v {
			s.value(at+"[]", name, e, depth+1)
		}
	case string:
		if v != "" && v != "null" && !masked(v) && !s.formed(at, v) {
			s.named(at, name)
		}
	case json.Number:
		s.named(at, name)
	}
}

// masked tells whether a value hides what its name promises.
func masked(v string) bool { return strings.Trim(v, "*xX•") == "" }

// named judges a claim by its name.
func (s *sensitive) named(at, name string) bool {
	name = strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(name[strings.LastIndexAny(name, "/:")+1:]))
	for _, n := range sensitiveNames {
		if n.name.MatchString(name) {
			s.add(at, n.what, n.severity)
			return true
		}
	}
	return false
}

// formed judges a text by its form.
func (s *sensitive) formed(at, v string) bool {
	for _, f := range sensitiveValues {
		if f.value.MatchString(v) {
			s.add(at, f.what, catalog.High)
			return true
		}
	}
	if isCard(v) {
		s.add(at, "a payment card's number", catalog.High)
		return true
	}
	return false
}

func (s *sensitive) add(at, what string, severity catalog.Severity) {
	if len(at) > 100 {
		at = at[:100]
	}
	if line := "claim " + clip(at) + " holds " + what; len(s.lines) < maxSensitive && !slices.Contains(s.lines, line) {
		s.lines = append(s.lines, line)
	}
	if severity.Rank() > s.worst.Rank() {
		s.worst = severity
	}
}

var cardForm = regexp.MustCompile(`^(4\d{3}|5[1-5]\d{2}|2[2-7]\d{2}|3[47]\d{2}|6(?:011|5\d{2}))([ -]?)\d{4,6}[ -]?\d{4,5}([ -]?\d{4})?$`)

// isCard tells whether a text has the form of a card's number, its check digit
// (ISO/IEC 7812-1) included.
func isCard(v string) bool {
	if !cardForm.MatchString(v) {
		return false
	}
	digits := strings.NewReplacer(" ", "", "-", "").Replace(v)
	sum := 0
	for i := range len(digits) {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return (len(digits) == 15 || len(digits) == 16) && sum%10 == 0
}
