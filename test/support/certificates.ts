import { execFile } from "node:child_process";
import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Files of a certificate authority that only this test trusts, and of one certificate that it issued. */
export interface TestCertificates {
  readonly caFile: string;
  readonly certificateFile: string;
  readonly keyFile: string;
  /** Certificate and key in one file, as Kafka wants them. */
  readonly certificateAndKeyFile: string;
}

/**
 * Makes a CA and a certificate, valid for `localhost` and 127.0.0.1, as server and as client. `name` is its common
 * name and the beginning of the file names.
 */
export async function makeCertificates(folder: string, name = "localhost"): Promise<TestCertificates> {
  const openssl = opensslIn(folder);
  const key = "-newkey rsa:2048 -nodes";
  const authority = "-x509 -days 2 -subj /CN=tidegate-test-ca -addext keyUsage=critical,keyCertSign,cRLSign";
  await openssl(`req ${key} ${authority} -keyout ${name}-ca-key.pem -out ${name}-ca.pem`);
  const { certFile, keyFile, bothFile } = await issueCertificate(folder, name);
  return {
    caFile: join(folder, `${name}-ca.pem`),
    certificateFile: certFile,
    keyFile,
    certificateAndKeyFile: bothFile,
  };
}

export interface Issue {
  /** For whom it is valid. */
  readonly names?: string;
  /** Until it expires; negative: it has expired. Default: 2. */
  readonly days?: number;
}

/** Issues another certificate by the CA of `makeCertificates(folder, authority)`, with a key of its own: `<name>.pem`, `<name>-key.pem`. */
export async function issueCertificate(
  folder: string,
  name: string,
  { names = "DNS:localhost,IP:127.0.0.1", days = 2 }: Issue = {},
  authority = name,
): Promise<{ readonly certFile: string; readonly keyFile: string; readonly bothFile: string }> {
  const openssl = opensslIn(folder);
  await openssl(`req -newkey rsa:2048 -nodes -subj /CN=${name} -keyout ${name}-key.pem -out ${name}.request`);
  const extensions = [`subjectAltName=${names}`, "extendedKeyUsage=serverAuth,clientAuth"];
  await writeFile(join(folder, `${name}.extensions`), extensions.join("\n"));
  const issuer = `-CA ${authority}-ca.pem -CAkey ${authority}-ca-key.pem -CAcreateserial -extfile ${name}.extensions`;
  await openssl(`x509 -req -days ${days} -in ${name}.request ${issuer} -out ${name}.pem`);
  const file = (suffix: string): string => join(folder, `${name}${suffix}.pem`);
  await chmod(file("-key"), 0o600);
  const both = [await readFile(file("")), await readFile(file("-key"))];
  await writeFile(file("-both"), Buffer.concat(both), { mode: 0o600 });
  return { certFile: file(""), keyFile: file("-key"), bothFile: file("-both") };
}

/** File names are relative to the folder and have no spaces, so that commands can be written as one line. */
function opensslIn(folder: string): (command: string) => Promise<unknown> {
  return (command) => run("openssl", command.split(" "), { cwd: folder });
}
