// Package certify x
package certify
