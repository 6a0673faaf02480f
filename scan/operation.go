package scan

// Operation is a method and a path of the API.
type Operation struct {
	// Method is in upper case.
	Method string
	// Path is as the description has it, perhaps with {parameters}.
	Path string
	// URL is what to call: absolute, with plausible values for path parameters
	// and for query parameters that are required.
	URL string
	// Secured says that the description demands a credential, or that the user
	// named the path as protected.
	Secured bool
	// Scopes are those that the description demands.
	Scopes []string
	// Schemes names the security schemes that the description lists for it.
	Schemes []string
	// FromSpec says that the API's description has it.
	FromSpec bool
	// Guessed says that values had to be made up: a 404 or a 422 says little.
	Guessed bool
}

// Safe tells whether calling the operation changes nothing by HTTP's rules:
// GET, HEAD and OPTIONS (RFC 9110 §9.2.1). Others are called only by a scan that
// is Intrusive.
func (o Operation) Safe() bool {
	return o.Method == "GET" || o.Method == "HEAD" || o.Method == "OPTIONS"
}

// Protected is an operation with its baselines: what the API answers to no
// credential, to bad ones, and to the genuine token. Where Eligible is false,
// the answers do not tell acceptance from refusal, and Reason says why.
type Protected struct {
	Operation
	// Cookie is the name of the cookie that carries the token. Empty: the
	// Authorization header does, as Bearer.
	Cookie string
	// B0 is the answer without a credential; Bg with garbage; Br with the genuine
	// header and payload under a random signature; Bv and Bv2 with the genuine
	// token. Those that were not asked for are nil: Bg, Br, Bv and Bv2 where
	// there is no token that may be sent.
	B0, Bg, Br, Bv, Bv2 *Response
	// Eligible says that the answer to the genuine token can be told from the
	// others, and is stable.
	Eligible bool
	// Reason says why it is not.
	Reason string

	// markers are words of the genuine answers that no refusal has. They decide
	// where a refusal has the same class.
	markers []string
}

// Request is a GET, or whatever the operation's method is, with token as its
// credential. An empty token: without any.
func (p Protected) Request(token string) Request {
	r := p.Operation.Request()
	switch {
	case token == "":
	case p.Cookie != "":
		r.Header = map[string][]string{"Cookie": {p.Cookie + "=" + token}}
	default:
		r.Header = map[string][]string{"Authorization": {"Bearer " + token}}
	}
	return r
}

// Request is a request for the operation without any credential.
func (o Operation) Request() Request { return Request{Method: o.Method, URL: o.URL} }
