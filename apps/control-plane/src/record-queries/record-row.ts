/** What the rows of every kind of record have. */
export interface RecordRow {
  readonly id: string;
  readonly observed_at: string;
  readonly agent_id: string;
  readonly hostname: string | null;
  readonly session_ids: string[];
  readonly pid: number | null;
  readonly process_name: string | null;
  readonly cgroup_id: number | null;
  readonly container_id: string | null;
  readonly netns: number | null;
}

/** The columns of {@link RecordRow} but for the hostname. */
export const RECORD_ROW_COLUMNS =
  'id, observed_at, agent_id, session_ids, pid, process_name, cgroup_id, container_id, netns';

/** The same as the API names it. */
export function recordFieldsOf(row: RecordRow) {
  return {
    id: row.id,
    observedAt: row.observed_at,
    agentId: row.agent_id,
    hostname: row.hostname,
    sessionIds: row.session_ids,
    process: {
      pid: row.pid,
      name: row.process_name,
      cgroupId: row.cgroup_id,
      containerId: row.container_id,
    },
    netns: row.netns,
  };
}

/** What is numbered from 1, as in the agent protocol. */
export function nameOf<T>(names: readonly T[], number: number): T {
  const name = names[number - 1];
  if (name === undefined) throw new RangeError(`${number} is stored, and has no name`);
  return name;
}
