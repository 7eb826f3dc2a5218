// Extract or list an archive with archive/tar and os.Root: untar x|t ARCHIVE [DEST].
package main

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(words []string) error {
	file, err := os.Open(words[1])
	if err != nil {
		return err
	}
	var plain io.Reader = bufio.NewReaderSize(file, 1<<18)
	if strings.HasSuffix(words[1], ".gz") {
		if plain, err = gzip.NewReader(plain); err != nil {
			return err
		}
	}
	archive := tar.NewReader(plain)
	if words[0] == "t" {
		out := bufio.NewWriter(os.Stdout)
		defer out.Flush()
		for {
			header, err := archive.Next()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			fmt.Fprintln(out, header.Name)
		}
	}
	root, err := os.OpenRoot(words[2])
	if err != nil {
		return err
	}
	made := map[string]bool{".": true}
	for {
		header, err := archive.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := one(root, archive, header, made); err != nil {
			return err
		}
	}
}

func one(root *os.Root, archive *tar.Reader, header *tar.Header, made map[string]bool) error {
	name := path.Clean(header.Name)
	if err := directory(root, path.Dir(name), made); err != nil {
		return err
	}
	mode := os.FileMode(header.Mode & 0o755)
	switch header.Typeflag {
	case tar.TypeDir:
		return directory(root, name, made)
	case tar.TypeSymlink:
		return root.Symlink(header.Linkname, name)
	case tar.TypeLink:
		return root.Link(path.Clean(header.Linkname), name)
	case tar.TypeReg, tar.TypeGNUSparse:
		file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
		if err != nil {
			return err
		}
		if _, err := io.Copy(file, archive); err != nil {
			return err
		}
		if err := file.Close(); err != nil {
			return err
		}
		return root.Chtimes(name, header.ModTime, header.ModTime)
	}
	return nil
}

func directory(root *os.Root, name string, made map[string]bool) error {
	if made[name] {
		return nil
	}
	if err := directory(root, path.Dir(name), made); err != nil {
		return err
	}
	made[name] = true
	if err := root.Mkdir(name, 0o755); err != nil && !os.IsExist(err) {
		return err
	}
	return nil
}
