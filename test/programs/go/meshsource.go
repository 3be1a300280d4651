package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// meshResource is an encoded istio.mcp.v1alpha1.Resource whose digits are written over, so that Go has nothing to encode but bytes.
type meshResource struct {
	Name string `json:"name"`
	Body []byte `json:"body"`
	// Where the digits end: of the version, of the number of the change, of the time of the change.
	VersionEnd int `json:"versionEnd"`
	SerialEnd  int `json:"serialEnd"`
	StampEnd   int `json:"stampEnd"`
}

// meshCommand is one line of the bench.
type meshCommand struct {
	Kind   string `json:"kind"`
	Serial int    `json:"serial"`
	// Of "load", which comes first.
	ServiceTypeURL string         `json:"serviceTypeUrl"`
	TypeURLs       []string       `json:"typeUrls"`
	FirstRevision  int            `json:"firstRevision"`
	Resources      []meshResource `json:"resources"`
}

// asMessage makes bytes a message without a description of them: what a message does not know it keeps, and writes as it was.
func asMessage(body []byte) types.Resource {
	message := new(emptypb.Empty)
	message.ProtoReflect().SetUnknown(body)
	return message
}

// wholeLists is a LinearCache whose SotW answers are whole lists. Of itself it gives them for Envoy's clusters and listeners alone, and for any
// other type only what changed; istiod would delete the rest. So it is shown a subscriber that knows nothing whenever there is something to send.
type wholeLists struct {
	*cache.LinearCache
	mutex   sync.Mutex
	version uint64
}

// knowing is a subscription that knows all or nothing; it is read and changed under wholeLists.mutex alone.
type knowing struct {
	cache.Subscription
	isLevel bool
}

func (k *knowing) ReturnedResources() map[string]string {
	if k.isLevel {
		return k.Subscription.ReturnedResources()
	}
	return map[string]string{}
}

func (w *wholeLists) CreateWatch(request *cache.Request, subscription cache.Subscription, value chan cache.Response) (func(), error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	shown := &knowing{subscription, request.GetVersionInfo() == strconv.FormatUint(w.version, 10)}
	cancel, err := w.LinearCache.CreateWatch(request, shown, value)
	shown.isLevel = false
	return cancel, err
}

func (w *wholeLists) update(name string, resource types.Resource) error {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.version++
	return w.LinearCache.UpdateResource(name, resource)
}

// nowUs reads the clock that Node's process.hrtime reads, in microseconds.
func nowUs() int64 {
	var now unix.Timespec
	check(unix.ClockGettime(unix.CLOCK_MONOTONIC, &now))
	return now.Nano() / int64(time.Microsecond)
}

// writeDigits writes a number over the digits that end at a place.
func writeDigits(body []byte, end, digits int, value int64) {
	copy(body[end-digits:end], fmt.Sprintf("%0*d", digits, value))
}

// meshSource serves mesh configuration from LinearCaches. It is told on standard input what to serve, and which change to go to.
func meshSource() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	next := func() (told meshCommand, isThere bool) {
		if !lines.Scan() {
			return told, false
		}
		check(json.Unmarshal(lines.Bytes(), &told))
		return told, true
	}
	load, _ := next()
	initial := map[string]types.Resource{}
	for _, one := range load.Resources {
		initial[one.Name] = asMessage(one.Body)
	}
	services := &wholeLists{LinearCache: cache.NewLinearCache(load.ServiceTypeURL, cache.WithInitialResources(initial))}
	mux := &cache.MuxCache{
		Classify:      func(request *cache.Request) string { return request.GetTypeUrl() },
		ClassifyDelta: func(request *cache.DeltaRequest) string { return request.GetTypeUrl() },
		Caches:        map[string]cache.Cache{load.ServiceTypeURL: services},
	}
	for _, typeURL := range load.TypeURLs {
		if typeURL != load.ServiceTypeURL {
			mux.Caches[typeURL] = cache.NewLinearCache(typeURL)
		}
	}
	seen := &counts{}
	callbacks := server.CallbackFuncs{
		StreamOpenFunc:      seen.opened,
		DeltaStreamOpenFunc: seen.opened,
		StreamRequestFunc: func(_ int64, request *discovery.DiscoveryRequest) error {
			seen.nack(request.GetErrorDetail(), request.GetErrorDetail() != nil)
			return nil
		},
		StreamDeltaRequestFunc: func(_ int64, request *discovery.DeltaDiscoveryRequest) error {
			seen.nack(request.GetErrorDetail(), request.GetErrorDetail() != nil)
			return nil
		},
	}
	grpcServer := grpc.NewServer()
	discovery.RegisterAggregatedDiscoveryServiceServer(grpcServer, server.NewServer(context.Background(), mux, callbacks))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	go func() { check(grpcServer.Serve(listener)) }()
	say(map[string]any{"kind": "listening", "port": listener.Addr().(*net.TCPAddr).Port})

	serial := 0
	for told, isThere := next(); isThere; told, isThere = next() {
		if told.Kind == "stats" {
			seen.Lock()
			say(map[string]any{"kind": "stats", "streamsOpened": seen.Streams, "rejections": len(seen.Nacks), "nowUs": nowUs()})
			seen.Unlock()
			continue
		}
		for serial < told.Serial {
			one := load.Resources[serial%len(load.Resources)]
			serial++
			// What was served before may be on its way still.
			body := bytes.Clone(one.Body)
			writeDigits(body, one.VersionEnd, 8, int64(load.FirstRevision+serial))
			writeDigits(body, one.SerialEnd, 8, int64(serial))
			writeDigits(body, one.StampEnd, 16, nowUs())
			check(services.update(one.Name, asMessage(body)))
		}
	}
	// The bench is over, or has died.
	grpcServer.Stop()
}
