package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// apacheModules is where Debian keeps them; those used, by name.
const apacheModules = "/usr/lib/apache2/modules"

const apacheLoaded = "mpm_event authn_core authz_core authz_user socache_shmcb ssl http2 proxy proxy_http auth_openidc"

const apacheConfig = `ServerRoot %[1]s
DefaultRuntimeDir %[1]s
PidFile %[1]s/apache.pid
ServerName localhost
%[2]s
Listen %[3]s
User www-data
Group www-data
ServerLimit 8
StartServers 2
ThreadsPerChild 64
MaxRequestWorkers 512
MaxConnectionsPerChild 0
ErrorLog /dev/stderr
LogLevel crit
%[4]s
KeepAlive On
KeepAliveTimeout 600
MaxKeepAliveRequests 0
Protocols h2 http/1.1
SSLEngine on
SSLProtocol -all +TLSv1.2 +TLSv1.3
SSLCertificateFile %[5]s
SSLCertificateKeyFile %[6]s
OIDCOAuthAcceptTokenAs header
OIDCOAuthRemoteUserClaim sub
%[7]s
ProxyPass / http://%[8]s/
<Location />
	AuthType oauth20
	<RequireAll>
		Require claim iss:%[9]s
		Require claim aud:%[10]s
	</RequireAll>
</Location>
`

// apacheOIDC is Apache with mod_auth_openidc as a resource server that has the
// key at hand, and by hand the claim rules that it leaves to its user: iss and
// aud. Local keys are RSA certificates or shared secrets. Its children end now
// and then by a segmentation fault while many ask at once; what that costs their
// clients is counted as wrong answers.
func apacheOIDC(s setup) ([]string, error) {
	key := fmt.Sprintf("OIDCOAuthVerifyCertFiles %s#%s", s.verifier.kid, s.verifier.cert)
	if s.alg == "HS256" {
		secret, err := os.ReadFile(s.verifier.secret)
		if err != nil {
			return nil, fmt.Errorf("read secret: %w", err)
		}
		key = fmt.Sprintf("OIDCOAuthVerifySharedKeys plain#%s#%s", s.verifier.kid, secret)
	}
	load, log := "", ""
	for name := range strings.FieldsSeq(apacheLoaded) {
		load += fmt.Sprintf("LoadModule %s_module %s/mod_%s.so\n", name, apacheModules, name)
	}
	if s.accessLog {
		log = `CustomLog /dev/stderr "%h %l %u %t \"%r\" %>s %b"`
	}
	file := filepath.Join(s.dir, "apache.conf")
	text := fmt.Appendf(nil, apacheConfig, s.dir, load, s.listen, log, s.cert.cert, s.cert.key, key,
		s.upstream, issuer, audience)
	return []string{"-D", "FOREGROUND", "-f", file}, writeFile(file, text)
}
