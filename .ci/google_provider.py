"""A stand-in for Terraform's Google provider, which knows its schema and nothing else. See .ci/google-provider.

google_provider.py make WHEEL ROOT MIRROR    writes the schema of the resources that ROOT uses, and the provider
google_provider.py serve SCHEMA              is the provider: Terraform starts it
"""

import base64
import datetime
import io
import json
import os
import pathlib
import re
import sys
import tarfile
import threading
import zipfile
from concurrent import futures

VERSION = "8.7.0"
# The arguments of the provider itself that the configuration may name.
PROVIDER = {"billing_project": "string", "project": "string", "region": "string", "user_project_override": "bool", "zone": "string"}

# ---- The schema, from the bindings' JavaScript.

ARGUMENT = re.compile(
    r'\n\s+(\w+): \{\n\s+value: .*?,\n\s+isBlock: (true|false),\n\s+type: "(\w+)",\n\s+storageClassType: "(\w+)",'
)
FLAGS = re.compile(r"// (\w+) - computed: (true|false), optional: (true|false), required: (true|false)[^\n]*\n(?=(.{0,400}))", re.S)
GETTER = re.compile(r"get(String|Number|Boolean|List|StringMap|NumberList)Attribute\('(\w+)'\)")
GOT = {
    "String": "string",
    "Number": "number",
    "Boolean": "bool",
    "List": ["list", "string"],
    "NumberList": ["list", "number"],
    "StringMap": ["map", "string"],
}
SCALARS = {"string": "string", "number": "number", "boolean": "bool"}


class Bindings:
    """The source of one resource or data source."""

    def __init__(self, source):
        self.functions = dict(re.findall(r"function (\w+)ToHclTerraform\(struct\) \{(.*?)\n\}\n", source, re.S))
        classes = re.findall(r"\nclass (\w+) extends (\S+) \{(.*?)\n\}\n", source, re.S)
        self.classes = {name: body for name, _, body in classes}
        (self.top,) = [name for name, base, _ in classes if base in ("cdktn.TerraformResource", "cdktn.TerraformDataSource")]

    def schema(self):
        body = self.classes[self.top]
        return self.block(body[body.index("synthesizeHclAttributes") :], self.top)

    def block(self, arguments, class_name):
        flags = {
            name: (computed == "true", optional == "true", required == "true", rest)
            for name, computed, optional, required, rest in FLAGS.findall(self.classes[class_name])
        }
        attributes, blocks = {}, {}
        for name, is_block, kind, stored in ARGUMENT.findall(arguments):
            computed, optional, required, _ = flags.get(name, (False, True, False, ""))
            inner = stored.removesuffix("List") if kind in ("list", "set") else stored
            function = inner[0].lower() + inner[1:]
            if is_block == "true" and function in self.functions:
                nesting = "single" if kind == "struct" else kind
                block = self.block(self.functions[function], inner + "OutputReference")
                blocks[name] = {"nesting": nesting, "required": required, "block": block}
            else:
                attributes[name] = attribute(type_of(kind, stored), required, optional, computed)
        for name, (computed, optional, required, rest) in flags.items():
            if name in attributes or name in blocks or optional or required:
                continue
            got = GETTER.search(rest)
            if got and got[2] == name:
                attributes[name] = attribute(GOT[got[1]], False, False, True)
        return {"attributes": attributes, "blocks": blocks}


def attribute(kind, required, optional, computed):
    return {"type": kind, "required": required, "optional": optional, "computed": computed}


def type_of(kind, stored):
    if kind == "simple":
        return SCALARS.get(stored, "dynamic")
    scalar = next((terraform for name, terraform in SCALARS.items() if stored.startswith(name)), None)
    if scalar is None:
        return "dynamic"
    return [kind, ["list", scalar] if stored.lower().endswith("listlist") else scalar]


