package calibrate

import "github.com/natproof/natproof/natmodels"

// Addresses are the first external addresses of the lab.
var Addresses = addresses

// MeasureAs measures a NAT that is not what it is said to be.
func MeasureAs(said, is natmodels.Config) (Result, error) {
	r := Result{Name: "said", Config: said}
	found, err := measure(is, &r.Report)
	r.Properties = compare(said, found)
	return r, err
}
