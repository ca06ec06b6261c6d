import type { BadReason } from "../profile/profile.ts";
import type { LossReason } from "./records.ts";

/** Why records will never arrive, as the end of a sentence that begins with their number. */
export const lossMeanings: Readonly<Record<LossReason, string>> = {
  quota: "the buffer was full, so the oldest unsent records made room for new ones",
  age: "Kafka was away for longer than records of this kind are kept",
  corrupt: "the disk returned other bytes than were written",
  "maybe-delivered": "they were dropped while a send of them was under way, so Kafka may have them all the same",
  "expired-sent": "Kafka had acknowledged them and lost them, and they were no longer kept here when the cloud asked",
  refused: "Kafka refused them for ever; their bytes are in the quarantine",
  "source-overflow": "the device's own queue overflowed before the gateway could read it",
  "source-gap": "the device or its broker could not keep them while the gateway was away",
  "quarantine-evicted": "the quarantine was full, so its oldest messages made room for new ones",
  "quarantine-deleted": "an operator deleted them from the quarantine",
};

export interface BadMeaning {
  readonly title: string;
  /** What a person can do about it. */
  readonly advice: string;
}

/** Why a message is in the quarantine. */
export const badMeanings: Readonly<Record<BadReason, BadMeaning>> = {
  unroutable: {
    title: "No device fits the topic",
    advice: "Add the topic to `devices` in the configuration and retry, or stop the sender.",
  },
  "device-limit": {
    title: "Too many devices",
    advice:
      "The source has created as many devices as it may: raise `devicesMax` and retry, or look for a sender that invents names.",
  },
  "too-large": {
    title: "Too large",
    advice: "Let the sender split its messages. Of a message above 64 KiB only the beginning is kept.",
  },
  "too-deep": {
    title: "Nested too deeply",
    advice: "Let the sender flatten its messages, or raise the limit of the profile and retry.",
  },
  "not-json": {
    title: "Not JSON",
    advice: "Check the sender, or choose the profile that fits what it sends and retry.",
  },
  "not-text": {
    title: "Not text",
    advice: "Check the sender, or choose the profile that fits what it sends and retry.",
  },
  empty: { title: "Empty", advice: "Check the sender: an empty retained message often only deletes a topic." },
  "wrong-shape": {
    title: "Not what the profile expects",
    advice: "Compare the payload with the examples of the profile; correct the profile and retry.",
  },
  "no-values": {
    title: "No value found",
    advice: "Compare the payload with the examples of the profile; correct the profile and retry.",
  },
  "bad-time": {
    title: "Time cannot be read",
    advice: "Compare the time in the payload with the profile's time format; correct the profile and retry.",
  },
  "refused-by-kafka": {
    title: "Refused by Kafka",
    advice:
      "See the detail; often the record is larger than the topic allows. Raise max.message.bytes there and retry.",
  },
};

/** Also of a reason that a newer version wrote. */
export function badMeaning(reason: string): BadMeaning {
  return Object.hasOwn(badMeanings, reason) ? badMeanings[reason as BadReason] : { title: reason, advice: "" };
}

export function lossMeaning(reason: string): string {
  return Object.hasOwn(lossMeanings, reason) ? lossMeanings[reason as LossReason] : reason;
}
