package main

import (
	"context"
	"fmt"
	"net/http"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// envoy asks the authorizer for decisions as Envoy does, one at a time over a
// connection of its own.
type envoy struct {
	addr string
	conn *grpc.ClientConn
	made int
}

func (c *envoy) dials() int { return c.made }

func (c *envoy) close() {
	if c.conn != nil {
		_ = c.conn.Close() // nothing is under way
		c.conn = nil
	}
}

func (c *envoy) do(ctx context.Context, token string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	if c.conn == nil {
		conn, err := grpc.NewClient("passthrough:///"+c.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return 0, err
		}
		c.conn = conn
		c.made++
	}
	res, err := authv3.NewAuthorizationClient(c.conn).Check(ctx, questionOf(token))
	if err != nil {
		c.close()
		return 0, err
	}
	switch answer := res.GetHttpResponse().(type) {
	case *authv3.CheckResponse_OkResponse:
		return http.StatusOK, nil
	case *authv3.CheckResponse_DeniedResponse:
		return int(answer.DeniedResponse.GetStatus().GetCode()), nil
	}
	return 0, fmt.Errorf("authorizer answers neither yes nor no: %v", res.GetStatus())
}

// questionOf is what Envoy's filter makes of the request that clients send.
func questionOf(token string) *authv3.CheckRequest {
	client := &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address: "203.0.113.7", PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: 40000},
	}}}
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source: &authv3.AttributeContext_Peer{Address: client},
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Id: "1", Method: http.MethodGet, Scheme: "https", Host: "localhost", Path: pathAsked, Protocol: "HTTP/1.1",
			Headers: map[string]string{
				":method": http.MethodGet, ":scheme": "https", ":authority": "localhost", ":path": pathAsked,
				"user-agent": "bench", "accept": "application/json", "authorization": "Bearer " + token,
			},
		}},
	}}
}
