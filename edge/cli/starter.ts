/** The file that `tidegate init` writes: runs as it is, on this machine only, and shows where to go from there. */
export function starterConfig(id: string, path: string): string {
  return `# Configuration of a Tidegate edge agent. \`tidegate check\` finds mistakes; docs/configuration.md explains every key.
# Paths are relative to this file. Passwords and keys stand in files of their own (chmod 600), never here.

gateway:
  # Never change the id once the gateway has run: it is part of every record's identity.
  id: ${id}
  path: ${path}            # enterprise/site
  dataFolder: ./data
  profilesFolder: ./profiles    # your own device profiles: <vendor>/<model>.yaml

# Without \`kafka\` everything stays in the local buffer. Create the topics once: tidegate topics create
# kafka:
#   brokers: ["kafka-1.example.com:9093"]
#   topicPrefix: tidegate
#   partitions: 8
#   tls: { caFile: ./ca.pem }
#   sasl: { mechanism: SCRAM-SHA-512, username: ${id}, passwordFile: ./kafka-password }

journal:
  quotaBytes: 10000000000       # 10 GB; when it is full, the oldest unsent observations are dropped and ledgered

sources:
  # Devices on this machine publish to the gateway itself. To let others in: another host, \`tls\`, and \`usersFile\`
  # instead of allowAnonymous.
  - name: plant
    type: broker
    listen: { host: 127.0.0.1, port: 1883 }
    allowAnonymous: true

  # Or subscribe at a broker that you already have:
  # - name: site
  #   type: mqtt
  #   url: mqtts://broker.example.com:8883
  #   clientId: ${id}
  #   topics: ["plant/#"]
  #   username: ${id}
  #   passwordFile: ./mqtt-password

  # A PLC over OPC UA; item names are those of the profile:
  # - name: line-2
  #   type: opcua
  #   endpoint: opc.tcp://192.168.10.17:4840
  #   devices:
  #     - id: press-17
  #       items: { temperature: "nsu=urn:acme:press;s=press-17.Temperature" }

devices:
  # The first rule that matches decides. {name} captures exactly one level of the topic.
  - source: plant
    topic: plant/{line}/{device}/data
    device: "{device}"
    path: ${path}/{line}
    profile: generic/json-sensor
    devicesMax: 1000

console:
  listen: { host: 127.0.0.1, port: 8080 }

log: { level: info }
`;
}
