package proxies_test

import (
	"os"
	"os/exec"
	"testing"
)

// aroundNginx is what Debian's nginx.conf is around conf.d, but for a test's own
// places.
const aroundNginx = `daemon off;
pid nginx.pid;
error_log stderr warn;
worker_processes 1;
events {}
http {
    client_body_temp_path body;
    proxy_temp_path       proxy;
    fastcgi_temp_path     fastcgi;
    uwsgi_temp_path       uwsgi;
    scgi_temp_path        scgi;
    include api.conf;
}
`

func TestNginx(t *testing.T) {
	t.Parallel()
	b := newBed(t, "nginx", []string{"api.conf"})
	b.write("nginx.conf", []byte(aroundNginx))
	b.try(t, proxy{own: map[string]int{"two tokens": 400}, ownPaths: true, oneChallenge: true}, find("nginx"), "-p", b.dir, "-c", b.path("nginx.conf"))
}

// find looks for a program where Debian has it, which is not in everybody's PATH.
func find(name string) string {
	if found, err := exec.LookPath(name); err == nil {
		return found
	}
	if _, err := os.Stat("/usr/sbin/" + name); err == nil {
		return "/usr/sbin/" + name
	}
	return name
}
