/** "TGCL" in ASCII: marks the file as a store of the cloud service. */
export const applicationId = 0x5447434c;

/**
 * One entry per format version; entry n brings version n to n + 1. An entry that was released is never edited.
 *
 * Windows are minutes since 1970. Times are microseconds since 1970. Sets of numbers are the flat JSON of `Ranges`.
 */
export const migrations: readonly string[] = [
  `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

  -- The next offset to read of each partition; moves in the transaction that folds what was read.
  CREATE TABLE positions (topic TEXT, partition INTEGER, topic_id TEXT NOT NULL, position INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)) WITHOUT ROWID;

  -- Short numbers for long names. An epoch belongs to one gateway.
  CREATE TABLE epochs (no INTEGER PRIMARY KEY, gateway TEXT NOT NULL, epoch TEXT NOT NULL, counter INTEGER NOT NULL,
    first_received INTEGER, last_received INTEGER, UNIQUE (gateway, epoch));
  CREATE TABLE paths (no INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE);

  -- What arrived, what was ledgered and what manifests claim, per (gateway, epoch, stream, device).
  CREATE TABLE sequences (no INTEGER PRIMARY KEY, epoch_no INTEGER NOT NULL, stream TEXT NOT NULL, device TEXT NOT NULL,
    received TEXT NOT NULL, ledgered TEXT NOT NULL, claims TEXT NOT NULL, highest INTEGER NOT NULL,
    open_from INTEGER, count INTEGER NOT NULL, missing INTEGER NOT NULL, lost INTEGER NOT NULL, duplicates INTEGER NOT NULL,
    UNIQUE (epoch_no, stream, device));
  CREATE INDEX sequences_by_device ON sequences (device, epoch_no);

  -- How far the manifests of a partition of an epoch reach without a break.
  CREATE TABLE manifests (epoch_no INTEGER, partition INTEGER, key TEXT NOT NULL, time INTEGER, final INTEGER NOT NULL,
    PRIMARY KEY (epoch_no, partition)) WITHOUT ROWID;
  CREATE TABLE losses (gateway TEXT, device TEXT, reason TEXT, count INTEGER NOT NULL, numbered INTEGER NOT NULL,
    PRIMARY KEY (device, gateway, reason, numbered)) WITHOUT ROWID;

  CREATE TABLE devices (no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, gateway TEXT NOT NULL, path TEXT NOT NULL,
    partition INTEGER NOT NULL, last_time INTEGER NOT NULL, last_received INTEGER NOT NULL, records INTEGER NOT NULL,
    implausible INTEGER NOT NULL, late INTEGER NOT NULL, metadata TEXT);
  -- The windows in which a metric of a device has usable values, and its last value before the oldest of them.
  CREATE TABLE series (no INTEGER PRIMARY KEY, device_no INTEGER NOT NULL, metric TEXT NOT NULL, windows TEXT NOT NULL,
    base_time INTEGER, base_value REAL, UNIQUE (device_no, metric));

  -- What was measured, as chunks of one folded batch each: enough to compute a window again when something arrives late.
  CREATE TABLE samples (window INTEGER, device_no INTEGER, chunk INTEGER, data BLOB NOT NULL,
    PRIMARY KEY (window, device_no, chunk)) WITHOUT ROWID;

  -- Results. \`parent\` is the row that this one is merged into: the line of a device, the site of a line.
  CREATE TABLE rollups (no INTEGER PRIMARY KEY, level TEXT NOT NULL, key TEXT NOT NULL, window INTEGER NOT NULL,
    parent TEXT NOT NULL, revision INTEGER NOT NULL, records INTEGER NOT NULL, value TEXT NOT NULL,
    UNIQUE (level, key, window));
  CREATE INDEX rollups_by_parent ON rollups (level, parent, window);
  CREATE INDEX rollups_by_window ON rollups (window);
  -- Results that Kafka does not have yet, in their newest revision.
  CREATE TABLE outbox (rollup_no INTEGER PRIMARY KEY);

  CREATE TABLE alerts (no INTEGER PRIMARY KEY, device TEXT NOT NULL, episode TEXT NOT NULL, site TEXT NOT NULL,
    open INTEGER NOT NULL, updated INTEGER NOT NULL, value TEXT NOT NULL, UNIQUE (device, episode));
  CREATE INDEX alerts_by_time ON alerts (updated);
  CREATE TABLE gateways (gateway TEXT PRIMARY KEY, status TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE rejects (no INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, partition INTEGER NOT NULL,
    offset INTEGER NOT NULL, time INTEGER NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL);
  CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE gaps (topic TEXT, partition INTEGER, first INTEGER, last INTEGER, accepted INTEGER NOT NULL,
    PRIMARY KEY (topic, partition, first)) WITHOUT ROWID;
  `,
  `
  -- What gateways were asked to send again. A request is stored before it is published, and published until Kafka has it.
  CREATE TABLE requests (no INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, gateway TEXT NOT NULL,
    issued INTEGER NOT NULL, expires INTEGER NOT NULL, published INTEGER NOT NULL, value TEXT NOT NULL,
    state TEXT NOT NULL, resent INTEGER NOT NULL, gone INTEGER NOT NULL, pending INTEGER NOT NULL,
    unknown INTEGER NOT NULL);
  CREATE INDEX requests_by_gateway ON requests (gateway, no);
  CREATE INDEX sequences_with_holes ON sequences (no) WHERE missing > 0;

  -- Who is alive under the id of a gateway, as JSON; replaces the receive times of epochs, which a clock that was set misled.
  CREATE TABLE senders (gateway TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
  ALTER TABLE epochs DROP COLUMN first_received;
  ALTER TABLE epochs DROP COLUMN last_received;

  ALTER TABLE gaps RENAME COLUMN accepted TO found;
  ALTER TABLE gaps ADD COLUMN reason TEXT NOT NULL DEFAULT 'expired';
  `,
  `
  -- Apart from the episodes, since either may be read first.
  CREATE TABLE acknowledged (device TEXT, episode TEXT, time INTEGER NOT NULL, PRIMARY KEY (device, episode)) WITHOUT ROWID;
  `,
  `
  -- The newest prediction of each output of each model for each device. What needs somebody first has the lowest
  -- (kind, rank): quantities before probabilities, the least quantity and the highest probability first.
  CREATE TABLE predictions (no INTEGER PRIMARY KEY, device TEXT NOT NULL, model TEXT NOT NULL, name TEXT NOT NULL,
    site TEXT NOT NULL, line TEXT NOT NULL, kind INTEGER NOT NULL, rank REAL NOT NULL, time INTEGER NOT NULL,
    epoch_no INTEGER NOT NULL, seq INTEGER NOT NULL, value TEXT NOT NULL, UNIQUE (device, model, name));
  CREATE INDEX predictions_by_rank ON predictions (kind, rank, no);
  CREATE INDEX predictions_by_time ON predictions (time);
  `,
  `
  -- Rollouts of models: what was said last of each, as it was signed, and what each gateway says of it.
  CREATE TABLE rollouts (name TEXT PRIMARY KEY, rollout TEXT, withdrawal TEXT, key TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE rollout_status (rollout TEXT, gateway TEXT, state TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (rollout, gateway)) WITHOUT ROWID;
  `,
];
