import type { Edit } from "../../support/edit-code.ts";

/** Ways to break the promise, each a line or two of the product. The rig must catch every one of them. */
export const brokenVariants: readonly { readonly name: string; readonly edits: readonly Edit[] }[] = [
  {
    name: "synchronous=NORMAL",
    edits: [
      {
        file: "edge/journal/database.ts",
        from: 'db.exec("PRAGMA synchronous = FULL");',
        to: 'db.exec("PRAGMA synchronous = NORMAL");',
      },
      { file: "edge/journal/database.ts", from: "{ synchronous: 2 }", to: "{ synchronous: 1 }" },
    ],
  },
  {
    name: "acknowledgement before commit",
    edits: [
      {
        file: "edge/journal/connection.ts",
        from: 'this.#db.exec("COMMIT");',
        to: 'setTimeout(() => this.#db.isTransaction && this.#db.exec("COMMIT"), 3);',
      },
      {
        file: "edge/journal/connection.ts",
        from: 'this.#db.exec("BEGIN IMMEDIATE");',
        to: 'if (this.#db.isTransaction) this.#db.exec("COMMIT"); this.#db.exec("BEGIN IMMEDIATE");',
      },
    ],
  },
  {
    name: "cursor moved when the send begins",
    edits: [
      {
        file: "edge/journal/store.ts",
        from: "this.#cursors.sending(lane, first, last);",
        to: "this.#cursors.settle(lane, first, last, true);",
      },
    ],
  },
  {
    name: "source cursor in a transaction of its own",
    edits: [
      {
        file: "edge/journal/store.ts",
        from: "for (const [key, value] of group.state) this.#state.set(key, value);",
        to: "",
      },
      {
        file: "edge/journal/store.ts",
        from: 'return { kind: "stored", commit, blocks: [...blocks, ...own] };',
        to: 'this.#write(() => { for (const [key, value] of group.state) this.#state.set(key, value); }); return { kind: "stored", commit, blocks: [...blocks, ...own] };',
      },
    ],
  },
  {
    name: "data folder made without a sync",
    edits: [{ file: "edge/journal/sync-folder.ts", from: "fsyncSync(descriptor);", to: "" }],
  },
];
