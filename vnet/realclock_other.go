//go:build !linux

package vnet

func newAlarm() alarm { return newSleeper() }
