package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// maxSource bounds the files of a commit, in bytes in all.
const maxSource = 1 << 30

// exitError is an error with an exit code of its own.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// page is where the newest table is published, and builtFrom the line of it that
// names the commit, as machine.lines writes it.
const page = "docs/performance.md"

var builtFrom = regexp.MustCompile(`(?m)^- built from: (\S+?)(-dirty)?$`)

// baseCommit is what the tree of the repository at source is compared with:
// asked, or the last tag, or where nothing is tagged yet the commit that the page
// was measured from. Without any it fails with exit code 2.
func baseCommit(source, asked string) (string, error) {
	if asked != "" {
		return revision(source, asked)
	}
	tag, err := exec.Command("git", "-C", source, "describe", "--tags", "--abbrev=0").CombinedOutput()
	if err == nil {
		return strings.TrimSpace(string(tag)), nil
	}
	text, _ := os.ReadFile(filepath.Join(source, filepath.FromSlash(page))) // without it nothing is found in it
	if m := builtFrom.FindSubmatch(text); m != nil {
		if commit, err := revision(source, string(m[1])); err == nil {
			return commit, nil
		}
	}
	return "", &exitError{2, fmt.Errorf("no tag to compare with (git: %s), and %s names no commit that is here; name one: make bench-check BASE=COMMIT",
		strings.TrimSpace(string(tag)), page)}
}

// revision is a commit by its short hash.
func revision(source, asked string) (string, error) {
	// Behind --end-of-options a name is no option, whatever it begins with.
	out, err := exec.Command("git", "-C", source, "rev-parse", "--short", "--verify", "--end-of-options", asked+"^{commit}").CombinedOutput()
	if err != nil {
		return "", &exitError{2, fmt.Errorf("no commit %q to compare with: %s", asked, strings.TrimSpace(string(out)))}
	}
	// Newer versions of git repeat --end-of-options.
	return lastLine(string(out)), nil
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

// unpackCommit writes the files of a commit of the repository at source to dir.
// Nothing of the repository changes.
func unpackCommit(source, commit, dir string) error {
	cmd := exec.Command("git", "-C", source, "archive", "--format=tar", commit)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("read commit %s: %w", commit, err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("read commit %s: %w", commit, err)
	}
	err = untar(io.LimitReader(out, maxSource), dir)
	_, _ = io.Copy(io.Discard, out) // so that git can end
	if waited := cmd.Wait(); waited != nil {
		err = errors.Join(err, fmt.Errorf("%w: %s", waited, strings.TrimSpace(said.String())))
	}
	if err != nil {
		return fmt.Errorf("read commit %s: %w", commit, err)
	}
	return nil
}

// untar writes folders and files; links, which the sources do not need, stay out.
func untar(r io.Reader, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir) // nothing gets out of dir
	if err != nil {
		return err
	}
	defer root.Close()
	for in := tar.NewReader(r); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch h.Typeflag {
		case tar.TypeDir:
			err = root.MkdirAll(filepath.Clean(h.Name), 0o700)
		case tar.TypeReg:
			err = writeInto(root, filepath.Clean(h.Name), in)
		}
		if err != nil {
			return err
		}
	}
}

func writeInto(root *os.Root, name string, r io.Reader) error {
	if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}
