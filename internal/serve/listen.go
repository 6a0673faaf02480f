package serve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const unixScheme = "unix://"

// listen opens host:port or unix:///path.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	if path, ok := strings.CutPrefix(addr, unixScheme); ok {
		return listenUnix(ctx, path)
	}
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return nil, fmt.Errorf("listen on %q: %w; write host:port, :port or unix:///path", addr, err)
	}
	var lc net.ListenConfig
	lc.SetMultipathTCP(false) // its sockets know nothing of what boundStalls asks for
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err == nil {
		return ln, nil
	}
	return nil, fmt.Errorf("listen on %q: %w%s", addr, err, hint(addr, err))
}

// hint says what to do about an address that cannot be had.
func hint(addr string, err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		if who := holder(addr); who != "" {
			return "; it is held by " + who
		}
		return "; find what holds it with: ss -ltnp"
	case errors.Is(err, syscall.EACCES):
		return "; a port below 1024 needs the capability CAP_NET_BIND_SERVICE"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "; no interface of this machine has that address"
	}
	return ""
}

// unixListener removes its socket when it closes.
type unixListener struct {
	net.Listener
	path   string
	remove sync.Once
}

func (l *unixListener) Close() error {
	err := l.Listener.Close()
	l.remove.Do(func() { _ = os.Remove(l.path) })
	return err
}

// listenUnix makes the socket in a directory that nobody else may enter, gives
// it mode 0600, and only then moves it to its place: at no time may others
// connect. A socket that a killed process left behind is replaced.
func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	if err := vacant(ctx, path); err != nil {
		return nil, fmt.Errorf("listen on %q: %w", unixScheme+path, err)
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".s")
	if err != nil {
		return nil, fmt.Errorf("make a place for socket %q: %w", path, err)
	}
	defer os.RemoveAll(dir)
	made := filepath.Join(dir, "s")
	ln, err := (&net.ListenConfig{}).Listen(ctx, "unix", made)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: %w; socket paths are limited to about 100 bytes", unixScheme+path, err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(made, 0o600), os.Rename(made, path)); err != nil {
		_ = ln.Close()
		return nil, fmt.Errorf("put socket at %q: %w", path, err)
	}
	return &unixListener{Listener: ln, path: path}, nil
}

// vacant makes sure that nothing answers at path, and that only a socket can
// be lost by replacing it.
func vacant(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&fs.ModeSocket == 0:
		return errors.New("a file that is not a socket stands there; remove it or choose another path")
	}
	d := net.Dialer{Timeout: time.Second}
	c, err := d.DialContext(ctx, "unix", path)
	if err == nil {
		_ = c.Close()
		return errors.New("another process answers there; stop it first")
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("ask who answers there: %w", err)
	}
	return nil
}
