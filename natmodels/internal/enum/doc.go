// Package enum names the values of enumerations, and helps who misspells one. It is the
// part of natmodels' vocabulary that every engine needs and no user.
package enum
