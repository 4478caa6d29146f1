package emulator_test

import "golang.org/x/sys/unix"

const signalUSR1 = unix.SIGUSR1
