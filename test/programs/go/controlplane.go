package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"net"
	"os"
	"sync"

	_ "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/types/known/anypb"
)

// command is one line of the tests: a new snapshot, or a question for what has been counted.
type command struct {
	Version   string                     `json:"version"`
	Resources map[resource.Type][][]byte `json:"resources"`
}

// oneKey gives every node the same snapshot.
type oneKey struct{}

func (oneKey) ID(*core.Node) string { return "all" }

type counts struct {
	sync.Mutex
	Streams int      `json:"streams"`
	Open    int      `json:"open"`
	Nacks   []string `json:"nacks"`
}

func (c *counts) opened(context.Context, int64, string) error {
	c.Lock()
	defer c.Unlock()
	c.Streams++
	c.Open++
	return nil
}

func (c *counts) closed(int64, *core.Node) {
	c.Lock()
	defer c.Unlock()
	c.Open--
}

func (c *counts) nack(detail interface{ GetMessage() string }, isNack bool) {
	if !isNack {
		return
	}
	c.Lock()
	defer c.Unlock()
	c.Nacks = append(c.Nacks, detail.GetMessage())
}

// controlPlane serves snapshots that it is told on standard input, one JSON object a line, and answers each with its counts.
func controlPlane(args []string) {
	flags := flag.NewFlagSet("control-plane", flag.ExitOnError)
	listen := flags.String("listen", "127.0.0.1:0", "address")
	ads := flags.Bool("ads", true, "the snapshot cache's ADS mode")
	maxAge := flags.Duration("max-age", 0, "how long a connection lasts; 0: for ever")
	grace := flags.Duration("grace", 0, "how long its streams go on after that; 0: for ever")
	check(flags.Parse(args))
	ctx := context.Background()
	snapshots := cache.NewSnapshotCache(*ads, oneKey{}, nil)
	seen := &counts{}
	callbacks := server.CallbackFuncs{
		StreamOpenFunc:        seen.opened,
		StreamClosedFunc:      seen.closed,
		DeltaStreamOpenFunc:   seen.opened,
		DeltaStreamClosedFunc: seen.closed,
		StreamRequestFunc: func(_ int64, request *discovery.DiscoveryRequest) error {
			seen.nack(request.GetErrorDetail(), request.GetErrorDetail() != nil)
			return nil
		},
		StreamDeltaRequestFunc: func(_ int64, request *discovery.DeltaDiscoveryRequest) error {
			seen.nack(request.GetErrorDetail(), request.GetErrorDetail() != nil)
			return nil
		},
	}
	grpcServer := grpc.NewServer(grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: *maxAge, MaxConnectionAgeGrace: *grace}))
	discovery.RegisterAggregatedDiscoveryServiceServer(grpcServer, server.NewServer(ctx, snapshots, callbacks))
	listener, err := net.Listen("tcp", *listen)
	check(err)
	go func() { check(grpcServer.Serve(listener)) }()
	say(map[string]string{"listening": listener.Addr().String()})
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var told command
		check(json.Unmarshal(lines.Bytes(), &told))
		if told.Version != "" {
			check(snapshots.SetSnapshot(ctx, "all", snapshotOf(told)))
		}
		seen.Lock()
		say(seen)
		seen.Unlock()
	}
	// The test is over, or has died.
	grpcServer.Stop()
}

func snapshotOf(told command) *cache.Snapshot {
	resources := map[resource.Type][]types.Resource{}
	for typeURL, bodies := range told.Resources {
		resources[typeURL] = []types.Resource{}
		for _, body := range bodies {
			message, err := (&anypb.Any{TypeUrl: typeURL, Value: body}).UnmarshalNew()
			check(err)
			resources[typeURL] = append(resources[typeURL], message)
		}
	}
	snapshot, err := cache.NewSnapshot(told.Version, resources)
	check(err)
	return snapshot
}
