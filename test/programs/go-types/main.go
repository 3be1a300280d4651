// Istio's and Envoy's own types for Weir's e2e tests: what they are, and how Go reads and writes them. A line of JSON in, a line out.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/cncf/xds/go/udpa/annotations"
	"github.com/golang/protobuf/jsonpb"       //nolint:staticcheck // It is what istiod reads manifests with.
	legacy "github.com/golang/protobuf/proto" //nolint:staticcheck // As above.
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// command asks for descriptions of these messages and all that they reach, or for messages to be read.
type command struct {
	Describe []string `json:"describe"`
	// Closed are packages of which the names are enough.
	Closed []string `json:"closed"`
	Read   []given  `json:"read"`
}

// given is a message in one of its forms.
type given struct {
	Message string          `json:"message"`
	JSON    json.RawMessage `json:"json"`
	Bytes   []byte          `json:"bytes"`
	// ProtoNames has JSON written with the names of the .proto files, as Envoy writes it.
	ProtoNames bool `json:"protoNames"`
}

// read is the message in both forms, or why it is none.
type read struct {
	JSON  json.RawMessage `json:"json,omitempty"`
	Bytes []byte          `json:"bytes"`
	Error string          `json:"error,omitempty"`
}

type answer struct {
	Messages map[string][]field          `json:"messages,omitempty"`
	Enums    map[string]map[string]int32 `json:"enums,omitempty"`
	Read     []read                      `json:"read,omitempty"`
	closed   []string
}

type field struct {
	Name     string `json:"name"`
	JSONName string `json:"jsonName"`
	Number   int32  `json:"number"`
	Form     string `json:"form"`
	Key      string `json:"key"`
	Type     string `json:"type"`
	Oneof    string `json:"oneof"`
	// Sensitive is what Envoy redacts.
	Sensitive bool `json:"sensitive"`
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func newMessage(name string) (proto.Message, error) {
	found, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(name))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return found.New().Interface(), nil
}

func typeName(f protoreflect.FieldDescriptor) string {
	switch {
	case f.Message() != nil:
		return string(f.Message().FullName())
	case f.Enum() != nil:
		return string(f.Enum().FullName())
	default:
		return f.Kind().String()
	}
}

func describeField(f protoreflect.FieldDescriptor) field {
	made := field{Name: string(f.Name()), JSONName: f.JSONName(), Number: int32(f.Number()), Form: "one", Type: typeName(f)}
	switch {
	case f.IsMap():
		made.Form, made.Key, made.Type = "map", typeName(f.MapKey()), typeName(f.MapValue())
	case f.IsList():
		made.Form = "list"
		// Packed is how our tables write all lists that can be.
		if f.Kind() != protoreflect.StringKind && f.Kind() != protoreflect.BytesKind && f.Message() == nil && !f.IsPacked() {
			made.Form = "list, not packed"
		}
	}
	made.Sensitive = proto.GetExtension(f.Options(), annotations.E_Sensitive).(bool)
	if oneof := f.ContainingOneof(); oneof != nil {
		made.Oneof = string(oneof.Name())
	}
	return made
}

// describe walks a message and everything that its fields are made of.
func (a *answer) describe(m protoreflect.MessageDescriptor) {
	name := string(m.FullName())
	if _, known := a.Messages[name]; known {
		return
	}
	fields := []field{}
	a.Messages[name] = fields
	for _, closed := range a.closed {
		if strings.HasPrefix(name, closed+".") {
			return
		}
	}
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		fields = append(fields, describeField(f))
		if f.IsMap() {
			f = f.MapValue()
		}
		if inner := f.Message(); inner != nil {
			a.describe(inner)
		}
		if enum := f.Enum(); enum != nil {
			values := map[string]int32{}
			for j := range enum.Values().Len() {
				value := enum.Values().Get(j)
				values[string(value.Name())] = int32(value.Number())
			}
			a.Enums[string(enum.FullName())] = values
		}
	}
	a.Messages[name] = fields
}

func (g given) parse() (proto.Message, error) {
	message, err := newMessage(g.Message)
	if err != nil {
		return nil, err
	}
	if g.JSON != nil {
		return message, (&jsonpb.Unmarshaler{}).Unmarshal(bytes.NewReader(g.JSON), legacy.MessageV1(message))
	}
	return message, proto.Unmarshal(g.Bytes, message)
}

func (g given) read() read {
	message, err := g.parse()
	if err != nil {
		return read{Error: err.Error()}
	}
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	if err != nil {
		return read{Error: err.Error()}
	}
	text, err := protojson.MarshalOptions{UseProtoNames: g.ProtoNames}.Marshal(message)
	if err != nil {
		return read{Error: err.Error(), Bytes: encoded}
	}
	return read{JSON: text, Bytes: encoded}
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked command
		check(json.Unmarshal(lines.Bytes(), &asked))
		said := answer{Messages: map[string][]field{}, Enums: map[string]map[string]int32{}, closed: asked.Closed}
		for _, name := range asked.Describe {
			message, err := newMessage(name)
			check(err)
			said.describe(message.ProtoReflect().Descriptor())
		}
		for _, one := range asked.Read {
			said.Read = append(said.Read, one.read())
		}
		check(out.Encode(said))
	}
	check(lines.Err())
}
