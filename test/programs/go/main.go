// Peers for Weir's e2e tests and benches that are not ours: control planes made of go-control-plane, and xDS clients made of gRPC-Go.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
)

var out sync.Mutex

// say writes one JSON object a line, which is all that the tests read.
func say(value any) {
	line, err := json.Marshal(value)
	check(err)
	out.Lock()
	defer out.Unlock()
	fmt.Println(string(line))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	if len(os.Args) < 2 {
		check(fmt.Errorf("usage: peers control-plane|grpc-client|mcp-client|sides|mesh-source|mesh-swarm [flags]"))
	}
	switch os.Args[1] {
	case "control-plane":
		controlPlane(os.Args[2:])
	case "grpc-client":
		grpcClient(os.Args[2:])
	case "mcp-client":
		mcpClient(os.Args[2:])
	case "sides":
		sides(os.Args[2:])
	case "mesh-source":
		meshSource()
	case "mesh-swarm":
		meshSwarm(os.Args[2:])
	default:
		check(fmt.Errorf("no such peer: %s", os.Args[1]))
	}
}
