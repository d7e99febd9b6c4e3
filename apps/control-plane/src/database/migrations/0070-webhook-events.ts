import type { Migration } from '../migration.js';

export const webhookEvents: Migration = {
  number: 70,
  name: '0070-webhook-events',
  up: `
    -- What bots are told of, written in the transaction that makes it so: neither without the other.
    CREATE TABLE webhook_event (
      id uuid NOT NULL,
      type text NOT NULL,
      occurred_at timestamptz(3) NOT NULL DEFAULT now(),
      -- Sent as it stands here. json and not jsonb, which would give its keys another order.
      data json NOT NULL,
      -- Whether the endpoints that want it have their deliveries.
      fanned_out boolean NOT NULL DEFAULT FALSE,
      CONSTRAINT webhook_event_pkey PRIMARY KEY (id)
    );
    CREATE INDEX webhook_event_waiting ON webhook_event (id) WHERE NOT fanned_out;`,
  down: `
    DROP TABLE webhook_event;`,
};
