import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
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
  // File names are relative to the folder and have no spaces, so that commands can be written as one line.
  const openssl = (command: string): Promise<unknown> => run("openssl", command.split(" "), { cwd: folder });
  const key = "-newkey rsa:2048 -nodes";
  const authority = "-x509 -days 2 -subj /CN=tidegate-test-ca -addext keyUsage=critical,keyCertSign,cRLSign";
  await openssl(`req ${key} ${authority} -keyout ${name}-ca-key.pem -out ${name}-ca.pem`);
  await openssl(`req ${key} -subj /CN=${name} -keyout ${name}-key.pem -out ${name}.request`);
  const extensions = ["subjectAltName=DNS:localhost,IP:127.0.0.1", "extendedKeyUsage=serverAuth,clientAuth"];
  await writeFile(join(folder, `${name}.extensions`), extensions.join("\n"));
  const issuer = `-CA ${name}-ca.pem -CAkey ${name}-ca-key.pem -CAcreateserial -extfile ${name}.extensions`;
  await openssl(`x509 -req -days 2 -in ${name}.request ${issuer} -out ${name}.pem`);
  const file = (suffix: string): string => join(folder, `${name}${suffix}.pem`);
  const both = [await readFile(file("")), await readFile(file("-key"))];
  await writeFile(file("-both"), Buffer.concat(both), { mode: 0o600 });
  return {
    caFile: file("-ca"),
    certificateFile: file(""),
    keyFile: file("-key"),
    certificateAndKeyFile: file("-both"),
  };
}
