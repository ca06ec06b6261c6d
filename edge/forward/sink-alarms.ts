import type { CertificateState, SinkDescription } from "../sink.ts";

const dayMs = 86_400_000;
const warnBeforeMs = 30 * dayMs;

/** What a person should know or repair about topics, credentials and certificates, as sentences. */
export function sinkAlarms(
  topics: readonly string[],
  partitions: number,
  { reachable, fault, topics: seen, recreated, certificates }: SinkDescription,
  nowMs: number,
): string[] {
  const refused = fault?.kind === "configuration" ? [`Kafka refuses the gateway: ${fault.message}`] : [];
  const expiring = certificates.flatMap((certificate) => expiryAlarm(certificate, nowMs));
  if (!reachable) return [...refused, ...expiring];
  const missing = topics.filter((topic) => !seen.has(topic));
  const wrong = [...seen].filter(([, found]) => found.partitions !== partitions);
  return [
    ...refused,
    ...expiring,
    ...missing.map((topic) => `Topic ${topic} does not exist: run tidegate topics create.`),
    ...wrong.map(
      ([topic, found]) => `Topic ${topic} has ${found.partitions} partitions, the configuration says ${partitions}.`,
    ),
    ...recreated.map((topic) => `Topic ${topic} was deleted and created again: what it held is gone.`),
  ];
}

function expiryAlarm({ name, file, expiresMs }: CertificateState, nowMs: number): string[] {
  if (expiresMs - nowMs > warnBeforeMs) return [];
  const day = new Date(expiresMs).toISOString().slice(0, 10);
  const when = expiresMs <= nowMs ? `expired on ${day}` : `expires on ${day}`;
  return [`The ${name} ${file} ${when}: renew it; the new file is taken up without a restart.`];
}
