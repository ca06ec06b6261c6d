import { MqttDevices, type MqttCounts, type MqttDevicesOptions } from "./mqtt-devices.ts";
import { startPressServer, type PressServer } from "./press-server.ts";

/** The whole simulated plant in one process: a press line over OPC UA, pumps and sensors over MQTT. */
export interface PlantOptions extends MqttDevicesOptions {
  /** The press line; undefined: none. */
  readonly press: { readonly port: number; readonly folder: string } | undefined;
}

export interface PlantCounts extends MqttCounts {
  /** Changes of value of the press line: what a lossless OPC UA client must have received, beside the initial values. */
  readonly pressChanges: number;
}

export interface Plant extends AsyncDisposable {
  readonly press: Pick<PressServer, "endpoint" | "certificateFile"> | undefined;
  counts(): PlantCounts;
  /** Ends all sending and waits for the acknowledgements, at most `withinMs`. False where some never came. */
  finish(withinMs: number): Promise<boolean>;
}

/** Resolves when the press line listens and the MQTT devices have begun to connect. */
export async function startPlant(options: PlantOptions): Promise<Plant> {
  const press =
    options.press === undefined
      ? undefined
      : await startPressServer({ ...options.press, seed: options.seed, trustAnyClient: true });
  const devices = new MqttDevices(options);
  devices.start();
  const counts = (): PlantCounts => ({
    ...devices.counts(),
    pressChanges: [...(press?.changes.values() ?? [])].reduce((sum, changes) => sum + changes, 0),
  });
  return {
    press,
    counts,
    finish: (withinMs) => devices.finish(withinMs),
    [Symbol.asyncDispose]: async () => {
      await devices[Symbol.asyncDispose]();
      await press?.stop();
    },
  };
}
