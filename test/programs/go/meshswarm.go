package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
	"sync"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// swarmConfig is the configuration of test/bench/mcp/mcp-swarm.ts, whose commands and reports are these, too.
type swarmConfig struct {
	Target         string   `json:"target"`
	Clients        int      `json:"clients"`
	Variant        string   `json:"variant"`
	TypeURLs       []string `json:"typeUrls"`
	ServiceTypeURL string   `json:"serviceTypeUrl"`
	Resources      int      `json:"resources"`
}

// swarm is what all clients share.
type swarm struct {
	swarmConfig
	sync.Mutex
	startedUs int64
	synced    int
	// Newest change that each client has seen, and that all have seen.
	serials        []int
	seen           int
	keepsLatencies bool
	deliveries     int
	messages       int
	bytes          int
	latenciesUs    []int64
}

// rawCodec passes bytes, so that nothing is decoded but what is looked at.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(value any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(value.([]byte))}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, value any) error {
	*value.(*[]byte) = data.Materialize()
	return nil
}

// meshResponse is what a client reads of a response.
type meshResponse struct {
	typeURL, nonce, version string
	resources, removed      int
	// Changes that the client had not seen, by their stamps, and the newest of them.
	stampsUs []int64
	newest   int
}

// eachField visits the fields of a message that have a length.
func eachField(message []byte, visit func(number protowire.Number, payload []byte)) error {
	for len(message) > 0 {
		number, kind, length := protowire.ConsumeTag(message)
		if length < 0 {
			return protowire.ParseError(length)
		}
		message = message[length:]
		if kind == protowire.BytesType {
			payload, length := protowire.ConsumeBytes(message)
			if length < 0 {
				return protowire.ParseError(length)
			}
			visit(number, payload)
			message = message[length:]
			continue
		}
		length = protowire.ConsumeFieldValue(number, kind, message)
		if length < 0 {
			return protowire.ParseError(length)
		}
		message = message[length:]
	}
	return nil
}

// readMeshResponse reads a response, and of each resource nothing but the digits at its end.
func readMeshResponse(message []byte, isDelta bool, known int) (response meshResponse, err error) {
	response.newest = known
	any := func(payload []byte) {
		response.resources++
		end := len(payload)
		if end < 25 {
			err = fmt.Errorf("a resource has %d bytes", end)
			return
		}
		serial, wrong := strconv.Atoi(string(payload[end-25 : end-17]))
		if wrong != nil {
			err = wrong
		} else if serial > known {
			stampUs, wrong := strconv.ParseInt(string(payload[end-16:]), 10, 64)
			if wrong != nil {
				err = wrong
			}
			response.stampsUs = append(response.stampsUs, stampUs)
			response.newest = max(response.newest, serial)
		}
	}
	walked := eachField(message, func(number protowire.Number, payload []byte) {
		switch {
		case number == 1:
			response.version = string(payload)
		case number == 2 && isDelta:
			inner := eachField(payload, func(number protowire.Number, payload []byte) {
				if number == 2 {
					any(payload)
				}
			})
			if inner != nil {
				err = inner
			}
		case number == 2:
			any(payload)
		case number == 4:
			response.typeURL = string(payload)
		case number == 5:
			response.nonce = string(payload)
		case number == 6 && isDelta:
			response.removed++
		}
	})
	if err == nil {
		err = walked
	}
	return response, err
}

// nodeOf is the Node that istiod sends.
func nodeOf(number int) *core.Node {
	id := fmt.Sprintf("sidecar~10.0.%d.%d~istiod-%d.istio-system~istio-system.svc.cluster.local", number>>8, number&255, number)
	return &core.Node{Id: id, Metadata: &structpb.Struct{Fields: map[string]*structpb.Value{
		"GENERATOR": structpb.NewStringValue("api"), "ISTIO_VERSION": structpb.NewStringValue("65536.65536.65536"),
	}}}
}

