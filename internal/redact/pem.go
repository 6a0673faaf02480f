package redact

import "strings"

// pemLabelMax bounds the label of a PEM block.
const pemLabelMax = 64

// privateKey masks a private key in PEM that begins at i. One without an end
// is masked to the end of the text.
func (m *masker) privateKey() bool {
	const dashes, begin = "-----", "-----BEGIN"
	rest := m.s[m.i:]
	if !strings.HasPrefix(rest, begin) {
		return false
	}
	label, _, found := strings.Cut(rest[len(begin):min(len(rest), len(begin)+pemLabelMax)], dashes)
	if !found || !strings.Contains(label, "PRIVATE") {
		return false
	}
	end := len(rest)
	if i := strings.Index(rest, dashes+"END"); i >= 0 {
		i += len(dashes + "END")
		if j := strings.Index(rest[i:], dashes); j >= 0 {
			end = i + j + len(dashes)
		}
	}
	return m.replace(m.i, m.i+end, Redacted)
}
