package wiretight_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// pages are the Markdown files of the tree, with their text.
func pages(t *testing.T) map[string]string {
	t.Helper()
	out, err := exec.Command("git", "ls-files", "*.md").Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	all := map[string]string{}
	for name := range strings.FieldsSeq(string(out)) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(text)
	}
	if len(all) < 20 {
		t.Fatalf("got %d pages, want all of them", len(all))
	}
	return all
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	fence   = regexp.MustCompile("(?ms)^```.*?^```")
	code    = regexp.MustCompile("`([^`\n]+)`")
)

// TestLinksLeadSomewhere follows every link within the tree, to the heading.
func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	all := pages(t)
	for name, text := range all {
		for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			path, anchor, _ := strings.Cut(m[1], "#")
			target := name
			if path != "" {
				target = filepath.ToSlash(filepath.Join(filepath.Dir(name), path))
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which is not there", name, m[1])
				continue
			}
			if anchor != "" && !anchors(all[target])[anchor] {
				t.Errorf("%s links to %s, but there is no such heading", name, m[1])
			}
		}
	}
}

// anchors are the names that GitHub gives to a page's headings.
func anchors(text string) map[string]bool {
	all := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		kept := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case strings.ContainsRune("`.,:;!?()/'\"*+×&=<>[]{}#…", r):
				return -1
			}
			return r
		}, strings.ToLower(strings.TrimSpace(m[1])))
		all[kept] = true
	}
	return all
}

// TestNamedFilesExist looks for every file and folder of the tree that a page
// names, and for the function that stands before a link to its file.
func TestNamedFilesExist(t *testing.T) {
	t.Parallel()
	top := regexp.MustCompile(`^(bench|cmd|docs|examples|guard|internal|issuer|scan|testdata|tools|\.ci)/[\w./-]*$`)
	holds := regexp.MustCompile("`([A-Za-z]\\w*(?:\\.\\w+)?)` (?:in )?\\(?\\[[^\\]]+\\]\\(([^)#]+\\.go)\\)")
	for name, text := range pages(t) {
		for _, m := range code.FindAllStringSubmatch(text, -1) {
			path := strings.TrimPrefix(strings.TrimSuffix(m[1], "/..."), "./")
			if !top.MatchString(path) {
				continue
			}
			if _, err := os.Stat(path); err != nil {
				if _, err := os.Stat(filepath.Join(filepath.Dir(name), path)); err != nil {
					t.Errorf("%s names %s, which is not there", name, m[1])
				}
			}
		}
		for _, m := range holds.FindAllStringSubmatch(text, -1) {
			file, err := os.ReadFile(filepath.Join(filepath.Dir(name), m[2]))
			if err != nil {
				continue // TestLinksLeadSomewhere says so
			}
			ident := m[1][strings.LastIndex(m[1], ".")+1:]
			if !regexp.MustCompile(`\b` + ident + `\b`).Match(file) {
				t.Errorf("%s says that %s is in %s, where it is not", name, m[1], m[2])
			}
		}
	}
}

// TestNamedIdentifiersExist holds that what pages say of the module's exported
// names is there: `guard.ClaimsFrom`, `guard.Config`.
func TestNamedIdentifiersExist(t *testing.T) {
	t.Parallel()
	exported := map[string]map[string]bool{}
	for _, p := range packages(t) {
		room := strings.TrimPrefix(p.ImportPath, module)
		if names := namesOf(t, room); len(names) > 0 {
			exported[room[strings.LastIndex(room, "/")+1:]] = names
		}
	}
	named := regexp.MustCompile(`\b([a-z]\w+)\.([A-Z]\w+)\b`)
	found := 0
	for name, text := range pages(t) {
		if strings.HasPrefix(name, "docs/checks/") {
			continue // fixes in the language of the API's framework
		}
		for _, block := range append(code.FindAllString(text, -1), fence.FindAllString(text, -1)...) {
			for _, m := range named.FindAllStringSubmatch(block, -1) {
				if names, ours := exported[m[1]]; ours {
					found++
					if !names[m[2]] {
						t.Errorf("%s names %s.%s, which does not exist", name, m[1], m[2])
					}
				}
			}
		}
	}
	if found == 0 {
		t.Error("got no identifier at all: the pages name some")
	}
}

// namesOf are the exported names of the package in a folder.
func namesOf(t *testing.T, dir string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			for _, id := range declared(d) {
				if id.IsExported() {
					names[id.Name] = true
				}
			}
		}
	}
	return names
}

// declared are the names that a declaration makes, methods' too.
func declared(d ast.Decl) (names []*ast.Ident) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		return []*ast.Ident{d.Name}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				names = append(names, s.Name)
			case *ast.ValueSpec:
				names = append(names, s.Names...)
			}
		}
	}
	return names
}

// TestNamedCommandsExist holds the commands of the pages to what is there: the
// targets of make, the packages of go run and go test, the flags of wiretight.
func TestNamedCommandsExist(t *testing.T) {
	t.Parallel()
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	flags := flagsOf(t, "cmd/wiretight")
	target := regexp.MustCompile("(?m)(?:^    |`)make ([a-z-]+)")
	packed := regexp.MustCompile(`go (?:run|test|build|generate) (?:-\S+ )*(\./[\w/-]+)`)
	flag := regexp.MustCompile(`(?:^|[\s\[(])--([a-z][a-z-]*)`)
	for name, text := range pages(t) {
		for _, m := range target.FindAllStringSubmatch(text, -1) {
			if !strings.Contains(string(makefile), "\n"+m[1]+":") {
				t.Errorf("%s says make %s, which is no target", name, m[1])
			}
		}
		for _, m := range packed.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(m[1]); err != nil {
				t.Errorf("%s says %q, where there is no package", name, m[0])
			}
		}
		for line := range strings.Lines(text) {
			_, command, ok := strings.Cut(line, "wiretight ")
			if !ok {
				continue
			}
			for _, m := range flag.FindAllStringSubmatch(command, -1) {
				if !flags[m[1]] {
					t.Errorf("%s gives wiretight the flag --%s, which no command has: %s", name, m[1], strings.TrimSpace(line))
				}
			}
		}
	}
}

// flagsOf are the words in quotes that a program's files hold: its flags are
// among them.
func flagsOf(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d files in %s, %v", len(files), dir, err)
	}
	words := map[string]bool{"help": true}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`"([a-z][a-z-]*)"`).FindAllStringSubmatch(string(text), -1) {
			words[m[1]] = true
		}
	}
	return words
}
