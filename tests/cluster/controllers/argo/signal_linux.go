// Package osspecific: the module as it is served lacks this file of its own name, without which its executor is not whole on Linux.
package osspecific

import (
	"os"
	"syscall"

	"github.com/argoproj/argo-workflows/v4/util/errors"
)

// Term asks a process to end.
const Term = syscall.SIGTERM

// CanIgnoreSignal tells which signals are not for the process that is looked after: news of children, and of Go's own scheduler.
func CanIgnoreSignal(signal os.Signal) bool {
	return signal == syscall.SIGCHLD || signal == syscall.SIGURG
}

// Setpgid has a process lead a group of its own.
func Setpgid(attributes *syscall.SysProcAttr) {
	attributes.Setpgid = true
}

// Kill signals a process that leads a group, and all of the group.
func Kill(pid int, signal syscall.Signal) error {
	return syscall.Kill(-pid, signal)
}

// Wait returns how a process ended, when it has.
func Wait(process *os.Process) error {
	state, err := process.Wait()
	if err != nil {
		return err
	}
	code := state.ExitCode()
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		code = 128 + int(status.Signal())
	}
	return errors.NewExitErr(code)
}
