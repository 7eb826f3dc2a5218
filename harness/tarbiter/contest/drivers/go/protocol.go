// The driver protocol: a line of JSON with an archive in, a line that tells how it went out.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"syscall"
)

type request struct {
	ID            int64
	Archive, Dest string
	Umask         int
	Chunks        []int
	List          bool
}

type answer struct {
	ID     int64    `json:"id"`
	Status string   `json:"status"`
	Class  string   `json:"class,omitempty"`
	Error  string   `json:"error,omitempty"`
	Names  []string `json:"names,omitempty"`
}

// pieces gives the archive in reads as short as the schedule says.
type pieces struct {
	rest   []byte
	chunks []int
	turn   int
}

func (p *pieces) Read(into []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	if len(p.chunks) > 0 {
		into = into[:min(len(into), max(1, p.chunks[p.turn%len(p.chunks)]))]
		p.turn++
	}
	n := copy(into, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	say := json.NewEncoder(os.Stdout)
	fmt.Println(`{"tarbiter":1}`)
	for lines.Scan() {
		var order request
		if err := json.Unmarshal(lines.Bytes(), &order); err != nil {
			panic(err)
		}
		reply := answer{ID: order.ID, Status: "ok"}
		syscall.Umask(order.Umask)
		data, err := os.ReadFile(order.Archive)
		if err == nil {
			reply.Names, err = extract(order, &pieces{rest: data, chunks: order.Chunks})
		}
		if err != nil {
			reply.Status, reply.Class, reply.Error = "refused", fmt.Sprintf("%T", err), err.Error()
		}
		say.Encode(reply)
	}
}
