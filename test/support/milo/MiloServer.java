import static org.eclipse.milo.opcua.stack.core.types.builtin.unsigned.Unsigned.ulong;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.cert.X509Certificate;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.eclipse.milo.opcua.sdk.core.AccessLevel;
import org.eclipse.milo.opcua.sdk.core.Reference;
import org.eclipse.milo.opcua.sdk.server.EndpointConfig;
import org.eclipse.milo.opcua.sdk.server.ManagedNamespaceWithLifecycle;
import org.eclipse.milo.opcua.sdk.server.OpcUaServer;
import org.eclipse.milo.opcua.sdk.server.OpcUaServerConfig;
import org.eclipse.milo.opcua.sdk.server.Session;
import org.eclipse.milo.opcua.sdk.server.items.DataItem;
import org.eclipse.milo.opcua.sdk.server.items.MonitoredItem;
import org.eclipse.milo.opcua.sdk.server.nodes.UaVariableNode;
import org.eclipse.milo.opcua.sdk.server.util.SubscriptionModel;
import org.eclipse.milo.opcua.stack.core.NodeIds;
import org.eclipse.milo.opcua.stack.core.StatusCodes;
import org.eclipse.milo.opcua.stack.core.security.DefaultApplicationGroup;
import org.eclipse.milo.opcua.stack.core.security.DefaultCertificateManager;
import org.eclipse.milo.opcua.stack.core.security.DefaultServerCertificateValidator;
import org.eclipse.milo.opcua.stack.core.security.FileBasedTrustListManager;
import org.eclipse.milo.opcua.stack.core.security.KeyStoreCertificateStore;
import org.eclipse.milo.opcua.stack.core.security.MemoryCertificateQuarantine;
import org.eclipse.milo.opcua.stack.core.security.RsaSha256CertificateFactory;
import org.eclipse.milo.opcua.stack.core.security.SecurityPolicy;
import org.eclipse.milo.opcua.stack.core.types.builtin.DataValue;
import org.eclipse.milo.opcua.stack.core.types.builtin.LocalizedText;
import org.eclipse.milo.opcua.stack.core.types.builtin.NodeId;
import org.eclipse.milo.opcua.stack.core.types.builtin.StatusCode;
import org.eclipse.milo.opcua.stack.core.types.builtin.Variant;
import org.eclipse.milo.opcua.stack.core.types.enumerated.MessageSecurityMode;
import org.eclipse.milo.opcua.stack.core.util.SelfSignedCertificateBuilder;
import org.eclipse.milo.opcua.stack.transport.server.tcp.OpcTcpServerTransport;
import org.eclipse.milo.opcua.stack.transport.server.tcp.OpcTcpServerTransportConfig;

/**
 * An OPC UA server on a stack that we did not write (Eclipse Milo), for the OPC UA source: Basic256Sha256
 * SignAndEncrypt only, client certificates trusted when they lie in {@code <folder>/pki/trusted/certs}.
 *
 * <p>Usage: {@code MiloServer PORT FOLDER}. Prints one JSON line when it listens. Commands, one for each connection to the
 * control port: {@code bad NAME} gives a variable a bad status, {@code kill-sessions} ends every session and its
 * subscriptions on the server's side. Each is answered by {@code done}.
 */
public final class MiloServer {
  private static final String NAMESPACE = "urn:acme:press";
  private static final String APPLICATION = "urn:acme:milo";
  private static final long COUNT_EVERY_MS = 200;

  public static void main(String[] arguments) throws Exception {
    int port = Integer.parseInt(arguments[0]);
    Path folder = Path.of(arguments[1]);
    DefaultApplicationGroup group = applicationGroup(folder);
    X509Certificate certificate = group.getCertificateEntries().get(0).certificateChain[0];
    Files.write(folder.resolve("certificate.der"), certificate.getEncoded());

    OpcUaServer server = new OpcUaServer(
        configuration(port, group, certificate),
        profile -> new OpcTcpServerTransport(OpcTcpServerTransportConfig.newBuilder().build()));
    Press press = new Press(server);
    press.startup();
    server.startup().get(20, TimeUnit.SECONDS);
    press.count();
    ServerSocket control = new ServerSocket(0, 8, InetAddress.getLoopbackAddress());
    System.out.println("{\"endpoint\":\"opc.tcp://127.0.0.1:" + port + "/press\",\"control\":" + control.getLocalPort() + "}");
    while (true) {
      try (Socket socket = control.accept()) {
        obey(new BufferedReader(new InputStreamReader(socket.getInputStream())).readLine(), press, server);
        socket.getOutputStream().write("done\n".getBytes());
      }
    }
  }

  private static void obey(String command, Press press, OpcUaServer server) {
    if (command.startsWith("bad ")) press.set(command.substring(4), 1.5, new StatusCode(StatusCodes.Bad_SensorFailure));
    if (command.equals("kill-sessions")) killSessions(server);
  }

  private static void killSessions(OpcUaServer server) {
    for (Session session : server.getSessionManager().getAllSessions()) {
      server.getSessionManager().killSession(session.getSessionId(), true);
    }
  }

