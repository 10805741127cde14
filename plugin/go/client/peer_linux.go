package client

import (
	"net"
	"syscall"
)

// peerUID returns the user id of the process at the other end, as the kernel knows it.
func peerUID(connection *net.UnixConn) (uid uint32, known bool, err error) {
	raw, err := connection.SyscallConn()
	if err != nil {
		return 0, false, err
	}
	var (
		credentials *syscall.Ucred
		failure     error
	)
	err = raw.Control(func(descriptor uintptr) {
		credentials, failure = syscall.GetsockoptUcred(int(descriptor), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err == nil {
		err = failure
	}
	if err != nil {
		return 0, false, err
	}
	return credentials.Uid, true, nil
}
