package natmodels

import "github.com/natproof/natproof/natmodels/internal/enum"

// ErrUnknownName is what errors.Is finds in every [UnknownError].
var ErrUnknownName = enum.ErrUnknown

// UnknownError is a name that means nothing where it stands: of a NAT, of a setting, of a
// value. Its message names the nearest that does.
type UnknownError = enum.UnknownError
