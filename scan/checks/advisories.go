package checks

import (
	"strconv"
	"strings"
)

// advisoriesAsOf is the day on which the table below was last looked through.
// It is refreshed by hand from OSV's database: for each package,
//
//	curl -d '{"package":{"name":"pyjwt","ecosystem":"PyPI"}}' https://api.osv.dev/v1/query
//
// and what this scanner can see of versions is little: only software whose name
// and version show in answers is listed.
const advisoriesAsOf = "2026-11-21"

// advisory is a weakness of the versions of a software that lie under Fixed
// and, where Since is set, not under Since.
type advisory struct {
	software, since, fixed, id string
}

// advisories is sorted by software. Names are in lower case, as banners and
// error texts have them.
var advisories = []advisory{
	{"authlib", "", "1.3.1", "CVE-2024-37568"},
	{"authlib", "", "1.6.4", "CVE-2025-59420"},
	{"express", "", "4.19.2", "CVE-2024-29041"},
	{"express", "", "4.20.0", "CVE-2024-43796"},
	{"fastapi", "", "0.65.2", "CVE-2021-32677"},
	{"fastapi", "", "0.109.1", "CVE-2024-24762"},
	{"go-jose", "", "3.0.4", "CVE-2025-27144"},
	{"go-jose", "4.0.0", "4.0.5", "CVE-2025-27144"},
	{"golang-jwt", "", "4.5.2", "CVE-2025-30204"},
	{"golang-jwt", "5.0.0", "5.2.2", "CVE-2025-30204"},
	{"gunicorn", "", "22.0.0", "CVE-2024-1135"},
	{"jsonwebtoken", "", "9.0.0", "CVE-2022-23539, CVE-2022-23540, CVE-2022-23541"},
	{"nginx", "0.6.18", "1.20.1", "CVE-2021-23017"},
	{"pyjwt", "1.5.0", "2.4.0", "CVE-2022-29217"},
	{"pyjwt", "2.10.0", "2.10.1", "CVE-2024-53861"},
	{"python-jose", "", "3.4.0", "CVE-2024-33663, CVE-2024-33664"},
	{"python-multipart", "", "0.0.7", "CVE-2024-24762"},
	{"starlette", "", "0.25.0", "CVE-2023-30798"},
	{"starlette", "", "0.40.0", "CVE-2024-47874"},
	{"starlette", "", "0.47.2", "CVE-2025-54121"},
	{"uvicorn", "", "0.11.7", "CVE-2020-7694, CVE-2020-7695"},
	{"werkzeug", "", "2.2.3", "CVE-2023-25577"},
	{"werkzeug", "", "3.0.3", "CVE-2024-34069"},
}

// advisoriesFor are those that a version of a software falls under.
func advisoriesFor(software, version string) []advisory {
	v, ok := parseVersion(version)
	if !ok {
		return nil
	}
	var list []advisory
	for _, a := range advisories {
		if a.software != software {
			continue
		}
		fixed, _ := parseVersion(a.fixed)
		since, _ := parseVersion(a.since)
		if compareVersions(v, fixed) < 0 && compareVersions(v, since) >= 0 {
			list = append(list, a)
		}
	}
	return list
}

// parseVersion reads the numbers of a release: 2.6.0, 0.92.0-1+deb12u1.
// An empty text is the lowest version.
func parseVersion(s string) ([]int, bool) {
	s = strings.TrimPrefix(s, "v")
	if i := strings.IndexAny(s, "-+~ "); i >= 0 {
		s = s[:i]
	}
	var v []int
	if s == "" {
		return v, true
	}
	for part := range strings.SplitSeq(s, ".") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			return v, len(v) > 0
		}
		v = append(v, n)
	}
	return v, true
}

// compareVersions is negative where a is older than b. Missing numbers are 0.
func compareVersions(a, b []int) int {
	for i := range max(len(a), len(b)) {
		var x, y int
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x != y {
			return x - y
		}
	}
	return 0
}
