package main

import (
	"context"
	"flag"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"
	_ "google.golang.org/grpc/xds"
)

// grpcClient calls a service found by xDS over and over and says how each call ended, until it is stopped.
func grpcClient(args []string) {
	flags := flag.NewFlagSet("grpc-client", flag.ExitOnError)
	target := flags.String("target", "", "such as xds:///service")
	interval := flags.Duration("interval", 50*time.Millisecond, "between two calls")
	check(flags.Parse(args))
	conn, err := grpc.NewClient(*target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(err)
	client := healthpb.NewHealthClient(conn)
	for ; ; time.Sleep(*interval) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		var backend peer.Peer
		_, err := client.Check(ctx, &healthpb.HealthCheckRequest{}, grpc.Peer(&backend), grpc.WaitForReady(true))
		cancel()
		if err != nil {
			say(map[string]string{"error": err.Error()})
			continue
		}
		say(map[string]string{"backend": backend.Addr.String()})
	}
}