def make(wheel, root, mirror):
    used = set()
    for file in pathlib.Path(root).rglob("*.tf"):
        used.update(re.findall(r'^(resource|data) "google_(\w+)"', file.read_text(), re.M))
    with zipfile.ZipFile(wheel) as outer:
        (name,) = [name for name in outer.namelist() if name.endswith(".jsii.tgz")]
        bindings = tarfile.open(fileobj=io.BytesIO(outer.read(name)))
    folders = {("data-google-" if kind == "data" else "") + name.replace("_", "-"): (kind, "google_" + name) for kind, name in used}
    schema = {"resource": {}, "data": {}}
    for member in bindings:
        path = pathlib.PurePosixPath(member.name)
        if path.name == "index.js" and path.parent.parent.name == "lib" and path.parent.name in folders:
            kind, name = folders.pop(path.parent.name)
            schema[kind][name] = Bindings(bindings.extractfile(member).read().decode()).schema()
    if folders:
        sys.exit(f"google_provider.py: {wheel} has no {', '.join(sorted(folders))}; the version of the bindings may be too old")
    place = pathlib.Path(mirror, "registry.terraform.io/hashicorp/google", VERSION, "linux_amd64")
    place.mkdir(parents=True, exist_ok=True)
    described = place / "schema.json"
    described.write_text(json.dumps(schema))
    program = place / f"terraform-provider-google_v{VERSION}"
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{pathlib.Path(__file__).resolve()}' serve '{described.resolve()}'\n")
    program.chmod(0o755)


# ---- The provider: version 5 of Terraform's plugin protocol, as far as a schema goes. Other calls get an empty answer, which says
# that there is nothing to complain of.


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def field(number, content):
    """A field of protobuf: bytes, text, or a number that is not written where it is 0."""
    if isinstance(content, (bool, int)):
        return varint(number << 3) + varint(int(content)) if content else b""
    content = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(content)) + content


NESTING = {"single": 1, "list": 2, "set": 3, "map": 4}


def encoded(block):
    out = b""
    for name, one in block["attributes"].items():
        flags = field(4, one["required"]) + field(5, one["optional"]) + field(6, one["computed"])
        out += field(2, field(1, name) + field(2, json.dumps(one["type"])) + flags)
    for name, one in block["blocks"].items():
        least = one["required"] and one["nesting"] in ("list", "set")
        out += field(3, field(1, name) + field(2, encoded(one["block"])) + field(3, NESTING[one["nesting"]]) + field(4, least))
    return out


def answer(schema):
    """GetProviderSchema.Response."""
    provider = {"attributes": {name: attribute(kind, False, True, False) for name, kind in PROVIDER.items()}, "blocks": {}}
    out = field(1, field(2, encoded(provider)))
    for number, kind in ((2, "resource"), (3, "data")):
        for name, block in schema[kind].items():
            out += field(number, field(1, name) + field(2, field(2, encoded(block))))
    return out


def certificate():
    """A key and a certificate of its own for loopback, which Terraform is told in the first line."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(True, None), True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private, made.public_bytes(pem), made.public_bytes(serialization.Encoding.DER)


def serve(schema):
    import grpc

    schema = answer(json.loads(pathlib.Path(schema).read_text()))

    class Provider(grpc.GenericRpcHandler):
        def service(self, call):
            service, method = call.method.rsplit("/", 1)
            if service.endswith("GRPCController"):
                threading.Timer(0.1, os._exit, [0]).start()
            elif not service.endswith("tfplugin5.Provider"):
                return None
            content = schema if method == "GetSchema" else b""
            return grpc.unary_unary_rpc_method_handler(lambda request, context: content)

    private, public, der = certificate()
    server = grpc.server(futures.ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers([Provider()])
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(private, public)]))
    server.start()
    print(f"1|5|tcp|127.0.0.1:{port}|grpc|{base64.b64encode(der).decode().rstrip('=')}", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    if sys.argv[1:2] == ["make"] and len(sys.argv) == 5:
        make(*sys.argv[2:])
    elif sys.argv[1:2] == ["serve"] and len(sys.argv) == 3:
        serve(sys.argv[2])
    else:
        sys.exit(__doc__)
