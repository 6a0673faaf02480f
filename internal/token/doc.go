// Package token reads, judges and makes signed JSON Web Tokens for the guard,
// the issuer and whoever inspects a token. It knows one form only, compact JWS
// (RFC 7515 §3.1), and reads it more strictly than the standards ask: whatever
// two readers could understand differently is refused.
//
// The package computes. It does no I/O, keeps no state beyond its values, and
// never asks the clock: the time is always an argument.
package token
