package main

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wiretight/wiretight/internal/redact"
	"github.com/wiretight/wiretight/scan"
)

const (
	maxTokenFile   = 64 << 10
	maxSpecFile    = 8<<20 + 1
	maxCertificate = 4 << 20
)

// scanInputs is what a scan reads before it begins, and where it will write.
type scanInputs struct {
	baseline scan.Baseline
	outputs  []*reportFile
}

// read loads all that the flags name and tells all mistakes at once.
func (f *scanFlags) read(cmd *cobra.Command) (*scanInputs, error) {
	var errs []error
	note := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	in := &scanInputs{}
	note(checkSeverity(f.failOn))
	if f.failUnder < 0 || f.failUnder > 100 {
		note(fmt.Errorf("--fail-under %d; write a score from 0 to 100", f.failUnder))
	}
	var err error
	f.config.Rate, err = readRate(f.rate)
	note(err)
	note(f.readSecrets(cmd))
	note(f.readFiles(in))
	if len(errs) == 0 {
		in.outputs, err = openOutputs(f.formats, f.outputs)
		note(err)
	}
	return in, errors.Join(errs...)
}

func (f *scanFlags) readSecrets(cmd *cobra.Command) error {
	var errs []error
	token := []byte(f.token)
	if f.token != "" {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning: every user of this machine can read --token; use --token-file FILE, or --token-file - for standard input")
	}
	switch {
	case f.token != "" && f.tokenFile != "":
		errs = append(errs, errors.New("--token and --token-file exclude each other"))
	case f.tokenFile == "-":
		text, err := limited(cmd.InOrStdin(), "standard input", maxTokenFile)
		token, errs = text, append(errs, err)
	case f.tokenFile != "":
		text, err := readLimited(f.tokenFile, maxTokenFile)
		token, errs = text, append(errs, err)
	}
	trimmed := strings.TrimPrefix(strings.TrimSpace(string(token)), "Bearer ")
	if f.tokenFile != "" && trimmed == "" {
		errs = append(errs, fmt.Errorf("--token-file %s holds no token", f.tokenFile))
	}
	if strings.ContainsAny(trimmed, " \t\r\n") {
		errs = append(errs, errors.New("the token has white space in it"))
	}
	if trimmed != "" {
		f.config.Token = redact.NewText(trimmed)
	}
	for _, v := range []struct {
		flag, value string
		into        *redact.Text
	}{{"--other-token", f.other, &f.config.OtherToken}, {"--expired-token", f.expired, &f.config.ExpiredToken}, {"--secret", f.secret, &f.config.Secret}} {
		text, err := orFile(v.value)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", v.flag, err))
		} else if text != "" {
			*v.into = redact.NewText(text)
		}
	}
	for flag, value := range map[string]*string{"--login-data": &f.config.LoginData, "--login-json": &f.config.LoginJSON} {
		text, err := orFile(*value)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", flag, err))
		}
		*value = text
	}
	return errors.Join(errs...)
}

// orFile reads the file that a value names by @, less the final newline.
func orFile(value string) (string, error) {
	name, isFile := strings.CutPrefix(value, "@")
	if !isFile {
		return value, nil
	}
	text, err := readLimited(name, maxTokenFile)
	return strings.TrimRight(string(text), "\r\n"), err
}

func (f *scanFlags) readFiles(in *scanInputs) error {
	var errs []error
	if at := f.config.OpenAPI; at != "" && !strings.Contains(at, "://") && !strings.HasPrefix(at, "/") || isFile(f.config.OpenAPI) {
		text, err := readLimited(f.config.OpenAPI, maxSpecFile)
		if err == nil {
			f.config.OpenAPIData = text
		}
		errs = append(errs, err)
	}
	if f.ca != "" {
		text, err := readLimited(f.ca, maxCertificate)
		errs = append(errs, err)
		f.config.CA = x509.NewCertPool()
		if err == nil && !f.config.CA.AppendCertsFromPEM(text) {
			errs = append(errs, fmt.Errorf("--ca %s holds no certificate in PEM", f.ca))
		}
	}
	if f.baseline != "" {
		file, err := os.Open(f.baseline)
		errs = append(errs, err)
		if err == nil {
			in.baseline, err = scan.ReadBaseline(file)
			file.Close()
			if err != nil {
				errs = append(errs, fmt.Errorf("--baseline %s: %w", f.baseline, err))
			}
		}
	}
	if f.wordlist != "" {
		if info, err := os.Stat(f.wordlist); err != nil {
			errs = append(errs, fmt.Errorf("--wordlist: %w", err))
		} else if info.IsDir() {
			errs = append(errs, fmt.Errorf("--wordlist %s is a directory", f.wordlist))
		}
		f.config.Wordlist = lines(f.wordlist)
	}
	return errors.Join(errs...)
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return name != "" && err == nil && info.Mode().IsRegular()
}