// client is one client with a connection of its own, which speaks as test/bench/mcp/mcp-client.ts does.
func (s *swarm) client(number int) error {
	isDelta := s.Variant == "delta"
	conn, err := grpc.NewClient(s.Target, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithInitialWindowSize(1<<20), grpc.WithInitialConnWindowSize(1<<20),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32), grpc.ForceCodecV2(rawCodec{})))
	if err != nil {
		return err
	}
	method := "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
	if isDelta {
		method = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
	}
	stream, err := conn.NewStream(context.Background(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
	if err != nil {
		return err
	}
	node := nodeOf(number)
	send := func(typeURL, nonce, version string, hasNode bool) error {
		var shown *core.Node
		if hasNode {
			shown = node
		}
		var request proto.Message = &discovery.DiscoveryRequest{TypeUrl: typeURL, ResponseNonce: nonce, VersionInfo: version, Node: shown}
		if isDelta {
			request = &discovery.DeltaDiscoveryRequest{TypeUrl: typeURL, ResponseNonce: nonce, Node: shown}
		}
		encoded, err := proto.Marshal(request)
		if err != nil {
			return err
		}
		return stream.SendMsg(encoded)
	}
	unanswered := map[string]bool{}
	for at, typeURL := range s.TypeURLs {
		unanswered[typeURL] = true
		nonce := fmt.Sprintf("2026-11-23 05:16:59.84%d +0000 UTC m=+0.13", at)
		if isDelta {
			nonce = ""
		}
		if err := send(typeURL, nonce, "", at == 0); err != nil {
			return err
		}
	}
	held, isSynced, known := 0, false, 0
	for {
		var message []byte
		if err := stream.RecvMsg(&message); err != nil {
			return err
		}
		receivedUs := nowUs()
		response, err := readMeshResponse(message, isDelta, known)
		if err != nil {
			return err
		}
		if err := send(response.typeURL, response.nonce, response.version, !isDelta); err != nil {
			return err
		}
		delete(unanswered, response.typeURL)
		switch missing := response.newest - known - len(response.stampsUs); {
		case response.removed > 0:
			return fmt.Errorf("it was told that %d resources are gone", response.removed)
		case response.typeURL != s.ServiceTypeURL && response.resources > 0:
			return fmt.Errorf("it was sent %d of %s", response.resources, response.typeURL)
		case response.typeURL == s.ServiceTypeURL && !isDelta && response.resources != s.Resources:
			return fmt.Errorf("it was sent a list of %d resources of %d", response.resources, s.Resources)
		case missing != 0:
			return fmt.Errorf("%d changes between %d and %d never came", missing, known, response.newest)
		}
		known = response.newest
		held += response.resources
		isNowSynced := !isSynced && held >= s.Resources && len(unanswered) == 0
		isSynced = isSynced || isNowSynced
		s.heard(number, response, receivedUs, len(message), isNowSynced)
	}
}

// heard counts a message of a client, and says what it brought about.
func (s *swarm) heard(number int, response meshResponse, receivedUs int64, bytes int, isNowSynced bool) {
	s.Lock()
	defer s.Unlock()
	if isNowSynced {
		s.synced++
		if s.synced == s.Clients {
			say(map[string]any{"kind": "synced", "ms": float64(nowUs()-s.startedUs) / 1000})
		}
	}
	if len(response.stampsUs) == 0 {
		return
	}
	s.deliveries += len(response.stampsUs)
	s.messages++
	s.bytes += bytes
	if s.keepsLatencies {
		for _, stampUs := range response.stampsUs {
			s.latenciesUs = append(s.latenciesUs, receivedUs-stampUs)
		}
	}
	s.serials[number] = response.newest
	least := math.MaxInt
	for _, serial := range s.serials {
		least = min(least, serial)
	}
	if least > s.seen {
		s.seen = least
		say(map[string]any{"kind": "seen", "serial": least})
	}
}

// meshSwarm runs all clients of a run. Its configuration is one argument in JSON.
func meshSwarm(args []string) {
	if len(args) != 1 {
		check(fmt.Errorf("usage: peers mesh-swarm CONFIGURATION"))
	}
	s := &swarm{}
	check(json.Unmarshal([]byte(args[0]), &s.swarmConfig))
	s.serials = make([]int, s.Clients)
	say(map[string]any{"kind": "ready"})
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var told struct {
			Kind           string `json:"kind"`
			KeepsLatencies bool   `json:"keepsLatencies"`
		}
		check(json.Unmarshal(lines.Bytes(), &told))
		s.Lock()
		switch told.Kind {
		case "start":
			s.startedUs = nowUs()
			for number := range s.Clients {
				go func() {
					err := s.client(number)
					say(map[string]any{"kind": "failed", "reason": fmt.Sprintf("client %d: %v", number, err)})
				}()
			}
		case "measure":
			s.keepsLatencies = told.KeepsLatencies
			s.deliveries, s.messages, s.bytes, s.latenciesUs = 0, 0, 0, []int64{}
		case "counts":
			say(map[string]any{
				"kind": "counts", "deliveries": s.deliveries, "messages": s.messages, "bytes": s.bytes, "latenciesUs": s.latenciesUs,
			})
		}
		s.Unlock()
	}
}
