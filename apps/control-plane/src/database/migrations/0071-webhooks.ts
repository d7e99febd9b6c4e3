import type { Migration } from '../migration.js';

export const webhooks: Migration = {
  number: 71,
  name: '0071-webhooks',
  up: `
    CREATE TABLE webhook (
      id uuid NOT NULL,
      name text NOT NULL,
      url text NOT NULL,
      events text[] NOT NULL,
      enabled boolean NOT NULL,
      disabled_reason text,
      -- Attempts that have failed since the last success; how long to leave it in peace follows from it.
      failures integer NOT NULL DEFAULT 0,
      failing_since timestamptz(3),
      held_until timestamptz(3),
      created_by uuid,
      created_at timestamptz(3) NOT NULL DEFAULT now(),
      updated_at timestamptz(3) NOT NULL DEFAULT now(),
      CONSTRAINT webhook_pkey PRIMARY KEY (id),
      CONSTRAINT webhook_name_key UNIQUE (name),
      CONSTRAINT webhook_failing_check CHECK ((failures = 0) = (failing_since IS NULL)),
      CONSTRAINT webhook_disabled_check CHECK (NOT (enabled AND disabled_reason IS NOT NULL))
    );

    -- Apart from the webhooks, so that no list of those can show one by mistake (decision 23).
    CREATE TABLE webhook_secret (
      id uuid NOT NULL,
      webhook_id uuid NOT NULL,
      secret bytea NOT NULL,
      created_at timestamptz(3) NOT NULL DEFAULT now(),
      -- Null for the present one.
      expires_at timestamptz(3),
      CONSTRAINT webhook_secret_pkey PRIMARY KEY (id),
      CONSTRAINT webhook_secret_webhook_fkey FOREIGN KEY (webhook_id) REFERENCES webhook (id) ON DELETE CASCADE
    );
    CREATE UNIQUE INDEX webhook_secret_present ON webhook_secret (webhook_id) WHERE expires_at IS NULL;
    CREATE INDEX webhook_secret_webhook ON webhook_secret (webhook_id);

    CREATE TABLE webhook_delivery (
      webhook_id uuid NOT NULL,
      event_id uuid NOT NULL,
      state text NOT NULL DEFAULT 'pending',
      -- All that were begun. Whoever ends one says which it was, so that a replica that was given up on changes nothing.
      attempts integer NOT NULL DEFAULT 0,
      -- How many there may be from now on, the one under way included, and since when.
      attempts_left smallint NOT NULL,
      round_began_at timestamptz(3) NOT NULL DEFAULT now(),
      -- During an attempt the end of its lease. Null when there is none to come.
      next_attempt_at timestamptz(3) DEFAULT now(),
      leased_until timestamptz(3),
      created_at timestamptz(3) NOT NULL DEFAULT now(),
      finished_at timestamptz(3),
      -- One chain of attempts per event and webhook, whatever number of replicas there is.
      CONSTRAINT webhook_delivery_pkey PRIMARY KEY (webhook_id, event_id),
      CONSTRAINT webhook_delivery_webhook_fkey FOREIGN KEY (webhook_id) REFERENCES webhook (id) ON DELETE CASCADE,
      CONSTRAINT webhook_delivery_event_fkey FOREIGN KEY (event_id) REFERENCES webhook_event (id) ON DELETE CASCADE,
      CONSTRAINT webhook_delivery_state_check CHECK (state IN ('pending', 'delivered', 'failed', 'canceled')),
      CONSTRAINT webhook_delivery_pending_check CHECK ((state = 'pending') = (next_attempt_at IS NOT NULL)),
      CONSTRAINT webhook_delivery_finished_check CHECK ((state = 'pending') = (finished_at IS NULL)),
      CONSTRAINT webhook_delivery_leased_check CHECK (leased_until IS NULL OR state = 'pending')
    );
    CREATE INDEX webhook_delivery_due ON webhook_delivery (webhook_id, next_attempt_at, event_id) WHERE state = 'pending';
    CREATE INDEX webhook_delivery_leased ON webhook_delivery (webhook_id) WHERE leased_until IS NOT NULL;
    -- For the end of an event, which is the end of its deliveries.
    CREATE INDEX webhook_delivery_event ON webhook_delivery (event_id);

    CREATE TABLE webhook_attempt (
      webhook_id uuid NOT NULL,
      event_id uuid NOT NULL,
      number integer NOT NULL,
      started_at timestamptz(3) NOT NULL,
      latency_us bigint,
      status integer,
      error text,
      response text,
      CONSTRAINT webhook_attempt_pkey PRIMARY KEY (webhook_id, event_id, number),
      CONSTRAINT webhook_attempt_delivery_fkey FOREIGN KEY (webhook_id, event_id)
        REFERENCES webhook_delivery (webhook_id, event_id) ON DELETE CASCADE
    );`,
  down: `
    DROP TABLE webhook_attempt;
    DROP TABLE webhook_delivery;
    DROP TABLE webhook_secret;
    DROP TABLE webhook;`,
};
