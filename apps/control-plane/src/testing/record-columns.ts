import { parse } from 'uuid';

/** What every kind of record tells. */
export interface CommonRecord {
  readonly observedAtUs: number;
  readonly netns: number | null;
  readonly pid: number | null;
  readonly cgroupId: number | null;
  readonly processName: string | null;
  readonly containerId: string | null;
  readonly sessionIds: readonly string[];
}

export const TEST_SESSION_ID = '01890a5d-ac96-774b-bcce-b302099a8057';

/** 16 bytes in network order. */
export function ipv4(text: string): Uint8Array {
  return Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...text.split('.').map(Number));
}

/** Of curl, observed now. */
export function commonRecord(): CommonRecord {
  return {
    observedAtUs: Date.now() * 1_000,
    netns: 4_026_531_840,
    pid: 4_711,
    cgroupId: 77,
    processName: 'curl',
    containerId: null,
    sessionIds: [TEST_SESSION_ID],
  };
}

/** The columns that every kind of record has, and their dictionaries. */
export function commonColumns(records: readonly CommonRecord[]) {
  const processNames = distinct(records.map(({ processName }) => processName));
  const containerIds = distinct(records.map(({ containerId }) => containerId));
  const sessionSets = distinct(records.map(({ sessionIds }) => sessionIds.join()));
  const base = records[0]?.observedAtUs ?? 0;
  return {
    rowCount: records.length,
    baseObservedAtUs: BigInt(base),
    observedAtDeltaUs: records.map(({ observedAtUs }) => BigInt(observedAtUs - base)),
    netns: records.map(({ netns }) => netns ?? 0),
    pid: records.map(({ pid }) => pid ?? 0),
    cgroupId: records.map(({ cgroupId }) => BigInt(cgroupId ?? 0)),
    processNameIndexPlusOne: records.map(({ processName }) => indexPlusOne(processNames, processName)),
    containerIdIndexPlusOne: records.map(({ containerId }) => indexPlusOne(containerIds, containerId)),
    sessionSetIndex: records.map(({ sessionIds }) => sessionSets.indexOf(sessionIds.join())),
    processNames,
    containerIds,
    sessionSets: sessionSets.map((set) => ({ sessionIds: set.split(',').map((id) => parse(id)) })),
  };
}

export function distinct(texts: readonly (string | null)[]): string[] {
  return [...new Set(texts.filter((text) => text !== null))];
}

function indexPlusOne(dictionary: readonly string[], text: string | null): number {
  return text === null ? 0 : dictionary.indexOf(text) + 1;
}
