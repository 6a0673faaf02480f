package wiretight_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// TestExportedIsDocumented holds that every package says what it is, and every
// exported name what it promises. The linter looks at the form of what is there.
func TestExportedIsDocumented(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		room := strings.TrimPrefix(p.ImportPath, module)
		files, err := filepath.Glob(filepath.Join(room, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		introduced, parsed := false, 0
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, "_templ.go") {
				continue
			}
			set := token.NewFileSet()
			f, err := parser.ParseFile(set, name, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			parsed++
			introduced = introduced || f.Doc != nil
			for _, d := range f.Decls {
				for _, id := range undocumented(d) {
					t.Errorf("%s: %s has no comment", set.Position(id.Pos()), id.Name)
				}
			}
		}
		if parsed > 0 && !introduced {
			t.Errorf("%s: no file says what the package is", room)
		}
	}
}

// undocumented are the exported names of a declaration that nothing is said about.
// A group may be told about once. Methods of types that are not exported keep to
// an interface, which is where they are told about.
func undocumented(d ast.Decl) (names []*ast.Ident) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Doc == nil && d.Name.IsExported() && (d.Recv == nil || exportedType(d.Recv.List[0].Type)) {
			return []*ast.Ident{d.Name}
		}
	case *ast.GenDecl:
		if d.Doc != nil {
			return nil
		}
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				if s.Doc == nil && s.Name.IsExported() {
					names = append(names, s.Name)
				}
			case *ast.ValueSpec:
				for _, id := range s.Names {
					if s.Doc == nil && s.Comment == nil && id.IsExported() && !covered(d, s) {
						names = append(names, id)
					}
				}
			}
		}
	}
	return names
}

// covered is true where the line before, without a gap, has a comment: pairs are
// told about together.
func covered(d *ast.GenDecl, s *ast.ValueSpec) bool {
	for i, other := range d.Specs {
		if other == ast.Spec(s) && i > 0 {
			before, ok := d.Specs[i-1].(*ast.ValueSpec)
			return ok && before.Doc != nil && s.Pos()-before.End() <= 2
		}
	}
	return false
}

func exportedType(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.StarExpr:
		return exportedType(e.X)
	case *ast.IndexExpr:
		return exportedType(e.X)
	case *ast.Ident:
		return e.IsExported()
	}
	return false
}
