"""An OPC UA server that we did not write (PyPI asyncua), for the OPC UA source.

usage: asyncua_server.py --port 4840 --folder <certificates> [--padding 3]

`--padding` registers that many namespaces before `urn:acme:press`, so that its index moves. Client certificates are
trusted when their DER or PEM file lies in `<folder>/trusted`. Prints one JSON line when it listens; takes commands as
JSON lines on the control port: {"set": [name, value]}, {"status": [name, "BadSensorFailure"]}, {"sessions": true}.
"""

import argparse
import asyncio
import json
import logging
from datetime import datetime, timezone
from pathlib import Path

from asyncua import Server, ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from asyncua.crypto.uacrypto import load_certificate
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

NAMESPACE = "urn:acme:press"
APPLICATION = "urn:acme:asyncua"

VARIABLES = {
    "Temperature": ua.Variant(20.5, ua.VariantType.Double),
    "Counter": ua.Variant(0, ua.VariantType.Int64),
    "Lowest": ua.Variant(-(2**63), ua.VariantType.Int64),
    "Highest": ua.Variant(2**63 - 1, ua.VariantType.Int64),
    "Unsigned": ua.Variant(2**64 - 1, ua.VariantType.UInt64),
    "Mode": ua.Variant("auto", ua.VariantType.String),
    "Ready": ua.Variant(True, ua.VariantType.Boolean),
    "Label": ua.Variant(ua.LocalizedText("Presse"), ua.VariantType.LocalizedText),
    "Spectrum": ua.Variant([1.0, 2.0, 3.0], ua.VariantType.Double),
    "Empty": ua.Variant(None, ua.VariantType.Null),
}


async def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--folder", type=Path, required=True)
    arguments.add_argument("--padding", type=int, default=0)
    options = arguments.parse_args()
    logging.basicConfig(level=logging.ERROR)

    folder: Path = options.folder
    (folder / "trusted").mkdir(parents=True, exist_ok=True)
    key, certificate = folder / "key.pem", folder / "certificate.der"
    await setup_self_signed_certificate(
        key, certificate, APPLICATION, "localhost",
        [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH],
        {"commonName": "asyncua press", "organizationName": "ACME"},
    )

    server = Server()
    await server.init()
    await server.set_application_uri(APPLICATION)
    server.set_endpoint(f"opc.tcp://127.0.0.1:{options.port}")
    server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
    await server.load_certificate(str(certificate))
    await server.load_private_key(str(key))
    server.set_certificate_validator(lambda client, _description: check(client, folder / "trusted"))

    for number in range(options.padding):
        await server.register_namespace(f"urn:acme:padding:{number}")
    index = await server.register_namespace(NAMESPACE)
    press = await server.nodes.objects.add_object(index, "press")
    nodes = {}
    for name, value in VARIABLES.items():
        nodes[name] = await press.add_variable(ua.NodeId(f"press.{name}", index), name, value)

    async with server:
        control = await asyncio.start_server(lambda r, w: serve(r, w, nodes), "127.0.0.1", 0)
        line = {
            "event": "listening",
            "endpoint": f"opc.tcp://127.0.0.1:{options.port}",
            "namespace": index,
            "control": control.sockets[0].getsockname()[1],
        }
        print(json.dumps(line), flush=True)
        counter = 0
        while True:
            await asyncio.sleep(0.05)
            counter += 1
            await nodes["Counter"].write_value(data_value(counter, ua.VariantType.Int64))


async def check(client, trusted: Path) -> None:
    for file in trusted.iterdir():
        if (await load_certificate(file)).public_bytes(Encoding.DER) == client.public_bytes(Encoding.DER):
            return
    raise ServiceError(ua.StatusCodes.BadCertificateUntrusted)


def data_value(value, kind, status="Good"):
    now = datetime.now(timezone.utc)
    code = ua.StatusCode(getattr(ua.StatusCodes, status))
    return ua.DataValue(ua.Variant(value, kind), StatusCode=code, SourceTimestamp=now, ServerTimestamp=now)


async def serve(reader, writer, nodes) -> None:
    while line := await reader.readline():
        command = json.loads(line)
        if "set" in command:
            name, value = command["set"]
            await nodes[name].write_value(data_value(value, VARIABLES[name].VariantType))
        if "status" in command:
            name, status = command["status"]
            await nodes[name].write_value(data_value(1.5, VARIABLES[name].VariantType, status))
        writer.write(b"{}\n")
        await writer.drain()
    writer.close()


asyncio.run(main())
