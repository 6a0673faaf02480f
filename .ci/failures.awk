# Reads the output of `go test -v` and prints each test that failed with the
# lines that it alone wrote, though tests that ran at the same time wrote between
# them: a test writes below a line with its name. A test that failed only because
# of one within it, and said nothing itself, is left out. Then come panics, races,
# and packages that did not build or ran out of time.
function name_of(line) {
	sub(/^ *(=== [A-Z]+ +|--- [A-Z]+: )/, "", line)
	sub(/ \([0-9.]+s\)$/, "", line)
	return line
}
/^=== (RUN|CONT|NAME) / { now = name_of($0); next }
/^=== / { now = ""; next }
/^ *--- (PASS|SKIP): / { forget(name_of($0)); next }
/^ *--- FAIL: / {
	n = name_of($0)
	failed[++tests] = n
	text[tests] = said[n]
	forget(n)
	next
}
/^panic: |^fatal error: |WARNING: DATA RACE|\[build failed\]|\[setup failed\]|^# / { left = 12 }
left > 0 {
	left--
	if (others++ < 40) other = other $0 "\n"
}
/^(ok|FAIL|PASS|coverage:)([ \t]|$)/ { if ($1 == "FAIL" && NF > 1) packages = packages $0 "\n"; now = ""; next }
now != "" && lines[now]++ < 15 { said[now] = said[now] $0 "\n" }
function forget(n) { delete said[n]; delete lines[n]; if (now == n) now = "" }
END {
	for (i = 1; i <= tests; i++) {
		within = 0
		for (j = 1; j <= tests; j++) if (index(failed[j], failed[i] "/") == 1) within = 1
		if (text[i] == "" && within) continue
		printf "--- FAIL: %s\n%s", failed[i], text[i]
	}
	printf "%s%s", other, packages
}
