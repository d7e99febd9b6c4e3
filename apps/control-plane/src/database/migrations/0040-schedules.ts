import type { Migration } from '../migration.js';

export const schedules: Migration = {
  number: 40,
  name: '0040-schedules',
  up: `
    CREATE TABLE schedule (
      id uuid NOT NULL,
      name text NOT NULL,
      cron text,
      every_seconds integer,
      timezone text NOT NULL,
      jitter_seconds integer NOT NULL,
      overlap text NOT NULL,
      catch_up_seconds integer NOT NULL,
      -- The checked body of a request for a trace session.
      session jsonb NOT NULL,
      paused boolean NOT NULL,
      -- Intervals count from here.
      anchor_at timestamptz(3) NOT NULL,
      -- The first due time that nothing has become of yet, and when it fires, which is up to the jitter later. Null while paused.
      next_due_at timestamptz(3),
      next_fire_at timestamptz(3),
      created_by uuid,
      created_at timestamptz(3) NOT NULL DEFAULT now(),
      updated_at timestamptz(3) NOT NULL DEFAULT now(),
      CONSTRAINT schedule_pkey PRIMARY KEY (id),
      CONSTRAINT schedule_name_key UNIQUE (name),
      CONSTRAINT schedule_timing_check CHECK (num_nonnulls(cron, every_seconds) = 1),
      CONSTRAINT schedule_overlap_check CHECK (overlap IN ('skip', 'allow', 'replace')),
      CONSTRAINT schedule_next_check CHECK ((next_due_at IS NULL) = (next_fire_at IS NULL) AND NOT (paused AND next_due_at IS NOT NULL))
    );
    CREATE INDEX schedule_next ON schedule (next_fire_at);

    CREATE TABLE schedule_run (
      id uuid NOT NULL,
      schedule_id uuid NOT NULL,
      due_at timestamptz(3) NOT NULL,
      manual boolean NOT NULL,
      triggered_by uuid,
      triggered_by_name text,
      fired_at timestamptz(3),
      outcome text NOT NULL,
      error text,
      -- No foreign key: the history may outlive the session.
      session_id uuid,
      CONSTRAINT schedule_run_pkey PRIMARY KEY (id),
      -- One firing per due time, whatever number of replicas there is.
      CONSTRAINT schedule_run_due_key UNIQUE (schedule_id, due_at),
      CONSTRAINT schedule_run_schedule_fkey FOREIGN KEY (schedule_id) REFERENCES schedule (id) ON DELETE CASCADE,
      CONSTRAINT schedule_run_outcome_check CHECK (outcome IN ('started', 'skipped', 'missed', 'failed')),
      CONSTRAINT schedule_run_session_check CHECK ((outcome = 'started') = (session_id IS NOT NULL)),
      CONSTRAINT schedule_run_fired_check CHECK ((outcome = 'missed') = (fired_at IS NULL))
    );`,
  down: `
    DROP TABLE schedule_run;
    DROP TABLE schedule;`,
};
