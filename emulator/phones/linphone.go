package phones

var linphone = Driver{Name: "linphonec"}
