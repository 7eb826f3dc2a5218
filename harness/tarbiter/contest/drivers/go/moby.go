// Extracts with github.com/moby/go-archive, as container engines unpack layers and builds unpack contexts.
package main

import (
	"io"

	archive "github.com/moby/go-archive"
)

func extract(order request, source io.Reader) ([]string, error) {
	// NoLchown: owners cannot be set in a cell, and would be the first thing to fail.
	return nil, archive.Untar(source, order.Dest, &archive.TarOptions{NoLchown: true})
}
