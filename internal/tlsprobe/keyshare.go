package tlsprobe

import (
	"crypto/ecdh"
	"crypto/mlkem"
	"crypto/rand"
	"fmt"
)

// Groups of TLS 1.3 that can be spoken to the end.
const (
	groupP256      = 23
	groupP384      = 24
	groupP521      = 25
	groupX25519    = 29
	groupX25519KEM = 4588 // X25519MLKEM768
)

// The groups that are named, and those for which a share goes along at once.
// The hybrid's share is large, so a server that wants it has to ask.
var (
	namedGroups13 = []uint16{groupX25519, groupP256, groupP384, groupP521, groupX25519KEM}
	firstShares13 = []uint16{groupX25519, groupP256, groupP384}
)

// keyPair is the private side of a KeyShare.
type keyPair struct {
	ec  *ecdh.PrivateKey
	kem *mlkem.DecapsulationKey768
}

func curveOf(group uint16) ecdh.Curve {
	switch group {
	case groupP256:
		return ecdh.P256()
	case groupP384:
		return ecdh.P384()
	case groupP521:
		return ecdh.P521()
	case groupX25519, groupX25519KEM:
		return ecdh.X25519()
	}
	return nil
}

// newKeyPair makes a key of group and the share that shows it.
func newKeyPair(group uint16) (keyPair, KeyShare, error) {
	curve := curveOf(group)
	if curve == nil {
		return keyPair{}, KeyShare{}, malformed("the server wants group %d, which was not offered", group)
	}
	ec, err := curve.GenerateKey(rand.Reader)
	if err != nil {
		return keyPair{}, KeyShare{}, fmt.Errorf("make key of group %d: %w", group, err)
	}
	pair, share := keyPair{ec: ec}, KeyShare{group, ec.PublicKey().Bytes()}
	if group == groupX25519KEM {
		if pair.kem, err = mlkem.GenerateKey768(); err != nil {
			return keyPair{}, KeyShare{}, fmt.Errorf("make key of group %d: %w", group, err)
		}
		share.Data = append(pair.kem.EncapsulationKey().Bytes(), share.Data...)
	}
	return pair, share, nil
}

// shared is the secret that the peer's share makes with the pair.
func (k keyPair) shared(share []byte) ([]byte, error) {
	var first []byte
	if k.kem != nil {
		if len(share) < mlkem.CiphertextSize768 {
			return nil, malformed("the server's key share is too short")
		}
		var err error
		if first, err = k.kem.Decapsulate(share[:mlkem.CiphertextSize768]); err != nil {
			return nil, malformed("the server's key share is invalid")
		}
		share = share[mlkem.CiphertextSize768:]
	}
	peer, err := k.ec.Curve().NewPublicKey(share)
	if err != nil {
		return nil, malformed("the server's key share is invalid")
	}
	secret, err := k.ec.ECDH(peer)
	if err != nil {
		return nil, malformed("the server's key share is invalid")
	}
	return append(first, secret...), nil
}
