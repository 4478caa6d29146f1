package calibrate

import "github.com/natproof/natproof/natmodels"

// Addresses are the first external addresses of the lab.
var Addresses = addresses

// MeasureAs measures a NAT that is not what it is said to be.
func MeasureAs(said natmodels.Model, at natmodels.Place, is natmodels.Model, isAt natmodels.Place) (Result, error) {
	r := Result{Name: "said", Model: said, Place: at}
	found, err := measure(placed{is, isAt}, &r.Report)
	r.Properties = compare(placed{said, at}, found)
	return r, err
}
