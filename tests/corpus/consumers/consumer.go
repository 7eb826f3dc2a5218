// A consumer of the exported corpus in Go, with nothing but the standard library: it reads every archive with
// archive/tar, in memory, and says which cases archive/tar passes. It writes no files.
//
//	go run consumer.go DIR
package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

type index struct {
	Format int
	Cases  []struct{ Id, Document string }
}

type entry struct {
	Name, Type string
	Size       *int64
	Sha256     *string
	Link       *string
}

type document struct {
	Id, Archive, Sha256, Verdict string
	Size                         int
	World, Schedule              *json.RawMessage
	Compression                  []string
	Allowed                      []struct {
		Name   string
		Refuse bool
		Tree   []entry
	}
}

const limit = 64 << 20 // bytes of one body that are read into memory

// unescape gives the bytes that a text of the corpus stands for: \\, \n and \xNN.
func unescape(text string) string {
	var out strings.Builder
	for at := 0; at < len(text); at++ {
		if text[at] != '\\' {
			out.WriteByte(text[at])
			continue
		}
		at++
		switch text[at] {
		case 'n':
			out.WriteByte('\n')
		case 'x':
			value, err := hex.DecodeString(text[at+1 : at+3])
			must(err)
			out.Write(value)
			at += 2
		default:
			out.WriteByte(text[at])
		}
	}
	return out.String()
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func read[T any](name string) T {
	var out T
	data, err := os.ReadFile(name)
	must(err)
	must(json.Unmarshal(data, &out))
	return out
}

func sum(data []byte) string {
	digest := sha256.Sum256(data)
	return hex.EncodeToString(digest[:])
}

// list says what archive/tar makes of an archive: file and link names with what they hold, or that it refuses it.
func list(archive []byte) (map[string]string, error) {
	found := map[string]string{}
	reader := tar.NewReader(bytes.NewReader(archive))
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		name := strings.TrimPrefix(path.Clean("/"+header.Name), "/")
		switch header.Typeflag {
		case tar.TypeReg:
			body, err := io.ReadAll(io.LimitReader(reader, limit))
			if err != nil {
				return nil, err
			}
			found[name] = fmt.Sprintf("file %d %s", len(body), sum(body))
		case tar.TypeSymlink:
			found[name] = "symlink " + header.Linkname
		case tar.TypeDir:
			found[name] = "dir"
		}
	}
}

// agrees says whether what was listed has every entry of the tree. Hard links and special files are passed over.
func agrees(tree []entry, found map[string]string) bool {
	for _, want := range tree {
		have, there := found[unescape(want.Name)]
		if !there || !strings.HasPrefix(have, want.Type) {
			return false
		}
		if want.Sha256 != nil && have != fmt.Sprintf("file %d %s", *want.Size, *want.Sha256) {
			return false
		}
		if want.Link != nil && have != "symlink "+unescape(*want.Link) {
			return false
		}
	}
	return true
}

func main() {
	if len(os.Args) != 2 {
		must(errors.New("usage: consumer DIR"))
	}
	root := os.Args[1]
	all := read[index](filepath.Join(root, "index.json"))
	if all.Format != 1 {
		must(fmt.Errorf("format %d is not known here", all.Format))
	}
	counts := map[string]int{}
	for _, row := range all.Cases {
		one := read[document](filepath.Join(root, row.Document))
		archive, err := os.ReadFile(filepath.Join(root, one.Archive))
		must(err)
		if len(archive) != one.Size || sum(archive) != one.Sha256 {
			must(fmt.Errorf("%s is not the archive that its document is about", one.Archive))
		}
		word := "not run"
		if one.World == nil && one.Schedule == nil && len(one.Compression) == 0 && one.Verdict == "must" {
			found, err := list(archive)
			word = "differs"
			if want := one.Allowed[0]; want.Refuse == (err != nil) && (err != nil || agrees(want.Tree, found)) {
				word = "passes"
			}
		}
		counts[word]++
		fmt.Println(word, one.Id)
	}
	fmt.Printf("%d pass, %d differ, %d not run\n", counts["passes"], counts["differs"], counts["not run"])
}
