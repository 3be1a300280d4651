package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"sort"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/structpb"
)

const meshConfigType = "core/v1alpha1/MeshConfig"

// mcpTypes are what istiod asks for, all at once.
var mcpTypes = []string{
	meshConfigType,
	"security.istio.io/v1/AuthorizationPolicy", "networking.istio.io/v1/DestinationRule", "networking.istio.io/v1alpha3/EnvoyFilter",
	"networking.istio.io/v1/Gateway", "security.istio.io/v1/PeerAuthentication", "networking.istio.io/v1beta1/ProxyConfig",
	"security.istio.io/v1/RequestAuthentication", "networking.istio.io/v1/ServiceEntry", "networking.istio.io/v1/Sidecar",
	"telemetry.istio.io/v1/Telemetry", "extensions.istio.io/v1alpha1/TrafficExtension", "networking.istio.io/v1/VirtualService",
	"extensions.istio.io/v1alpha1/WasmPlugin", "networking.istio.io/v1/WorkloadEntry", "networking.istio.io/v1/WorkloadGroup",
}

// mcpClient asks as istiod does as a client of MCP: SotW, a nonce on each first request, its node on every one, everything taken as the full
// state. It says what it holds of a type after each answer, when all types were answered, and when a stream ended; it connects again.
func mcpClient(args []string) {
	flags := flag.NewFlagSet("mcp-client", flag.ExitOnError)
	address := flags.String("address", "", "host:port")
	pod := flags.String("pod", "istiod-0", "name of the pod in the node id")
	namespace := flags.String("namespace", "istio-system", "its namespace")
	retry := flags.Duration("retry", 700*time.Millisecond, "between a stream's end and the next")
	check(flags.Parse(args))
	metadata, err := structpb.NewStruct(map[string]any{"GENERATOR": "api", "ISTIO_VERSION": "65536.65536.65536"})
	check(err)
	node := &corev3.Node{
		Id:       "sidecar~10.0.0.7~" + *pod + "." + *namespace + "~" + *namespace + ".svc.cluster.local",
		Metadata: metadata,
	}
	conn, err := grpc.NewClient(*address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
	check(err)
	began := time.Now()
	answered := map[string]bool{}
	for ; ; time.Sleep(*retry) {
		err := mcpStream(conn, node, func(kind string, names []string, hash string) {
			say(map[string]any{"type": kind, "names": names, "hash": hash, "ms": time.Since(began).Milliseconds()})
			answered[kind] = true
			if len(answered) == len(mcpTypes) {
				say(map[string]any{"ready": true, "ms": time.Since(began).Milliseconds()})
			}
		})
		say(map[string]any{"ended": err.Error()})
	}
}

func mcpStream(conn *grpc.ClientConn, node *corev3.Node, took func(kind string, names []string, hash string)) error {
	stream, err := discovery.NewAggregatedDiscoveryServiceClient(conn).StreamAggregatedResources(context.Background())
	if err != nil {
		return err
	}
	for _, kind := range mcpTypes {
		first := &discovery.DiscoveryRequest{Node: node, TypeUrl: kind, ResponseNonce: time.Now().String()}
		if err := stream.Send(first); err != nil {
			return err
		}
	}
	for {
		response, err := stream.Recv()
		if err != nil {
			return err
		}
		names := []string{}
		sum := sha256.New()
		bodies := []string{}
		for _, resource := range response.Resources {
			bodies = append(bodies, resource.TypeUrl+string(resource.Value))
			if strings.HasSuffix(resource.TypeUrl, "istio.mcp.v1alpha1.Resource") {
				names = append(names, mcpName(resource.Value))
			}
		}
		sort.Strings(bodies)
		sort.Strings(names)
		for _, body := range bodies {
			sum.Write([]byte(body))
		}
		took(response.TypeUrl, names, hex.EncodeToString(sum.Sum(nil)))
		// istiod does not acknowledge a mesh configuration that it uses.
		if response.TypeUrl == meshConfigType && len(response.Resources) > 0 {
			continue
		}
		ack := &discovery.DiscoveryRequest{
			Node: node, TypeUrl: response.TypeUrl, VersionInfo: response.VersionInfo, ResponseNonce: response.Nonce,
		}
		if err := stream.Send(ack); err != nil {
			return err
		}
	}
}

// mcpName is metadata.name of an encoded istio.mcp.v1alpha1.Resource: field 1 of field 1.
func mcpName(resource []byte) string {
	return string(firstField(firstField(resource)))
}

func firstField(message []byte) []byte {
	for len(message) > 0 {
		number, kind, size := protowire.ConsumeTag(message)
		if size < 0 {
			return nil
		}
		message = message[size:]
		if number == 1 && kind == protowire.BytesType {
			value, size := protowire.ConsumeBytes(message)
			if size < 0 {
				return nil
			}
			return value
		}
		size = protowire.ConsumeFieldValue(number, kind, message)
		if size < 0 {
			return nil
		}
		message = message[size:]
	}
	return nil
}
