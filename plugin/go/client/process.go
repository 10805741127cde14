package client

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

const (
	defaultPlugin = "keyring-plugin"
	// endTime is how long a plugin may take to end by itself: it may be signing, and logs out of its devices.
	endTime = 15 * time.Second
	// killTime is how long it may take after a signal.
	killTime = 3 * time.Second
)

// process is a plugin that we started.
type process struct {
	command *exec.Cmd
	input   io.WriteCloser
	output  *os.File
	ended   chan struct{} // closed when the process has been waited for
}

// spawn starts a plugin. Its standard error is the given one: warnings reach whoever runs the command.
func spawn(argv []string, stderr io.Writer) (transport, error) {
	command := exec.Command(argv[0], argv[1:]...)
	command.Stderr = stderr
	input, err := command.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	// Not StdoutPipe, which Wait would close under the reader.
	output, theirs, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	command.Stdout = theirs
	err = command.Start()
	theirs.Close()
	if err != nil {
		output.Close()
		return nil, notStarted(argv[0], err)
	}
	started := &process{command: command, input: input, output: output, ended: make(chan struct{})}
	go func() {
		_ = command.Wait()
		close(started.ended)
	}()
	return started, nil
}

func notStarted(program string, err error) error {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: there is no program %q; install keyring-bridge, or name the program in %s", ErrNotFound, program, EnvPlugin)
	}
	var cause *os.PathError
	if errors.As(err, &cause) {
		err = cause.Err
	}
	return fmt.Errorf("%w: %s: %w", ErrNotFound, program, err)
}

func (p *process) Read(data []byte) (int, error)  { return p.output.Read(data) }
func (p *process) Write(data []byte) (int, error) { return p.input.Write(data) }

func (p *process) finish() {
	p.input.Close()
	for _, step := range []struct {
		wait time.Duration
		then syscall.Signal
	}{{endTime, syscall.SIGTERM}, {killTime, syscall.SIGKILL}} {
		select {
		case <-p.ended:
			return
		case <-time.After(step.wait):
			_ = p.command.Process.Signal(step.then)
		}
	}
	<-p.ended
}

func (p *process) abort() {
	_ = p.command.Process.Kill()
	p.input.Close()
	p.output.Close()
}

func (p *process) why() string {
	select {
	case <-p.ended:
	case <-time.After(killTime):
		return "it closed its output"
	}
	how := fmt.Sprintf("it ended with exit status %d", p.command.ProcessState.ExitCode())
	if status, ok := p.command.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		how = fmt.Sprintf("it was killed by signal %d (%s)", status.Signal(), status.Signal())
	}
	return how + "; if it was signing, the audit log has what became of it"
}
