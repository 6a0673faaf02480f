package catalog

// Settings of servers that several entries share. The Python below makes the
// server; app is the application.
const (
	uvicornTLS = `import ssl

import uvicorn

if __name__ == "__main__":
    config = uvicorn.Config(
        app, host="0.0.0.0", port=8443, ssl_certfile="fullchain.pem", ssl_keyfile="privkey.pem"
    )
    config.load()
    config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    config.ssl.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    uvicorn.Server(config).run()
`
	nginxTLS = `ssl_certificate     fullchain.pem;   # the server's own first, then intermediates
ssl_certificate_key privkey.pem;
ssl_protocols       TLSv1.2 TLSv1.3;
ssl_ciphers         ECDHE+AESGCM:ECDHE+CHACHA20;
ssl_early_data      off;
`
	goTLS = `cfg := &tls.Config{MinVersion: tls.VersionTLS12}
srv := &http.Server{Addr: ":8443", Handler: mux, TLSConfig: cfg, ReadHeaderTimeout: 10 * time.Second}
log.Fatal(srv.ListenAndServeTLS("fullchain.pem", "privkey.pem"))
`
	expressTLS = `https.createServer({
  cert: fs.readFileSync("fullchain.pem"),
  key: fs.readFileSync("privkey.pem"),
  minVersion: "TLSv1.2",
  ciphers: "ECDHE+AESGCM:ECDHE+CHACHA20",
}, app).listen(8443);
`
	springTLS = `server.ssl.enabled-protocols=TLSv1.2,TLSv1.3
server.ssl.ciphers=TLS_AES_128_GCM_SHA256,TLS_AES_256_GCM_SHA384,TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
`
	certbot = `certbot certonly --standalone -d api.example.com --key-type ecdsa
`
	newKeyAndRequest = `openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout privkey.pem \
  -subj / -addext subjectAltName=DNS:api.example.com -out request.csr
`
)

// served is the fix by settings of TLS, in words for all and code for each.
func served(text string) map[string]Remediation {
	return map[string]Remediation{
		"":        {Text: text, Code: nginxTLS, Language: "nginx"},
		"FastAPI": {Text: text + " Where uvicorn ends TLS itself, start it like this; behind a proxy, set it there.", Code: uvicornTLS, Language: "python"},
		"Express": {Text: text, Code: expressTLS, Language: "javascript"},
		"Spring":  {Text: text, Code: springTLS, Language: "properties"},
		"Go":      {Text: text + " Leave CipherSuites unset: the defaults are right.", Code: goTLS, Language: "go"},
		"nginx":   {Text: text, Code: nginxTLS, Language: "nginx"},
	}
}

// certified is the fix by another certificate.
func certified(text, code string) map[string]Remediation {
	return map[string]Remediation{
		"":        {Text: text, Code: code, Language: "sh"},
		"FastAPI": {Text: text + " Then give both files to uvicorn, or to the proxy that ends TLS.", Code: uvicornTLS, Language: "python"},
		"nginx":   {Text: text, Code: nginxTLS, Language: "nginx"},
	}
}

