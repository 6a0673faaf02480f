package token

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
)

// PublishedSecrets returns the secrets that documentation, templates and lists
// have made known, those of frameworks first. An attacker tries them before
// any other. The caller owns the slice.
func PublishedSecrets() []string {
	return strings.Split(published, "\n")
}

// IsPublished tells whether a secret is one of PublishedSecrets in any form in
// which configuration could hold it: as it is, with space around it, or
// written in base64, base64url or hexadecimal; or a single byte repeated.
func IsPublished(secret []byte) bool {
	trimmed := bytes.TrimSpace(secret)
	if len(trimmed) == 0 || bytes.Count(secret, secret[:1]) == len(secret) {
		return true
	}
	forms := append(decodings(trimmed), secret, trimmed)
	for word := range strings.SplitSeq(published, "\n") {
		same := func(form []byte) bool { return string(form) == word }
		if slices.ContainsFunc(forms, same) {
			return true
		}
		for _, form := range decodings([]byte(word)) {
			if bytes.Equal(form, secret) {
				return true
			}
		}
	}
	return false
}

// decodings returns the bytes that text may stand for.
func decodings(text []byte) (all [][]byte) {
	bare := strings.TrimRight(string(text), "=")
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if b, err := enc.DecodeString(bare); err == nil && len(b) > 0 {
			all = append(all, b)
		}
	}
	if b, err := hex.DecodeString(string(text)); err == nil && len(b) > 0 {
		all = append(all, b)
	}
	return all
}

const published = `09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7
changethis
your-256-bit-secret
your-384-bit-secret
your-512-bit-secret
a-string-secret-at-least-256-bits-long
please_please_update_me_please
3cfa76ef14937c1c0ea519f8fc057a80fcd04a7420f8e8bcd0a7567c272e007b
secret
SECRET
secretkey
secret_key
secret-key
SECRET_KEY
secretKey
supersecret
super-secret
super_secret
super-secret-key
supersecretkey
changeme
change-me
change_me
CHANGE_ME
change-this
changethissecret
changeit
replace-me
replaceme
your-secret
your-secret-key
your_secret_key
your-secret-key-here
your-super-secret-key
your_jwt_secret
jwt
jwtsecret
jwt-secret
jwt_secret
JWT_SECRET
jwtSecret
jwtSecretKey
jwt_secret_key
JWT_SECRET_KEY
jwt-secret-key
jwt-secret-string
JWTSecret
JWTSuperSecretKey
jwtPrivateKey
my-secret
my_secret
mysecret
mysecretkey
my_secret_key
my_super_secret
my-32-character-ultra-secure-and-ultra-long-secret
thisisasecret
this-is-a-secret
thisismysecret
topsecret
shhhhh
shared-secret
keyboard cat
AllYourBase
notsosecret
insecure-secret
django-insecure
hmac-secret
hs256-secret
ACCESS_TOKEN_SECRET
accessTokenSecret
refreshTokenSecret
auth-secret
auth_secret
signing-key
key
private
privatekey
random
password
password123
admin
test
dev
token
qwerty
123456
12345678
foo
bar
hello
fastapi
flask
django
express
nodejs`
