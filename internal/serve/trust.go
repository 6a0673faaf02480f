package serve

import (
	"fmt"
	"path/filepath"
)

// TrustHint says how to make this machine's programs believe the development CA
// in dir, with the origin that is served, as https://localhost:8443, for an
// example. It reads nothing.
func TrustHint(dir, origin string) string {
	ca := filepath.Join(dir, devCertFile)
	if abs, err := filepath.Abs(ca); err == nil {
		ca = abs
	}
	return fmt.Sprintf(`The certificate comes from a development CA of this machine: %[1]s
It can vouch for the configured hosts and nothing else. To trust it:
  curl            curl --cacert '%[1]s' %[2]s/
  Python          export SSL_CERT_FILE='%[1]s' REQUESTS_CA_BUNDLE='%[1]s'
  Node            export NODE_EXTRA_CA_CERTS='%[1]s'
  Debian, Ubuntu  sudo cp '%[1]s' /usr/local/share/ca-certificates/wiretight-dev.crt && sudo update-ca-certificates
  macOS           sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain '%[1]s'
`, ca, origin)
}
