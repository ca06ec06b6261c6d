import { chmod, mkdir, readFile, rename, stat } from "node:fs/promises";
import { createHash, X509Certificate } from "node:crypto";
import { hostname } from "node:os";
import { join } from "node:path";
import { earliestPlausibleMicros } from "../../../src/clock.ts";
import type { Library } from "./library.ts";

/*
 * The certificates of the gateway as an OPC UA client, one store for all its OPC UA sources:
 *
 *   <folder>/own/certs/tidegate.pem          our certificate; its application URI is final from the first moment
 *   <folder>/own/private/private_key.pem     its key, readable by the owner only
 *   <folder>/rejected/                       certificates of servers that nobody has trusted yet
 *   <folder>/trusted/certs/                  move a certificate here to trust its server
 *   <folder>/trusted/crl/, issuers/          for servers whose certificate comes from an authority
 */
export interface Identity {
  readonly folder: string;
  readonly applicationUri: string;
  readonly certificateFile: string;
  /** SHA-1 of our certificate in capitals: what servers and their tools show. */
  readonly thumbprint: string;
}

export function applicationUriOf(gatewayId: string): string {
  return `urn:tidegate:${gatewayId}`;
}

/** 2048 bits: what every server of the offered policies takes. */
const keySize = 2048;
const validityDays = 3650;

const making = new Map<string, Promise<Identity>>();

/** Our identity; made at first use, and again (the old certificate set aside) where it belongs to another gateway id. */
export function loadIdentity(library: Library, folder: string, gatewayId: string): Promise<Identity> {
  const known = making.get(folder);
  if (known !== undefined) return known;
  const identity = makeIdentity(library, folder, gatewayId);
  making.set(folder, identity);
  const forget = (): void => void making.delete(folder);
  identity.then(forget, forget);
  return identity;
}

async function makeIdentity(library: Library, folder: string, gatewayId: string): Promise<Identity> {
  const applicationUri = applicationUriOf(gatewayId);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const manager = openStore(library, folder);
  await manager.initialize();
  try {
    const certificateFile = join(folder, "own", "certs", "tidegate.pem");
    const present = await readCertificate(certificateFile);
    if (present === undefined || !present.subjectAltName?.split(", ").includes(`URI:${applicationUri}`)) {
      if (present !== undefined) await rename(certificateFile, `${certificateFile}.${thumbprintOf(present)}.old`);
      await manager.createSelfSignedCertificate({
        applicationUri,
        dns: [hostname()],
        outputFile: certificateFile,
        subject: { commonName: `Tidegate ${gatewayId}`, organization: "Tidegate" },
        // Early on purpose: the clock of this gateway may not be set yet, and the clocks of many PLCs run behind.
        startDate: new Date(earliestPlausibleMicros / 1000),
        validity: validityDays,
      });
    }
    await chmod(manager.privateKey, 0o600);
    const own = await readCertificate(certificateFile);
    if (own === undefined) throw new Error(`the certificate ${certificateFile} was not made`);
    return { folder, applicationUri, certificateFile, thumbprint: thumbprintOf(own) };
  } finally {
    await manager.dispose();
  }
}

/** Reads the trust lists anew; a certificate that was moved since the last connect counts. */
export function openStore(library: Library, folder: string) {
  return new library.CertificateManager({
    rootFolder: folder,
    automaticallyAcceptUnknownCertificate: false,
    disableFileWatchers: true,
    keySize,
  });
}

async function readCertificate(file: string): Promise<X509Certificate | undefined> {
  const exists = await stat(file).then(
    () => true,
    () => false,
  );
  return exists ? new X509Certificate(await readFile(file)) : undefined;
}

function thumbprintOf(certificate: X509Certificate): string {
  return thumbprint(certificate.raw);
}

export function thumbprint(der: Buffer): string {
  return createHash("sha1").update(der).digest("hex").toUpperCase();
}
