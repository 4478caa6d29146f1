package phones

var sipp = Driver{Name: "sipp"}
var linphone = Driver{Name: "linphonec"}
