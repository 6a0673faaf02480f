package serve

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// putNew writes a file that appears whole or not at all, and never takes the
// place of another: then the error is fs.ErrExist.
func putNew(path string, data []byte, mode fs.FileMode) error {
	tmp, err := draft(path, data, mode)
	if err != nil {
		return err
	}
	defer os.Remove(tmp)
	if err := os.Link(tmp, path); err != nil {
		return fmt.Errorf("write file %q: %w", path, err)
	}
	return nil
}

// putOver is putNew for files that may be replaced.
func putOver(path string, data []byte, mode fs.FileMode) error {
	tmp, err := draft(path, data, mode)
	if err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		_ = os.Remove(tmp)
		return fmt.Errorf("write file %q: %w", path, err)
	}
	return nil
}

// draft writes data, down to the disk, to a new file beside path.
func draft(path string, data []byte, mode fs.FileMode) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".draft-")
	if err != nil {
		return "", fmt.Errorf("write file %q: %w", path, err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		_ = os.Remove(f.Name())
		return "", fmt.Errorf("write file %q: %w", path, err)
	}
	return f.Name(), nil
}
