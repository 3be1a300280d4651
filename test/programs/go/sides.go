package main

import (
	"context"
	"flag"
	"sort"
	"time"

	statuspb "github.com/envoyproxy/go-control-plane/envoy/service/status/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// sides asks the services beside discovery with the real types, and says what it got: one line for each of them.
func sides(args []string) {
	flags := flag.NewFlagSet("sides", flag.ExitOnError)
	target := flags.String("target", "", "address of the agent")
	check(flags.Parse(args))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, err := grpc.NewClient(*target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(err)
	defer conn.Close()

	health, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
	check(err)
	say(map[string]any{"health": health.Status.String()})

	say(map[string]any{"services": reflected(ctx, conn)})

	status, err := statuspb.NewClientStatusDiscoveryServiceClient(conn).FetchClientStatus(ctx, &statuspb.ClientStatusRequest{})
	check(err)
	for _, config := range status.Config {
		for _, one := range config.GenericXdsConfigs {
			say(map[string]any{
				"node": config.Node.GetId(), "scope": config.ClientScope, "name": one.Name, "type": one.TypeUrl,
				"config": one.ConfigStatus.String(), "client": one.ClientStatus.String(), "hasBody": one.XdsConfig != nil,
				"error": one.ErrorState.GetDetails(),
			})
		}
	}
	say(map[string]any{"done": true})
}

// reflected lists the services, and fails if the descriptors of any do not fit together. Returns each service with its methods.
func reflected(ctx context.Context, conn *grpc.ClientConn) map[string][]string {
	stream, err := reflectpb.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	check(err)
	ask := func(request *reflectpb.ServerReflectionRequest) *reflectpb.ServerReflectionResponse {
		check(stream.Send(request))
		response, err := stream.Recv()
		check(err)
		return response
	}
	files := new(protoregistry.Files)
	var load func(raw []byte)
	load = func(raw []byte) {
		file := new(descriptorpb.FileDescriptorProto)
		check(proto.Unmarshal(raw, file))
		if _, err := files.FindFileByPath(file.GetName()); err == nil {
			return
		}
		for _, name := range file.Dependency {
			response := ask(&reflectpb.ServerReflectionRequest{
				MessageRequest: &reflectpb.ServerReflectionRequest_FileByFilename{FileByFilename: name},
			})
			for _, one := range response.GetFileDescriptorResponse().GetFileDescriptorProto() {
				load(one)
			}
		}
		built, err := protodesc.NewFile(file, files)
		check(err)
		check(files.RegisterFile(built))
	}
	listed := ask(&reflectpb.ServerReflectionRequest{
		MessageRequest: &reflectpb.ServerReflectionRequest_ListServices{ListServices: "*"},
	})
	found := map[string][]string{}
	for _, service := range listed.GetListServicesResponse().GetService() {
		response := ask(&reflectpb.ServerReflectionRequest{
			MessageRequest: &reflectpb.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: service.Name},
		})
		for _, one := range response.GetFileDescriptorResponse().GetFileDescriptorProto() {
			load(one)
			file := new(descriptorpb.FileDescriptorProto)
			check(proto.Unmarshal(one, file))
			for _, own := range file.Service {
				if file.GetPackage()+"."+own.GetName() != service.Name {
					continue
				}
				methods := []string{}
				for _, method := range own.Method {
					methods = append(methods, method.GetName())
				}
				sort.Strings(methods)
				found[service.Name] = methods
			}
		}
	}
	check(stream.CloseSend())
	return found
}
