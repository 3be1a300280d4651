#!/bin/sh
# Prints the two Secrets that Weir and the MCP source need, of a CA that is made for them and forgotten:
#   deploy/istio/certificates.sh | kubectl apply -f -
# To renew them, run it again: both sides read their files again. DAYS=90 makes them valid for 90 days, NAMESPACE=… is for another namespace.
set -eu
namespace=${NAMESPACE:-istio-mcp}
days=${DAYS:-825}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
umask 077
cd "$folder"

openssl ecparam -name prime256v1 -genkey -noout -out ca.key
openssl req -x509 -new -key ca.key -sha256 -days "$days" -subj /CN=weir-mcp \
  -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign -out ca.crt

# secret NAME USAGE DNS-NAME…
secret() {
  name=$1 usage=$2
  shift 2
  names=$(printf ',DNS:%s' "$@")
  openssl ecparam -name prime256v1 -genkey -noout -out "$name.key"
  openssl req -new -key "$name.key" -subj "/CN=$name" -out "$name.csr"
  printf 'subjectAltName=%s\nextendedKeyUsage=%s\nkeyUsage=critical,digitalSignature\n' "${names#,}" "$usage" >"$name.ext"
  openssl x509 -req -in "$name.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -sha256 -days "$days" -extfile "$name.ext" \
    -out "$name.crt" 2>"$name.log" || { cat "$name.log" >&2; exit 1; }
  cat <<YAML
---
apiVersion: v1
kind: Secret
metadata:
  name: $name
  namespace: $namespace
type: kubernetes.io/tls
data:
  ca.crt: $(base64 <ca.crt | tr -d '\n')
  tls.crt: $(base64 <"$name.crt" | tr -d '\n')
  tls.key: $(base64 <"$name.key" | tr -d '\n')
YAML
}

secret mcp-source-tls serverAuth "mcp-source.$namespace.svc" "mcp-source.$namespace.svc.cluster.local"
secret weir-mcp-tls clientAuth "weir.$namespace.svc"
