package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
)

// answer is what the upstream says to every request: 200 bytes of JSON.
var answer = `{"items":["` + strings.Repeat("x", 200-len(`{"items":[""]}`)) + `"]}`

const nginxConfig = `daemon off;
master_process off;
worker_processes 1;
error_log stderr crit;
pid %[1]s/nginx.pid;
events { worker_connections 8192; }
http {
	access_log off;
	keepalive_timeout 600s;
	keepalive_requests 1000000000;
	large_client_header_buffers 8 16k;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	server {
		listen %[2]s;
		default_type application/json;
		location / { return 200 '%[3]s'; }
	}
}
`

// startUpstream runs nginx with one worker and returns its address.
func startUpstream(ctx context.Context, dir string) (*process, string, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, "", err
	}
	file := filepath.Join(dir, "nginx.conf")
	if err := writeFile(file, fmt.Appendf(nil, nginxConfig, dir, addr, answer)); err != nil {
		return nil, "", err
	}
	bin, err := find("nginx", "nginx")
	if err != nil {
		return nil, "", err
	}
	p, err := startProcess(ctx, addr, "", nil, bin, "-e", "stderr", "-p", dir, "-c", file)
	return p, addr, err
}
