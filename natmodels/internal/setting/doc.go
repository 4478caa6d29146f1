// Package setting is the settings notation of one engine as a table: a row for each
// setting says how its words are read, printed and checked, and what it is about. Parsing,
// printing, validation of single values and documentation are read off the table, so that a
// new setting is a field, a row and the code that honours it.
package setting
