import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";

const places = [
  process.env["TIDEGATE_CHROMIUM"],
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
];

/** The system's Chromium. Throws where there is none: a browser test never passes without a browser. */
export async function launchBrowser(): Promise<Browser> {
  const executablePath = places.find((path) => path !== undefined && existsSync(path));
  if (executablePath === undefined) throw new Error("no Chromium found; install it, or name it in TIDEGATE_CHROMIUM");
  const asRoot = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  return chromium.launch({ executablePath, args: [...asRoot, "--disable-gpu", "--disable-dev-shm-usage"] });
}

export interface View {
  readonly width: number;
  readonly height: number;
  readonly colorScheme?: "light" | "dark";
}

export const narrow: View = { width: 360, height: 740 };
export const wide: View = { width: 1280, height: 800 };

export interface WatchedPage {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors, warnings of the content security policy included, and failed requests that the test did not expect. */
  readonly complaints: string[];
  /** Bytes over the wire so far, by address. */
  readonly bytes: Map<string, number>;
}

/** A page whose every complaint is written down. */
export async function openPage(browser: Browser, { width, height, colorScheme = "light" }: View): Promise<WatchedPage> {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme,
    locale: "en-GB",
    timezoneId: "Europe/Berlin",
  });
  await context.addInitScript({ path: fileURLToPath(new URL("in-page.js", import.meta.url)) });
  const page = await context.newPage();
  const complaints: string[] = [];
  const bytes = new Map<string, number>();
  page.on("pageerror", (error) => complaints.push(`uncaught: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(`console: ${message.text()}`);
  });
  page.on("requestfinished", (request) => {
    void request
      .sizes()
      .then(({ responseBodySize, responseHeadersSize }) =>
        bytes.set(request.url(), responseBodySize + responseHeadersSize),
      );
  });
  return { page, context, complaints, bytes };
}

/** Pixels that the page is wider than the window; 0 means no sideways scroll. */
export function overflow(page: Page): Promise<number> {
  return page.evaluate<number>("looks.overflow()");
}

/** Visible texts with less contrast than WCAG 2.2 AA asks for. */
export function contrastFaults(page: Page): Promise<string[]> {
  return page.evaluate<string[]>("looks.contrastFaults()");
}

/** The text of what has the focus, empty where nothing has, and the style of its outline. */
export function focused(page: Page): Promise<{ text: string; outline: string }> {
  return page.evaluate<{ text: string; outline: string }>("looks.focus()");
}

/** A computed style of the first element that matches. */
export function styleOf(page: Page, selector: string, property: string): Promise<string> {
  return page.evaluate<string>(`looks.style(${JSON.stringify(selector)}, ${JSON.stringify(property)})`);
}
