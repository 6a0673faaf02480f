package scan

// Spec is the API's own description: OpenAPI 3.0 or 3.1, or Swagger 2.0.
type Spec struct {
	// URL is where it was found, or the name of the file.
	URL string
	// Raw is the document as it came, JSON or YAML; JSON is the same in JSON.
	Raw, JSON []byte
	// Version is that of OpenAPI, as "3.1.0" or "2.0".
	Version string
	// Title and APIVersion are those of info.
	Title, APIVersion string
	// Servers are the URLs as they stand; of Swagger 2, made of schemes, host
	// and basePath.
	Servers []string
	Schemes []Scheme
	// Operations has them all, in the order of the document's paths, sorted.
	Operations []Operation
	// Note says what could not be read of it. Empty: nothing.
	Note string
}

// Scheme is a security scheme of a Spec.
type Scheme struct {
	// Name is its key; Type is http, apiKey, oauth2, openIdConnect, mutualTLS or
	// basic; HTTP is bearer, basic … of type http, in lower case.
	Name, Type, HTTP string
	// In and Parameter say where an apiKey goes.
	In, Parameter string
	// TokenURL, AuthorizationURL and RefreshURL are those of any flow, and
	// OpenIDURL that of the discovery document, as they stand.
	TokenURL, AuthorizationURL, RefreshURL, OpenIDURL string
	// Password says that there is an OAuth password flow.
	Password bool
}

// Document is metadata of an issuer that was found (RFC 8414, OpenID Connect
// Discovery).
type Document struct {
	URL      string
	Fields   map[string]any
	Response *Response
}

// KeySetDoc is a published set of keys (RFC 7517), or a single published key.
type KeySetDoc struct {
	URL string
	Raw []byte
	// Keys are the members of "keys", numbers as json.Number. It is nil where
	// the document is a PEM key.
	Keys     []map[string]any
	Response *Response
}