// lines yields the lines of a file as long as it can be read. Lines over 1 KiB
// are no secrets and are left out.
func lines(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		file, err := os.Open(name)
		if err != nil {
			return
		}
		defer file.Close()
		r := bufio.NewReaderSize(file, 64<<10)
		for {
			line, err := r.ReadSlice('\n')
			if word := bytes.TrimRight(line, "\r\n"); len(word) > 0 && len(word) <= 1<<10 && !errors.Is(err, bufio.ErrBufferFull) {
				if !yield(string(word)) {
					return
				}
			}
			if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
				return
			}
		}
	}
}

func readLimited(name string, limit int64) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return limited(file, name, limit)
}

func limited(r io.Reader, name string, limit int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("%s is over %d bytes", name, limit)
	}
	return text, nil
}

// reportFile is one report on its way to a file. It takes the place of an older file
// only when it is complete.
type reportFile struct {
	format, name string
	file         *os.File // nil: standard output
	final        string   // the name to take, where file is temporary
}

// openOutputs pairs formats with files, and makes sure that they can be written.
func openOutputs(formats, names []string) ([]*reportFile, error) {
	if len(formats) == 0 {
		formats = []string{"text"}
	}
	if len(names) > len(formats) {
		return nil, fmt.Errorf("--output is given %d times and --format %d times; give each output its format before it", len(names), len(formats))
	}
	var list []*reportFile
	var errs []error
	toStdout := 0
	for i, format := range formats {
		o := &reportFile{format: format, name: "-"}
		if i < len(names) {
			o.name = names[i]
		}
		errs = append(errs, checkFormat(format))
		if o.name == "-" {
			toStdout++
		} else {
			errs = append(errs, o.open())
		}
		list = append(list, o)
	}
	if toStdout > 1 {
		errs = append(errs, errors.New("two formats would go to standard output; give each --format an --output"))
	}
	err := errors.Join(errs...)
	if err != nil {
		(&scanInputs{outputs: list}).discard()
	}
	return list, err
}

func (o *reportFile) open() error {
	info, err := os.Stat(o.name)
	if err == nil && !info.Mode().IsRegular() {
		if info.IsDir() {
			return fmt.Errorf("--output %s is a directory", o.name)
		}
		o.file, err = os.OpenFile(o.name, os.O_WRONLY, 0)
		return err
	}
	if err == nil { // a file that may not be written is not replaced either
		f, err := os.OpenFile(o.name, os.O_WRONLY, 0)
		if err != nil {
			return fmt.Errorf("--output: %w", err)
		}
		f.Close()
	}
	o.file, err = os.CreateTemp(filepath.Dir(o.name), ".wiretight-*")
	if err != nil {
		return fmt.Errorf("--output %s cannot be written: %w", o.name, err)
	}
	o.final = o.name
	return o.file.Chmod(0o644)
}

func (o *reportFile) commit() error {
	if err := o.file.Close(); err != nil {
		return fmt.Errorf("write %s: %w", o.name, err)
	}
	if o.final == "" {
		return nil
	}
	final := o.final
	o.final = ""
	return os.Rename(o.file.Name(), final)
}

// discard removes what was not completed.
func (in *scanInputs) discard() {
	for _, o := range in.outputs {
		if o.file != nil && o.final != "" {
			o.file.Close()
			os.Remove(o.file.Name())
		}
	}
}
