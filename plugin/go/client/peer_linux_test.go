package client

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// The place is right, and the process behind it is somebody else's, whom the kernel names: whoever called listen.
func TestProcessOfAnotherUserBehindTheSocket(t *testing.T) {
	if os.Getuid() != 0 {
		t.Log("only root can become somebody else; the owner is compared in TestTrusted")
		return
	}
	path := filepath.Join(private(t), "agent.sock")
	listening := make(chan int)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with its foreign user
		listener, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if err == nil {
			err = syscall.Bind(listener, &syscall.SockaddrUnix{Name: path})
		}
		if err == nil {
			same := ^uintptr(0)
			if _, _, failed := syscall.RawSyscall(syscall.SYS_SETRESUID, same, 4711, same); failed != 0 {
				err = failed
			}
		}
		if err == nil {
			err = syscall.Listen(listener, 1)
		}
		if err != nil {
			t.Error(err)
			listener = -1
		}
		listening <- listener
	}()
	listener := <-listening
	if listener < 0 {
		return
	}
	defer syscall.Close(listener)
	err := ask(New(Options{Socket: path}), "keyring.importPrivKeyHex")
	if !errors.Is(err, ErrSocket) || !strings.Contains(err.Error(), "4711") {
		t.Fatal(err)
	}
	// Nobody sent it anything.
	connection, _, err := syscall.Accept(listener)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(connection)
	if size, err := syscall.Read(connection, make([]byte, 100)); err != nil || size != 0 {
		t.Fatal(size, err)
	}
}
