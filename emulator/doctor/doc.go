// Package doctor says what of package emulator works on this machine, what is missing, and which command mends it.
//
//	findings := doctor.Examine(doctor.Machine())
//	if !doctor.Healthy(findings) { ... }
//
// Each check tries what it is about, in a namespace of its own, and leaves nothing behind. Machine is what the checks ask;
// tests give them another one.
package doctor