var tlsEntries = []Entry{
	{
		ID: "tls.cert-untrusted", Severity: High, CWE: []string{"CWE-295"}, Needs: NeedsNothing,
		Title: "The certificate chain does not lead to a trusted root",
		Why: "Clients either refuse, or have been told not to verify. The latter talk to anybody who answers, and hand their tokens over: " +
			"a certificate that nobody vouches for can be made by an attacker just as well.",
		How: "Makes a handshake without verifying and judges the chain against the system's roots and those of --ca: self-signed, an intermediate that is not sent, an unknown root. " +
			"Missing intermediates are not fetched, since many clients do not either. Sent certificates may be in any order. A second certificate of another key type is judged too.",
		Fix:        certified("Get a certificate from a public authority, or from your own and give its root to the clients. Send the intermediates along.", certbot),
		Guard:      "tls.certificates",
		References: []string{"https://www.rfc-editor.org/rfc/rfc5280#section-6", "https://www.rfc-editor.org/rfc/rfc8446#section-4.4.2", cwePage + "295.html"},
	},
	{
		ID: "tls.cert-expired", Severity: High, CWE: []string{"CWE-298"}, Needs: NeedsNothing,
		Title: "The certificate is expired or not yet valid",
		Why: "Strict clients stop working, and people learn to click the warning away or to turn verification off. " +
			"Revocation is no longer tracked for an expired certificate: a stolen key stays usable against those who ignore the date.",
		How: "Compares the validity of the server's certificate, and of intermediates that a path needs, with the clock, five minutes either way. " +
			"An expired certificate that was sent along and that no path needs is none.",
		Fix:        certified("Renew the certificate, and let a timer do it from now on.", "certbot renew --deploy-hook \"systemctl reload nginx\"\n"),
		Guard:      "tls.acme",
		GuardNote:  "With acme the guard renews by itself; certificate files are read again when they change.",
		References: []string{"https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.5", cwePage + "298.html"},
	},
	{
		ID: "tls.cert-name-mismatch", Severity: High, CWE: []string{"CWE-297"}, Needs: NeedsNothing,
		Title: "The certificate does not cover the host name",
		Why:   "A client that accepts a certificate for another name accepts that of an attacker, who has one for a name of his own.",
		How: "Asks for the scanned name and compares it with the subjectAltName: whole names, a wild first label, addresses. The common name does not count, as for browsers. " +
			"What is shown to clients that name nobody does not matter. To scan by address, give the name in the URL and the address by --resolve.",
		Fix:        certified("Get a certificate with every name of the API as subjectAltName.", newKeyAndRequest),
		Guard:      "tls.certificates",
		References: []string{"https://www.rfc-editor.org/rfc/rfc9525#section-6", cwePage + "297.html"},
	},
	{
		ID: "tls.cert-expiring", Severity: Low, CWE: []string{"CWE-298"}, Needs: NeedsNothing,
		Title:      "The certificate expires within 14 days",
		Why:        "A renewal that should have happened has not. In a few days clients stop working, or are told not to verify.",
		How:        "Less than 14 days are left, or less than a sixth of the life of a certificate made for 90 days or less, which renews later by design.",
		Fix:        certified("Renew now, and look why the timer has not.", "certbot renew --dry-run && systemctl list-timers certbot.timer\n"),
		Guard:      "tls.acme",
		GuardNote:  "With acme the guard renews by itself; certificate files are read again when they change.",
		References: []string{"https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.5", cwePage + "298.html"},
	},
	{
		ID: "tls.cert-weak-key", Severity: High, CWE: []string{"CWE-326"}, Needs: NeedsNothing,
		Title: "The certificate key is weaker than RSA 2048 or a 224-bit curve",
		Why:   "Who computes the private key is the server, for every client, and reads what was recorded before if it had no forward secrecy.",
		How: "Reads the keys by hand, since libraries refuse some that most need to be seen: RSA and DSA under 2048 bits, curves under 224, an RSA exponent that is even or under 3. " +
			"Of a trusted chain only certificates on the path count.",
		Fix:        certified("Make a new key, P-256 or RSA 2048 and more, and have it certified. Revoke the old certificate.", newKeyAndRequest),
		Guard:      "tls.certificates",
		References: []string{rfc9325 + "#section-4.5", "https://csrc.nist.gov/pubs/sp/800/57/pt1/r5/final", cwePage + "326.html"},
	},
	{
		ID: "tls.cert-weak-signature", Severity: High, CWE: []string{"CWE-328"}, Needs: NeedsNothing,
		Title:      "A certificate in the chain is signed with MD5 or SHA-1",
		Why:        "Two certificates with the same digest can be made, one harmless to be signed, one for a name that is not the attacker's. Clients have stopped accepting such signatures.",
		How:        "Looks at each certificate on the path but the root, whose signature of itself proves nothing.",
		Fix:        certified("Have the certificate issued again with SHA-256, by an authority whose intermediates are too.", newKeyAndRequest),
		Guard:      "tls.certificates",
		References: []string{"https://www.rfc-editor.org/rfc/rfc9155", "https://shattered.io/", cwePage + "328.html"},
	},
	{
		ID: "tls.legacy-protocol", Severity: High, CWE: []string{"CWE-326"}, Needs: NeedsNothing,
		Title: "SSL 2, SSL 3, TLS 1.0 or TLS 1.1 is accepted",
		Why: "An attacker talks both sides down to the weakest version that both know. SSL 2 and 3 are broken outright (DROWN, POODLE); TLS 1.0 and 1.1 rest on MD5 and SHA-1 " +
			"and have been retired.",
		How: "Offers each version by itself in a hello of its own; the server's hello of just that version is the finding. An alert, a closed connection or silence is a refusal. " +
			"TLS 1.0 and 1.1 alone are of medium severity.",
		Fix:        served("Speak TLS 1.2 and 1.3 only."),
		Guard:      "tls.min_version",
		References: []string{"https://www.rfc-editor.org/rfc/rfc8996", "https://www.rfc-editor.org/rfc/rfc7568", "https://nvd.nist.gov/vuln/detail/CVE-2014-3566", "https://nvd.nist.gov/vuln/detail/CVE-2016-0800", cwePage + "326.html"},
	},
	{
		ID: "tls.weak-cipher", Severity: High, CWE: []string{"CWE-327"}, Needs: NeedsNothing,
		Title: "A NULL, anonymous, EXPORT, DES, 3DES, RC4 or MD5 cipher suite is accepted",
		Why: "These suites do not encrypt, do not say who is there, or can be broken within hours or days of traffic. That better ones are preferred does not help " +
			"where an attacker chooses what is offered.",
		How: "Offers the weak suites of each version alone and sees whether the server takes one; no handshake is finished. Groups of finite-field Diffie-Hellman under 2048 bits count, too. " +
			"A server that answers with a suite that was not offered has refused.",
		Fix:        served("Allow AEAD suites with ephemeral keys only."),
		GuardNote:  "The guard closes it without being told: it has no such suites.",
		References: []string{rfc9325 + "#section-4.2", "https://www.rfc-editor.org/rfc/rfc7465", "https://sweet32.info/", "https://weakdh.org/", cwePage + "327.html"},
	},
	{
		ID: "tls.no-forward-secrecy", Severity: Medium, CWE: []string{"CWE-327"}, Needs: NeedsNothing,
		Title:      "A key exchange without forward secrecy is accepted",
		Why:        "Who records the traffic and gets the server's key years later, from a backup or by a court, reads all of it. The same exchange is where Bleichenbacher's attack and its heirs live.",
		How:        "Offers suites with static RSA, DH or ECDH key exchange alone. Suites of TLS 1.3 always have forward secrecy; CBC with an ephemeral exchange is not meant.",
		Fix:        served("Allow ephemeral key exchange (ECDHE) only."),
		GuardNote:  "The guard closes it without being told: it has no such key exchange.",
		References: []string{rfc9325 + "#section-4.1", "https://robotattack.org/", cwePage + "327.html"},
	},
	{
		ID: "tls.no-tls13", Severity: Low, CWE: []string{"CWE-326"}, Needs: NeedsNothing,
		Title:      "TLS 1.3 is not offered",
		Why:        "TLS 1.2 can be configured well, but leaves much to get wrong, shows the certificate to everybody on the path and takes a round trip longer.",
		How:        "Offers TLS 1.3 alone. Some load balancers leave it out by policy.",
		Fix:        served("Allow TLS 1.3; with OpenSSL 1.1.1 and later it is a matter of configuration."),
		GuardNote:  "The guard closes it without being told: it speaks TLS 1.3.",
		References: []string{"https://www.rfc-editor.org/rfc/rfc8446", rfc9325 + "#section-3.1.1", cwePage + "326.html"},
	},
	{
		ID: "tls.downgrade-unprotected", Severity: Medium, CWE: []string{"CWE-757"}, Needs: NeedsNothing,
		Title: "A fallback to a lower protocol version is accepted without TLS_FALLBACK_SCSV",
		Why:   "Clients try again with an older version when a handshake breaks off. An attacker who breaks handshakes chooses their version, and the server does not object.",
		How: "Sends a hello one version below the newest up to TLS 1.2, marked as a fallback; an answer to it is the finding. It does not apply where one such version is all there is. " +
			"From TLS 1.3 down the mark in the server's random protects; where it lacks the finding is low.",
		Fix:        served("Speak TLS 1.2 and 1.3 only, so that there is nothing to fall back to, and update the TLS library."),
		Guard:      "tls.min_version",
		References: []string{"https://www.rfc-editor.org/rfc/rfc7507", "https://www.rfc-editor.org/rfc/rfc8446#section-4.1.3", cwePage + "757.html"},
	},
	{
		ID: "tls.insecure-renegotiation", Severity: Medium, CWE: []string{"CWE-757"}, Needs: NeedsNothing,
		Title: "Secure renegotiation (RFC 5746) is not supported",
		Why:   "An attacker begins a connection, sends half a request and lets the victim's handshake continue it: the server takes both for one, with the victim's token in it.",
		How: "Looks for renegotiation_info in the server's hello up to TLS 1.2. Whether clients may start a renegotiation is another question and is not asked. " +
			"A server of TLS 1.3 alone has none.",
		Fix:        served("Update the TLS library: every one since 2010 has it, unless it was turned off."),
		GuardNote:  "The guard closes it without being told: it supports RFC 5746 and never renegotiates.",
		References: []string{"https://www.rfc-editor.org/rfc/rfc5746", "https://nvd.nist.gov/vuln/detail/CVE-2009-3555", cwePage + "757.html"},
	},
	{
		ID: "tls.early-data", Severity: Medium, CWE: []string{"CWE-294"}, Needs: NeedsNothing,
		Title: "TLS 1.3 early data is accepted for requests that carry credentials",
		Why: "What comes before the end of the handshake can be recorded and sent again by anybody on the path. A payment, or whatever the token permits, happens as often as the attacker likes, " +
			"without his ever reading the token.",
		How: "Takes a session ticket that allows early data and sends a GET with a credential in it: the genuine token on loopback, a made-up one elsewhere. " +
			"An answer before the end of the handshake is the finding, a 401 with medium confidence. 425 Too Early and a server that waits pass.",
		Fix: map[string]Remediation{
			"": {Text: "Turn early data off, or answer 425 Too Early to every request in it that has a credential.", Code: "ssl_early_data off;\n", Language: "nginx"},
			"FastAPI": {Text: "Where a proxy accepts early data, it marks such requests; answer 425 and the client sends them again.", Code: `from fastapi import Request
from fastapi.responses import JSONResponse


@app.middleware("http")
async def too_early(request: Request, call_next):
    if request.headers.get("early-data") == "1":
        return JSONResponse({"detail": "Too early"}, status_code=425)
    return await call_next(request)
`, Language: "python"},
			"Go":    {Text: "crypto/tls accepts no early data over TCP; look at the proxy before it.", Code: goTLS, Language: "go"},
			"nginx": {Text: "Turn it off, or tell the application and let it answer 425.", Code: "ssl_early_data off;\n# or: ssl_early_data on; proxy_set_header Early-Data $ssl_early_data;\n", Language: "nginx"},
		},
		GuardNote:  "The guard closes it without being told: it never accepts early data.",
		References: []string{"https://www.rfc-editor.org/rfc/rfc8470", "https://www.rfc-editor.org/rfc/rfc8446#section-8", cwePage + "294.html"},
	},
}
