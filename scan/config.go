package scan

import (
	"context"
	"crypto/x509"
	"iter"
	"net"
	"time"

	"github.com/wiretight/wiretight/internal/catalog"
	"github.com/wiretight/wiretight/internal/redact"
)

// Config says what to scan, with which credentials, and how far to go. Only URL
// is needed; what needs more than was given is skipped with its reason.
type Config struct {
	// URL is where the API is: http or https, a host, perhaps a port and a path.
	URL string

	// Token is a genuine access token of the user's.
	Token redact.Text
	// OtherToken is a genuine token of the same issuer for another audience.
	OtherToken redact.Text
	// ExpiredToken was genuine once.
	ExpiredToken redact.Text

	// Origin is an origin that the API lets read its answers.
	Origin string
	// LoginURL gives a token for LoginData, a form, or LoginJSON. Paths in these
	// URLs start at the target's origin. LoginData and LoginJSON hold passwords:
	// do not print them.
	LoginURL, LoginData, LoginJSON string
	// RefreshURL and LogoutURL are found by themselves where they are usual.
	RefreshURL, LogoutURL string
	// Protected are paths that need a token.
	Protected []string

	// OpenAPI is the URL of the API's description. Empty: it is looked for at the
	// usual places. OpenAPIData, where it is not nil, is the description itself,
	// and OpenAPI then only its name.
	OpenAPI     string
	OpenAPIData []byte

	// Secret signs the API's tokens. Empty: it is guessed, from what is
	// published and from Wordlist.
	Secret redact.Text
	// Wordlist yields more secrets to try. Nil: none.
	Wordlist iter.Seq[string]

	// CA verifies the target beside the system's roots. Nil: only those do.
	CA *x509.CertPool
	// Resolve holds HOST:PORT:ADDR, connections to which go to another address.
	Resolve []string

	// Only and Skip choose checks by id, or by area as "jwt". Empty: all, none.
	Only, Skip []string

	// Rate is the most requests a second. Zero: no limit on loopback, else 20.
	Rate float64
	// Timeout bounds each request, from dial to last byte. Zero: 5 s.
	Timeout time.Duration
	// MaxRequests bounds the requests and connections of the whole scan. Zero: 600.
	MaxRequests int

	// Passive leaves out every check that is not Check.Passive: nothing is sent
	// but what an ordinary client would send.
	Passive bool
	// Intrusive permits requests that may change state, run commands or slow
	// the target down.
	Intrusive bool
	// Strict judges a loopback target as if it were public.
	Strict bool

	// Callback is the address, as 203.0.113.5:8000, on which a listener waits
	// for the target to fetch keys. Empty: a loopback port, where the target
	// is on loopback itself; otherwise none.
	Callback string

	// Catalog describes checks. Nil: package catalog.
	Catalog func(id string) (catalog.Entry, bool)
	// Progress is told of each check that is done. It is called from many
	// goroutines, one at a time. Nil: nobody is told.
	Progress func(done, total int, id string)
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
	// Dial makes connections. Nil: net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}