  private static OpcUaServerConfig configuration(int port, DefaultApplicationGroup group, X509Certificate certificate) {
    EndpointConfig endpoint = EndpointConfig.newBuilder()
        .setBindAddress("127.0.0.1")
        .setHostname("127.0.0.1")
        .setBindPort(port)
        .setPath("/press")
        .setCertificate(certificate)
        .setSecurityPolicy(SecurityPolicy.Basic256Sha256)
        .setSecurityMode(MessageSecurityMode.SignAndEncrypt)
        .addTokenPolicy(OpcUaServerConfig.USER_TOKEN_POLICY_ANONYMOUS)
        .build();
    return OpcUaServerConfig.builder()
        .setApplicationUri(APPLICATION)
        .setApplicationName(LocalizedText.english("Milo press"))
        .setProductUri(APPLICATION)
        .setCertificateManager(new DefaultCertificateManager(new MemoryCertificateQuarantine(), group))
        .setEndpoints(Set.of(endpoint))
        .build();
  }

  private static DefaultApplicationGroup applicationGroup(Path folder) throws Exception {
    FileBasedTrustListManager trusted = FileBasedTrustListManager.createAndInitialize(folder.resolve("pki"));
    // The key lives as long as the test's folder.
    KeyStoreCertificateStore store = KeyStoreCertificateStore.createAndInitialize(
        new KeyStoreCertificateStore.Settings(
            folder.resolve("keys.pfx"), () -> "test".toCharArray(), alias -> "test".toCharArray()));
    return DefaultApplicationGroup.createAndInitialize(
        trusted,
        store,
        new RsaSha256CertificateFactory() {
          @Override
          protected X509Certificate[] createRsaSha256CertificateChain(KeyPair keys) throws Exception {
            X509Certificate certificate = new SelfSignedCertificateBuilder(keys)
                .setCommonName("Milo press")
                .setOrganization("ACME")
                .setApplicationUri(APPLICATION)
                .addIpAddress("127.0.0.1")
                .build();
            return new X509Certificate[] {certificate};
          }
        },
        new DefaultServerCertificateValidator(trusted, new MemoryCertificateQuarantine()));
  }

  /** The variables of the press; Counter goes up by one as long as the server runs. */
  private static final class Press extends ManagedNamespaceWithLifecycle {
    private final SubscriptionModel subscriptions;
    private final Map<String, UaVariableNode> variables = new TreeMap<>();

    Press(OpcUaServer server) {
      super(server, NAMESPACE);
      subscriptions = new SubscriptionModel(server, this);
      getLifecycleManager().addLifecycle(subscriptions);
      getLifecycleManager().addStartupTask(() -> {
        add("Temperature", NodeIds.Double, 20.5);
        add("Counter", NodeIds.Int64, 0L);
        add("Lowest", NodeIds.Int64, Long.MIN_VALUE);
        add("Unsigned", NodeIds.UInt64, ulong(-1L));
        add("Mode", NodeIds.String, "auto");
        add("Ready", NodeIds.Boolean, true);
      });
    }

    private void add(String name, NodeId type, Object value) {
      UaVariableNode node = new UaVariableNode.UaVariableNodeBuilder(getNodeContext())
          .setNodeId(newNodeId("press." + name))
          .setBrowseName(newQualifiedName(name))
          .setDisplayName(LocalizedText.english(name))
          .setDataType(type)
          .setTypeDefinition(NodeIds.BaseDataVariableType)
          .setAccessLevel(AccessLevel.READ_ONLY)
          .setUserAccessLevel(AccessLevel.READ_ONLY)
          .setMinimumSamplingInterval(0.0)
          .setValue(new DataValue(new Variant(value)))
          .build();
      getNodeManager().addNode(node);
      node.addReference(new Reference(
          node.getNodeId(), NodeIds.Organizes, NodeIds.ObjectsFolder.expanded(), Reference.Direction.INVERSE));
      variables.put(name, node);
    }

    void set(String name, Object value, StatusCode status) {
      variables.get(name).setValue(new DataValue(new Variant(value), status));
    }

    void count() {
      AtomicLong counter = new AtomicLong();
      Executors.newSingleThreadScheduledExecutor()
          .scheduleAtFixedRate(
              () -> set("Counter", counter.incrementAndGet(), StatusCode.GOOD),
              COUNT_EVERY_MS,
              COUNT_EVERY_MS,
              TimeUnit.MILLISECONDS);
    }

    @Override
    public void onDataItemsCreated(List<DataItem> items) {
      subscriptions.onDataItemsCreated(items);
    }

    @Override
    public void onDataItemsModified(List<DataItem> items) {
      subscriptions.onDataItemsModified(items);
    }

    @Override
    public void onDataItemsDeleted(List<DataItem> items) {
      subscriptions.onDataItemsDeleted(items);
    }

    @Override
    public void onMonitoringModeChanged(List<MonitoredItem> items) {
      subscriptions.onMonitoringModeChanged(items);
    }
  }
}
