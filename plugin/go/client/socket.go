package client

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const dialTime = 5 * time.Second

// errNobody: there is no socket, or nobody listens on it.
var errNobody = fmt.Errorf("%w: no agent listens there", ErrSocket)

// socket is a connection to an agent.
type socket struct {
	*net.UnixConn
}

// dial connects to an agent of this user or root. What passes the connection may be a mnemonic, so the place is looked
// at before anything is sent: a folder that is closed to others, in it no symbolic link, and the process at the other
// end is ours or root's, as folder and socket are.
func dial(path string) (transport, error) {
	folder, err := openFolder(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	// Through the descriptor it stays the folder that was looked at, however long its path is.
	through := filepath.Join("/proc/self/fd", strconv.Itoa(int(folder.Fd())), filepath.Base(path))
	if !exists(filepath.Dir(through)) {
		through = path
	}
	if err := checkSocket(path, through); err != nil {
		return nil, err
	}
	connection, err := net.DialTimeout("unix", through, dialTime)
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", errNobody, path)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrSocket, path, err)
	}
	unix := connection.(*net.UnixConn)
	uid, known, err := peerUID(unix)
	if err == nil && known && !trusted(uid) {
		err = fmt.Errorf("the process that listens on %s belongs to the user with id %d", path, uid)
	}
	if err != nil {
		unix.Close()
		return nil, fmt.Errorf("%w: %w", ErrSocket, err)
	}
	return &socket{unix}, nil
}

func openFolder(path string) (*os.File, error) {
	folder, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", errNobody, path)
	}
	var found fs.FileInfo
	if err == nil {
		found, err = folder.Stat()
	}
	switch {
	case errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.ENOTDIR):
		err = fmt.Errorf("%s is a symbolic link or no folder", path)
	case err == nil && !trusted(owner(found)):
		err = fmt.Errorf("%s belongs to the user with id %d", path, owner(found))
	case err == nil && found.Mode().Perm()&0o077 != 0:
		err = fmt.Errorf("others have access to %s (mode %#o, expected 0700)", path, found.Mode().Perm())
	}
	if err != nil {
		folder.Close()
		return nil, fmt.Errorf("%w: %w", ErrSocket, err)
	}
	return folder, nil
}

func checkSocket(path, through string) error {
	found, err := os.Lstat(through)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %s", errNobody, path)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrSocket, err)
	case found.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%w: %s is a symbolic link", ErrSocket, path)
	case found.Mode()&fs.ModeSocket == 0:
		return fmt.Errorf("%w: %s is not a socket", ErrSocket, path)
	case !trusted(owner(found)):
		return fmt.Errorf("%w: %s belongs to the user with id %d", ErrSocket, path, owner(found))
	}
	return nil
}

func owner(info fs.FileInfo) uint32 {
	return info.Sys().(*syscall.Stat_t).Uid
}

func trusted(uid uint32) bool {
	return uid == 0 || uid == uint32(os.Getuid())
}

func (s *socket) finish() {
	_ = s.CloseWrite()
}

func (s *socket) abort() {
	_ = s.Close()
}

func (s *socket) why() string {
	return "the agent closed the connection; if it was signing, the audit log has what became of it"
}
