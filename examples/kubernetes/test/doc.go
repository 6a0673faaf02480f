// Package test holds the examples for Kubernetes to its types, and the chart to
// Helm. It is a module of its own: Helm and Kubernetes have hundreds of packages
// that users of the guard should not have to look at.
package test
