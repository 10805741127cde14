//go:build !linux

package client

import "net"

// peerUID knows nothing here: the owner of the socket's file and folder has to do.
func peerUID(*net.UnixConn) (uid uint32, known bool, err error) {
	return 0, false, nil
}
