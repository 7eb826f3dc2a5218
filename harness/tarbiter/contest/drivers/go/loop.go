// Extracts with archive/tar and the loop that Go programs write around it, inside an os.Root.
package main

import (
	"archive/tar"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"time"
)

func extract(order request, source io.Reader) (names []string, err error) {
	root, err := os.OpenRoot(order.Dest)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	times := map[string]time.Time{}
	for archive := tar.NewReader(source); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return names, err
		}
		if order.List {
			names = append(names, hex.EncodeToString([]byte(header.Name)))
		}
		if err := write(root, header, archive); err != nil {
			return names, err
		}
		if header.Typeflag == tar.TypeDir {
			times[header.Name] = header.ModTime
		}
	}
	for name, when := range times { // at the end: writing into a directory changes its time
		root.Chtimes(name, when, when)
	}
	return names, nil
}

func write(root *os.Root, header *tar.Header, archive *tar.Reader) error {
	name, mode := header.Name, header.FileInfo().Mode().Perm()
	if header.Typeflag == tar.TypeDir {
		return root.MkdirAll(name, mode)
	}
	if parent := path.Dir(name); parent != "." {
		if err := root.MkdirAll(parent, 0o755); err != nil {
			return err
		}
	}
	if err := root.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	switch header.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse:
		file, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
		if err != nil {
			return err
		}
		_, err = io.Copy(file, archive)
		if err = errors.Join(err, file.Close()); err != nil {
			return err
		}
		return root.Chtimes(name, header.ModTime, header.ModTime)
	case tar.TypeSymlink:
		return root.Symlink(header.Linkname, name)
	case tar.TypeLink:
		return root.Link(header.Linkname, name)
	default:
		return fmt.Errorf("%s: no extraction of type %q", name, header.Typeflag)
	}
}
