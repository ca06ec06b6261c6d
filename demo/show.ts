import { stripVTControlCharacters, styleText } from "node:util";
import type { AlertView } from "../edge/console/view.ts";

/** One look at the whole site. */
export interface Figures {
  readonly sent: number;
  readonly received: number;
  readonly acknowledged: number;
  readonly stored: number;
  readonly published: number;
  /** Undefined where there is no Kafka. */
  readonly inFleet: number | undefined;
  readonly alertsOpen: number;
  readonly unsent: number;
  readonly quarantined: number;
  /** No more observations wait for Kafka than a second brings. */
  readonly caughtUp: boolean;
  /** What is going on, if it is not the usual. */
  readonly remark: string;
}

/** Where the demo writes: lines that stay, and on a terminal one status line below them that is redrawn. */
export class Screen {
  readonly #out: NodeJS.WriteStream;
  readonly #quiet: boolean;
  readonly #lineEveryMs = 5000;
  #lastLineMs = -Infinity;
  #status = "";

  /** `quiet` writes nothing at all. */
  constructor(out: NodeJS.WriteStream, quiet: boolean) {
    this.#out = out;
    this.#quiet = quiet;
  }

  line(text: string): void {
    if (this.#quiet) return;
    if (this.#out.isTTY) this.#out.write(`\r\u001b[2K${text}\n${this.#status}`);
    else this.#out.write(`${text}\n`);
  }

  status(figures: Figures): void {
    if (this.#quiet) return;
    const text = statusText(figures);
    if (this.#out.isTTY) {
      this.#status = text.slice(0, this.#out.columns - 1);
      this.#out.write(`\r\u001b[2K${this.#status}`);
    } else if (performance.now() - this.#lastLineMs >= this.#lineEveryMs) {
      this.#lastLineMs = performance.now();
      this.#out.write(`${text}\n`);
    }
  }

  /** The status line stays as it is. */
  end(): void {
    if (!this.#quiet && this.#out.isTTY && this.#status !== "") this.#out.write("\n");
    this.#status = "";
  }

  alert({ record }: AlertView): void {
    const text = `${record.kind.toUpperCase()} ${record.priority}  ${record.device} (${record.path}): ${record.explanation}`;
    const action = record.action === undefined || record.kind !== "raise" ? "" : `\n      ${record.action}`;
    const colour = record.kind === "clear" ? "dim" : record.priority === "low" ? "yellow" : "red";
    this.line(`  ! ${this.#out.isTTY ? styleText(colour, text) : text}${action}`);
  }
}

function statusText(figures: Figures): string {
  const { sent, received, acknowledged, stored, published, inFleet, alertsOpen, unsent, quarantined } = figures;
  const parts = [
    `sent ${sent}`,
    `received ${received}`,
    `acknowledged ${acknowledged}`,
    `stored ${stored}`,
    `published ${published}`,
    inFleet === undefined ? "" : `in fleet result ${inFleet}`,
    `alerts ${alertsOpen}`,
    quarantined > 0 ? `quarantined ${quarantined}` : "",
    unsent > 0 ? `waiting ${unsent}` : "",
    figures.remark,
  ];
  return stripVTControlCharacters(parts.filter(Boolean).join("  "));
}
