package main

// mends says for each line of the check what to write in which proxy.
var mends = map[string][][2]string{
	"the question": {
		{"nginx", "auth_request /authorize; in every location, and an internal location /authorize"},
		{"Caddy", "forward_auth 127.0.0.1:9181 { uri /authorize } before reverse_proxy"},
		{"HAProxy", "ask in http-request, before use_backend, in every frontend"},
		{"Traefik", "add the forwardAuth middleware to the router"},
		{"Envoy", "envoy.filters.http.ext_authz before envoy.filters.http.router, once"},
	},
	"trusted_peers": {
		{"all", "authorizer: {trusted_peers: [the network of the proxy]}"},
		{"Envoy", "authorizer: {trusted_peers: [the network of Envoy]}"},
	},
	"X-Forwarded-Method": {
		{"nginx", "proxy_set_header X-Forwarded-Method $request_method;"},
		{"Caddy", "forward_auth sets it; else header_up X-Forwarded-Method {method}"},
		{"HAProxy", "http-request set-header X-Forwarded-Method %[method]"},
		{"Traefik", "trustForwardHeader: false"},
		{"Envoy", "no filter before ext_authz may change the method"},
	},
	"X-Forwarded-Proto": {
		{"nginx", "proxy_set_header X-Forwarded-Proto $scheme;"},
		{"Caddy", "reverse_proxy sets it; leave trusted_proxies empty"},
		{"HAProxy", "http-request set-header X-Forwarded-Proto https if { ssl_fc }"},
		{"Traefik", "trustForwardHeader: false"},
		{"Envoy", "use_remote_address: true"},
	},
	"X-Forwarded-Host": {
		{"nginx", "proxy_set_header X-Forwarded-Host $http_host;"},
		{"Caddy", "reverse_proxy sets it; leave trusted_proxies empty"},
		{"HAProxy", "http-request set-header X-Forwarded-Host %[req.hdr(host)]"},
		{"Traefik", "trustForwardHeader: false"},
		{"Envoy", "no filter before ext_authz may change the host; strip_any_host_port: false"},
	},
	"X-Forwarded-Uri": {
		{"nginx", "proxy_set_header X-Forwarded-Uri $request_uri;"},
		{"Caddy", "forward_auth sets it; else header_up X-Forwarded-Uri {uri}"},
		{"HAProxy", "http-request set-header X-Forwarded-Uri %[pathq]"},
		{"Traefik", "no middleware that changes the path before forwardAuth; trustForwardHeader: false"},
		{"Envoy", "no filter before ext_authz may change the path"},
	},
	"X-Forwarded-For": {
		{"nginx", "proxy_set_header X-Forwarded-For $remote_addr;"},
		{"Caddy", "reverse_proxy sets it; leave trusted_proxies empty"},
		{"HAProxy", "http-request set-header X-Forwarded-For %[src]"},
		{"Traefik", "trustForwardHeader: false"},
		{"Envoy", "use_remote_address: true"},
	},
	"Authorization":                 passing,
	"Dpop":                          passing,
	"Cookie":                        passing,
	"Origin":                        passing,
	"Sec-Fetch-Site":                passing,
	"Access-Control-Request-Method": passing,
	"Sec-Websocket-Key":             passing,
	"refusals":                      answering,
	"Retry-After":                   answering,
	"identity headers": {
		{"nginx", "auth_request_set and proxy_set_header for all eight; underscores_in_headers off;"},
		{"Caddy", "copy_headers all eight, and request_header -X_* before"},
		{"HAProxy", "http-request del-header for all eight and their forms with _, then set-header"},
		{"Traefik", "authResponseHeaders: all eight"},
		{"Envoy", "leave ext_authz's header mutations on; headers_with_underscores_action: REJECT_REQUEST"},
	},
}

var passing = [][2]string{
	{"nginx", "proxy_pass_request_headers on; and no proxy_set_header that empties it"},
	{"Caddy", "no header_up that removes it"},
	{"HAProxy", "pass all request headers to the authorizer"},
	{"Traefik", "leave authRequestHeaders empty, which passes all"},
	{"Envoy", "leave allowed_headers and disallowed_headers empty, which passes all"},
}

var answering = [][2]string{
	{"nginx", "ask at /authorize/nginx, and answer from error_page 401 403 = @refused by X-Wiretight-Status"},
	{"Caddy", "use forward_auth, which passes refusals on whole"},
	{"HAProxy", "http-request return status, headers and body of the authorizer's answer"},
	{"Traefik", "no errors middleware before forwardAuth"},
	{"Envoy", "no local_reply_config that rewrites refusals"},
}
