package client

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
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

// dial connects to an agent of this user or root. What passes the connection may be a mnemonic, so the path is looked
// at before anything is sent: no symbolic link, in a folder that nobody else can change, owned by us or root, and so
// is the process at the other end.
func dial(path string) (*socket, error) {
	if err := checkSocket(path); err != nil {
		return nil, err
	}
	connection, err := net.DialTimeout("unix", path, dialTime)
	if err != nil {
		if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w: %s", errNobody, path)
		}
		return nil, fmt.Errorf("%w: %w", ErrSocket, err)
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

func checkSocket(path string) error {
	folder, err := os.Stat(filepath.Dir(path))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s", errNobody, path)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSocket, err)
	}
	// In a folder that others may write to (as /tmp, even with its sticky bit) anybody can put a socket of that name.
	if folder.Mode().Perm()&0o022 != 0 || !trusted(owner(folder)) {
		return fmt.Errorf("%w: the folder of %s can be changed by other users", ErrSocket, path)
	}
	found, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s", errNobody, path)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSocket, err)
	}
	switch {
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
