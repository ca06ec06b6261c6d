import { userInfo } from "node:os";
import type { LoadedConfig } from "../../config.ts";
import { ModelDesk, type ModelChange } from "../../inference/store/model-desk.ts";
import { readTrustedKeys } from "../../inference/store/keys.ts";

export interface ChangeFlags {
  readonly config: string;
  readonly reason: string;
  readonly json: boolean;
}

/** The models of the configured gateway, as whoever runs the command may change them. */
export function deskOf({ config }: LoadedConfig): ModelDesk {
  return new ModelDesk(config.gateway.dataFolder, readTrustedKeys(config.models, config.gateway.dataFolder));
}

/** The account that runs the command, and behind sudo(8) that of the person. */
export function localChange(reason: string): ModelChange {
  const { username } = userInfo();
  const person = process.env["SUDO_USER"];
  return { by: { role: "local-user", from: person === undefined ? username : `${username} for ${person}` }, reason };
}

export const reasonOption = ["--reason <text>", "why, for the audit"] as const;
