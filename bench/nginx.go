package main

import (
	"fmt"
	"path/filepath"
)

const nginxProxyConfig = `daemon off;
worker_processes auto;
error_log stderr crit;
pid %[1]s/nginx.pid;
events { worker_connections 8192; }
http {
	%[2]s
	keepalive_timeout 600s;
	keepalive_requests 1000000000;
	large_client_header_buffers 8 16k;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	upstream app {
		server %[3]s;
		keepalive 256;
		keepalive_requests 1000000000;
	}
	server {
		listen %[4]s ssl http2;
		ssl_certificate %[5]s;
		ssl_certificate_key %[6]s;
		ssl_protocols TLSv1.2 TLSv1.3;
		location / {
			proxy_pass http://app;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Host $host;
		}
	}
}
`

// nginxPlain is nginx as a TLS proxy with a pool of upstream connections, a
// worker a processor, and nothing else.
func nginxPlain(s setup) ([]string, error) {
	log := "access_log off;"
	if s.accessLog {
		log = "access_log /dev/stderr combined;"
	}
	file := filepath.Join(s.dir, "nginx.conf")
	text := fmt.Appendf(nil, nginxProxyConfig, s.dir, log, s.upstream, s.listen, s.cert.cert, s.cert.key)
	return []string{"-e", "stderr", "-p", s.dir, "-c", file}, writeFile(file, text)
}
