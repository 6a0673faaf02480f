package issuer

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"time"
)

// The grants of the token endpoint.
const (
	grantPassword = "password"
	grantRefresh  = "refresh_token"
	grantClient   = "client_credentials"
)

const metadataAge = time.Hour

// serverMetadata is RFC 8414 §2.
type serverMetadata struct {
	Issuer               string   `json:"issuer"`
	TokenEndpoint        string   `json:"token_endpoint"`
	JWKSURI              string   `json:"jwks_uri"`
	RevocationEndpoint   string   `json:"revocation_endpoint"`
	IntrospectEndpoint   string   `json:"introspection_endpoint"`
	ResponseTypes        []string `json:"response_types_supported"`
	GrantTypes           []string `json:"grant_types_supported"`
	TokenAuth            []string `json:"token_endpoint_auth_methods_supported"`
	RevocationAuth       []string `json:"revocation_endpoint_auth_methods_supported"`
	IntrospectAuth       []string `json:"introspection_endpoint_auth_methods_supported"`
	DPoPAlgorithms       []string `json:"dpop_signing_alg_values_supported"`
	CertificateBound     bool     `json:"tls_client_certificate_bound_access_tokens"`
	AccessTokenAlgorithm []string `json:"access_token_signing_alg_values_supported"`
}

func metadataDocument(cfg *Config) []byte {
	auth := []string{"client_secret_basic", "client_secret_post"}
	doc, err := json.Marshal(serverMetadata{
		Issuer:               cfg.URL,
		TokenEndpoint:        cfg.URL + pathToken,
		JWKSURI:              cfg.URL + pathJWKS,
		RevocationEndpoint:   cfg.URL + pathRevoke,
		IntrospectEndpoint:   cfg.URL + pathIntrospect,
		ResponseTypes:        []string{},
		GrantTypes:           []string{grantPassword, grantRefresh, grantClient},
		TokenAuth:            append(auth, "none"),
		RevocationAuth:       append(auth, "none"),
		IntrospectAuth:       auth,
		DPoPAlgorithms:       proofAlgorithms,
		CertificateBound:     true,
		AccessTokenAlgorithm: []string{cfg.Algorithm},
	})
	if err != nil {
		panic("issuer: metadata of plain strings always encodes: " + err.Error())
	}
	return doc
}

// metadataTag names the document for caches.
func metadataTag(doc []byte) string {
	sum := sha256.Sum256(doc)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}

// metadata answers GET /.well-known/oauth-authorization-server (RFC 8414 §3).
func (c *call) metadata() *failure {
	return c.cacheable(c.Issuer.metadata, metadataTag(c.Issuer.metadata), metadataAge)
}
